"""What an act would do, in figures read from the books and the last marks; an unknown price stays unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from tbot_bot.api.control import Act, Preview, PreviewLine
from tbot_bot.api.status import TieOut
from tbot_bot.api.wording import counted, kill_words
from tbot_bot.domain.accounts import FUNCTIONAL_CURRENCY
from tbot_bot.domain.defense import Cause, Defense
from tbot_bot.domain.lifecycle import CLOSING, PHASES, RUNNING, TRANSITIONS, Phase, State
from tbot_bot.domain.money import Money, Price, round_half_even, total
from tbot_bot.domain.orders import Book, OrderRole
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.domain.trades import OrderRecord, Trade


@dataclass(frozen=True, slots=True)
class PreviewFacts:
    """What the preview is made from: where the bot stands, and the strategy book.

    `market_open` and `opens_at` are None while unknown. `name` is what a reset asks to be typed.
    """

    state: State
    paused: bool
    killed: bool
    market_open: bool | None
    opens_at: datetime | None
    trades: Sequence[Trade]
    orders: Sequence[OrderRecord]
    marks: Mapping[str, Price]
    name: str
    defense: Defense
    defense_factor: Decimal
    tie_out: TieOut | None

    @property
    def working(self) -> list[OrderRecord]:
        """Open orders of the strategy book."""
        return [record for record in self.orders if record.book is Book.STRATEGY]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an act would do, in words; `refusal` is empty where it may be done."""

    refusal: str
    title: str
    sentence: str
    effects: list[str] = field(default_factory=list)
    shows_positions: bool = False
    shows_orders: bool = False


def preview(act: Act, facts: PreviewFacts) -> Preview:
    """Say what `act` would do now, with every position and order it concerns."""
    plan = _PLANS[act](facts)
    positions = [position_line(trade, facts.marks) for trade in facts.trades] if plan.shows_positions else []
    orders = [_order_line(record, facts.marks) for record in facts.working] if plan.shows_orders else []
    gross = _gross(facts) if plan.shows_positions else None
    is_reset, found = act is Act.RESET, facts.tie_out if act is Act.SIGN_BREAK else None
    return Preview(
        act=act,
        allowed=not plan.refusal,
        refusal=plan.refusal,
        title=plan.title,
        sentence=plan.sentence,
        effects=[*plan.effects, *(_unknown_prices(facts) if plan.shows_positions else [])],
        positions=positions,
        orders=orders,
        gross_value=None if gross is None else str(gross),
        typed_confirmation=facts.name if is_reset else None,
        needs_step_up=act in (Act.RESET, Act.SIGN_BREAK),
        subject=found.subject if found else "",
    )


def position_line(trade: Trade, marks: Mapping[str, Price]) -> PreviewLine:
    """An open trade as a line: signed quantity, worth at its mark or None while that is unknown."""
    mark = marks.get(trade.symbol)
    return PreviewLine(
        what="position",
        symbol=trade.symbol,
        quantity=str(trade.quantity * trade.side.sign),
        value=None if mark is None else str(mark * trade.quantity),
    )


def _start(facts: PreviewFacts) -> _Plan:
    refusal = (
        "" if facts.state is State.STOPPED else f"The bot is {_words(facts.state)}; only a stopped one is started."
    )
    if facts.killed:
        refusal = "The kill switch is triggered. An admin has to reset it first."
    effects = [
        "Orders, fills, positions and cash are compared with the broker; trading is locked until they agree.",
        "The kill switch is armed and the strategies run.",
    ]
    if facts.trades:
        effects.append(f"{_are(len(facts.trades), 'open position')} taken over.")
    return _Plan(refusal, "Start trading", "Start the strategies.", effects, shows_positions=True)


def _pause(facts: PreviewFacts) -> _Plan:
    refusal = "" if facts.state in RUNNING else f"The bot is {_words(facts.state)}; there is nothing to pause."
    if facts.paused:
        refusal = "Trading is paused already."
    entries = sum(record.role is OrderRole.ENTRY for record in facts.working)
    effects = ["No new entry is sent."]
    if facts.trades:
        effects.append(f"{_are(len(facts.trades), 'open position')} managed and closed as usual.")
    if entries:
        effects.append(f"{_are(entries, 'working entry', 'working entries')} not cancelled and may still fill.")
    sentence = "Hold back new entries until trading is resumed."
    return _Plan(refusal, "Pause entries", sentence, effects, shows_positions=True, shows_orders=True)


def _resume(facts: PreviewFacts) -> _Plan:
    refusal = "" if facts.paused else "Trading is not paused."
    return _Plan(refusal, "Resume entries", "Let the strategies enter again.", ["New entries are sent again."])


def _stop(facts: PreviewFacts) -> _Plan:
    may = State.GRACEFUL in TRANSITIONS[facts.state]
    refusal = "" if may else f"The bot is {_words(facts.state)}; there is nothing to stop."
    effects = ["No new entry is sent.", *_closing_effects(facts), "The holdings book is not touched."]
    if facts.trades and facts.market_open is None:
        effects.append("Whether the market is open is unknown now; if it is not, positions are closed at its open.")
    elif facts.trades and not facts.market_open:
        when = "when it opens" if facts.opens_at is None else f"when it opens at {to_rfc3339(facts.opens_at)}"
        effects.append(f"The market is closed: positions are closed {when}.")
    return _Plan(refusal, "Stop trading", _close_sentence(facts), effects, shows_positions=True, shows_orders=True)


def _kill(facts: PreviewFacts) -> _Plan:
    live = PHASES[facts.state] in (Phase.MAIN, Phase.CLOSING)
    refusal = "" if live else f"The bot is {_words(facts.state)}; there is nothing to kill."
    if facts.killed:
        refusal = "The kill switch is triggered already."
    effects = [
        "No order of a strategy is sent from this moment on.",
        *_closing_effects(facts),
        "The holdings book is not touched.",
        "The kill switch stays triggered until an admin resets it.",
    ]
    if facts.trades and facts.market_open is False:
        effects.append("The market is closed: positions stay open until it opens.")
    return _Plan(
        refusal, kill_words(len(facts.trades)), _close_sentence(facts), effects, shows_positions=True, shows_orders=True
    )


def _cancel_closing(facts: PreviewFacts) -> _Plan:
    refusal = "" if facts.state is State.GRACEFUL else "No stop is under way. A kill cannot be cancelled."
    effects = [
        "Exits already sent stay at the broker.",
        "Protective orders that were cancelled are not sent again; the strategies manage what is open.",
    ]
    return _Plan(refusal, "Cancel the stop", "Go on trading with what is open.", effects, shows_positions=True)


def _sign_residuals(facts: PreviewFacts) -> _Plan:
    refusal = "" if facts.state in CLOSING else "Nothing is being closed, so there is nothing to sign."
    effects = ["The bot is stopped with these positions open.", "Nothing watches them until trading is started."]
    sentence = f"Accept that {_are(len(facts.trades), 'position') if facts.trades else 'no position is'} left open."
    return _Plan(refusal, "Sign what is left open", sentence, effects, shows_positions=True)


def _reset(facts: PreviewFacts) -> _Plan:
    if facts.state is State.ERROR:
        return _Plan("", "Reset the error", "Leave the error state.", ["The bot is stopped; nothing is traded."])
    refusal = "" if facts.killed else "The kill switch is not triggered."
    if facts.killed and facts.state is not State.STOPPED:
        refusal = f"The bot is {_words(facts.state)}; the kill switch is reset once it is stopped."
    effects = ["The kill switch is no longer triggered.", "Nothing is traded until trading is started."]
    return _Plan(refusal, "Reset the kill switch", "Allow trading to be started again.", effects)


def _begin_defense(facts: PreviewFacts) -> _Plan:
    refusal = _outside_main(facts)
    if facts.defense.is_active:
        refusal = "Defense mode is active already."
    percent = round_half_even(facts.defense_factor * 100, 0)
    effects = [
        f"Entries have {percent} % of the float, of the open positions and of the trades.",
        "Open positions are managed as before.",
        "It stays until a person ends it, also over a restart.",
    ]
    return _Plan(refusal, "Begin defense mode", "Make new entries smaller and fewer.", effects)


def _end_defense(facts: PreviewFacts) -> _Plan:
    refusal = _outside_main(facts) or ("" if facts.defense.is_active else "Defense mode is not active.")
    effects = [f"Set aside until it has been gone: {words}." for words in _still_calling(facts.defense)]
    effects.append("It begins by itself again when something else calls for it.")
    return _Plan(refusal, "End defense mode", "Let entries have the whole float and all limits again.", effects)


def _sign_break(facts: PreviewFacts) -> _Plan:
    found = facts.tie_out
    refusal = _outside_main(facts)
    if found is None or found.clean:
        refusal = refusal or "Broker, books and ledger agree; there is nothing to sign."
    elif not found.verified:
        refusal = refusal or "What differs could not be read; it is tried again by itself."
    elif found.signed_by:
        refusal = refusal or f"This difference was signed by {found.signed_by}."
    effects = [
        *(found.sentences if found and not found.clean else []),
        f"Accepted is exactly this: {', '.join(found.exceptions) if found else 'nothing'}.",
        "Entries are allowed while it stays as it is, also after a restart.",
        "Nothing is booked: the figures stay apart until they are put right. Any other difference blocks again.",
    ]
    sentence = "Accept what broker, books and ledger disagree about."
    return _Plan(refusal, "Sign the difference", sentence, effects)


def _still_calling(defense: Defense) -> list[str]:
    return [] if defense.calm_since else [words for cause, words in defense.causes.items() if cause != Cause.BY_HAND]


def _outside_main(facts: PreviewFacts) -> str:
    return "" if PHASES[facts.state] is Phase.MAIN else f"The bot is {_words(facts.state)}; it makes no entries now."


_PLANS: dict[Act, Callable[[PreviewFacts], _Plan]] = {
    Act.START: _start,
    Act.PAUSE: _pause,
    Act.RESUME: _resume,
    Act.STOP: _stop,
    Act.KILL: _kill,
    Act.CANCEL_CLOSING: _cancel_closing,
    Act.SIGN_RESIDUALS: _sign_residuals,
    Act.BEGIN_DEFENSE: _begin_defense,
    Act.END_DEFENSE: _end_defense,
    Act.SIGN_BREAK: _sign_break,
    Act.RESET: _reset,
}


def _closing_effects(facts: PreviewFacts) -> list[str]:
    orders, positions = len(facts.working), len(facts.trades)
    return [
        f"{_are(orders, 'working order')} cancelled." if orders else "No working order to cancel.",
        f"{_are(positions, 'open position')} closed at the market." if positions else "No open position to close.",
    ]


def _close_sentence(facts: PreviewFacts) -> str:
    if not facts.trades:
        return "No position is open."
    gross = _gross(facts)
    worth = "worth unknown" if gross is None else f"about {round_half_even(gross.decimal, 2):,} {FUNCTIONAL_CURRENCY}"
    return f"Close {counted(len(facts.trades), 'position')}, {worth}."


def _gross(facts: PreviewFacts) -> Money | None:
    """Worth of the open positions at their marks, longs and shorts added up; None while a mark is unknown."""
    if any(trade.symbol not in facts.marks for trade in facts.trades):
        return None
    return total(facts.marks[trade.symbol] * trade.quantity for trade in facts.trades)


def _unknown_prices(facts: PreviewFacts) -> list[str]:
    symbols = [trade.symbol for trade in facts.trades if trade.symbol not in facts.marks]
    return [f"The price of {', '.join(symbols)} is unknown, so the worth is too."] if symbols else []


def _order_line(record: OrderRecord, marks: Mapping[str, Price]) -> PreviewLine:
    order = record.order
    price = order.limit_price or order.stop_price or marks.get(order.symbol)
    remaining = order.quantity - order.filled
    return PreviewLine(
        what=f"{record.role.replace('_', ' ')} order",
        symbol=order.symbol,
        quantity=str(remaining * order.side.sign),
        value=None if price is None else str(price * remaining),
    )


def _are(number: int, one: str, many: str = "") -> str:
    """`1 position is`, `2 positions are`."""
    return f"{counted(number, one, many)} {'is' if number == 1 else 'are'}"


def _words(state: State) -> str:
    return state.replace("_", " ")
