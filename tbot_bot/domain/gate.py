"""The gate: whether an order may be sent, judged from facts by a list of small rules.

A rule returns None to let the order pass, or the sentence that refuses it; the tables below name it, and what it stops
is recorded under that name. What is unknown refuses an entry.
An exit passes while trading is paused, and never for more than is open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from tbot_bot.domain.intents import GateRefusal, OrderIntent
from tbot_bot.domain.lifecycle import RUNNING, State
from tbot_bot.domain.market import Instrument
from tbot_bot.domain.money import Money, Price, Quantity, total
from tbot_bot.domain.orders import Book, OrderRole, Side


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Limits in force now, defense mode already applied."""

    max_open_positions: int
    max_trades: int


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """What an order that is not final may still do; `price` is its own limit, None for a market or stop order.

    Bracket legs of one parent share its `group`: the fill of one cancels the other.
    """

    book: Book
    symbol: str
    side: Side
    role: OrderRole
    remaining: Quantity
    price: Price | None
    group: str


@dataclass(frozen=True, slots=True)
class GateConditions:
    """What the runner knows beside the books; None and missing keys are unknown.

    `paused_strategies` are those that a person holds back, each with the reason.
    """

    state: State
    armed: bool
    killed: bool
    paused: bool
    market_day: date | None
    instruments: Mapping[str, Instrument]
    marks: Mapping[str, Price]
    limits: RiskLimits
    float_allocation: Money | None
    defense: bool = False
    paused_strategies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GateFacts:
    """Everything an order is judged by. `positions` are signed, by book and symbol, zeros left out.

    `trades_today` counts entries of the session that filled or still may.
    """

    conditions: GateConditions
    positions: Mapping[Book, Mapping[str, Quantity]]
    working: Sequence[WorkingOrder]
    trades_today: int

    def position(self, book: Book, symbol: str) -> Quantity:
        """The signed open quantity of `symbol` in `book`."""
        return self.positions.get(book, {}).get(symbol, Quantity.zero())

    def working_entries(self) -> list[WorkingOrder]:
        """Entries of the strategy book that may still fill."""
        return [order for order in self.working if order.book is Book.STRATEGY and order.role is OrderRole.ENTRY]

    def closing_quantity(self, book: Book, symbol: str, side: Side, joins: str | None = None) -> Quantity:
        """The most that working orders on `side`, entries aside, may still fill; legs of one group count once.

        The group that an order `joins` does not count: the broker lets its orders fill no more than what is open.
        """
        largest: dict[str, Quantity] = {}
        for order in self.working:
            if order.group == joins or order.role is OrderRole.ENTRY:
                continue
            if (order.book, order.symbol, order.side) == (book, symbol, side):
                largest[order.group] = max(largest.get(order.group, Quantity.zero()), order.remaining)
        return Quantity(sum(quantity.units for quantity in largest.values()))


Rule = Callable[[OrderIntent, GateFacts], str | None]

_TRADING = RUNNING - {State.STARTED}


def _state_trades(intent: OrderIntent, facts: GateFacts) -> str | None:
    state = facts.conditions.state
    if state in _TRADING or (intent.book is Book.HOLDINGS and state is State.STOPPED):
        return None
    return f"no order is sent in state {state}"


def _not_killed(_intent: OrderIntent, facts: GateFacts) -> str | None:
    if facts.conditions.killed:
        return "the kill switch is triggered; an admin has to reset it first"
    return None


def _armed(_intent: OrderIntent, facts: GateFacts) -> str | None:
    if not facts.conditions.armed:
        return "the kill switch is not armed, so nothing is sent; arm it by starting again"
    return None


def _quantity_positive(intent: OrderIntent, _facts: GateFacts) -> str | None:
    return None if intent.quantity.sign > 0 else f"{intent.quantity} is no quantity to order"


def _not_paused(_intent: OrderIntent, facts: GateFacts) -> str | None:
    return "trading is paused: no new entry until it is resumed" if facts.conditions.paused else None


def strategy_paused(strategy: str, reason: str) -> str:
    """Why a strategy that a person holds back makes no entry."""
    return f"strategy {strategy} is paused ({reason}): no new entry until it is resumed"


def _strategy_not_paused(intent: OrderIntent, facts: GateFacts) -> str | None:
    reason = facts.conditions.paused_strategies.get(intent.strategy)
    return None if reason is None else strategy_paused(intent.strategy, reason)


def _session_is_today(intent: OrderIntent, facts: GateFacts) -> str | None:
    today = facts.conditions.market_day
    if today is None:
        return "the market's day is unknown, so no entry is sent"
    if intent.session_day != today:
        return f"the intent is of session {intent.session_day}, but the market is in {today}"
    return None


def _symbol_known(intent: OrderIntent, facts: GateFacts) -> str | None:
    instrument = facts.conditions.instruments.get(intent.symbol)
    if instrument is None:
        return f"{intent.symbol} is not among the broker's instruments"
    if intent.side is Side.SELL and not instrument.shortable:
        return f"{intent.symbol} cannot be sold short"
    return None


def _not_against_other_book(intent: OrderIntent, facts: GateFacts) -> str | None:
    other = Book.HOLDINGS if intent.book is Book.STRATEGY else Book.STRATEGY
    held = facts.position(other, intent.symbol)
    if held.sign * intent.side.sign < 0:
        return f"the {other} book has {held} {intent.symbol}; an order against it is refused"
    return None


def _one_trade_per_symbol(intent: OrderIntent, facts: GateFacts) -> str | None:
    entries = {order.symbol for order in facts.working_entries()}
    if facts.position(Book.STRATEGY, intent.symbol) or intent.symbol in entries:
        return f"a trade in {intent.symbol} is open already"
    return None


def _open_positions_left(_intent: OrderIntent, facts: GateFacts) -> str | None:
    symbols = {order.symbol for order in facts.working_entries()} | set(facts.positions.get(Book.STRATEGY, {}))
    limit = facts.conditions.limits.max_open_positions
    return f"{len(symbols)} of {limit} positions are open" if len(symbols) >= limit else None


def _trades_left(_intent: OrderIntent, facts: GateFacts) -> str | None:
    limit = facts.conditions.limits.max_trades
    if facts.trades_today >= limit:
        return f"{facts.trades_today} of {limit} trades of this session are used"
    return None


def _within_float(intent: OrderIntent, facts: GateFacts) -> str | None:
    allocation = facts.conditions.float_allocation
    if allocation is None:
        return "the float is unknown, so no entry is sent"
    deployed = _deployed(intent, facts)
    if isinstance(deployed, str):
        return deployed
    if deployed > allocation:
        return f"{deployed} would be deployed, more than the float of {allocation}"
    return None


def _deployed(intent: OrderIntent, facts: GateFacts) -> Money | str:
    """Gross worth of strategy positions, working entries and this order; a sentence where a price is unknown."""
    held = facts.positions.get(Book.STRATEGY, {})
    parts: list[tuple[str, Quantity, Price | None]] = [(symbol, quantity, None) for symbol, quantity in held.items()]
    parts += [(order.symbol, order.remaining, order.price) for order in facts.working_entries()]
    parts.append((intent.symbol, intent.quantity, intent.limit_price))
    worth = []
    for symbol, quantity, own_price in parts:
        price = facts.conditions.marks.get(symbol) if own_price is None else own_price
        if price is None:
            return f"the price of {symbol} is unknown, so no entry is sent"
        worth.append(price * abs(quantity))
    return total(worth)


def _exit_of_open_trade(intent: OrderIntent, facts: GateFacts) -> str | None:
    open_quantity = facts.position(intent.book, intent.symbol)
    if open_quantity.sign * intent.side.sign >= 0:
        return f"there is nothing in {intent.symbol} that a {intent.side} would close"
    working = facts.closing_quantity(intent.book, intent.symbol, intent.side, intent.joins)
    if intent.quantity + working > abs(open_quantity):
        return (
            f"closing {intent.quantity} {intent.symbol} with {working} already being closed "
            f"is more than the {abs(open_quantity)} open"
        )
    return None


def _role_can_be_asked(intent: OrderIntent, _facts: GateFacts) -> str | None:
    if intent.role in (OrderRole.ENTRY, OrderRole.EXIT):
        return None
    return f"a {intent.role} order comes only as the leg of an entry"


Rules = Mapping[str, Rule]
#: Asked of every order the bot wants to send.
PERMISSION_RULES: Rules = {"killed": _not_killed, "unarmed": _armed, "state": _state_trades}
ORDER_RULES: Rules = {"role": _role_can_be_asked, "quantity": _quantity_positive}
ENTRY_RULES: Rules = {
    "trading_paused": _not_paused,
    "session": _session_is_today,
    "instrument": _symbol_known,
    "other_book": _not_against_other_book,
}
STRATEGY_ENTRY_RULES: Rules = {
    "paused": _strategy_not_paused,
    "open_trade": _one_trade_per_symbol,
    "positions": _open_positions_left,
    "trades": _trades_left,
    "float": _within_float,
}
EXIT_RULES: Rules = {"closable": _exit_of_open_trade}


def judge_intent(intent: OrderIntent, facts: GateFacts) -> GateRefusal | None:
    """Judge an order the bot wants to send: None to let it pass, else the first rule against it."""
    return _first_refusal({**PERMISSION_RULES, **ORDER_RULES, **_role_rules(intent)}, intent, facts)


def judge_closing(intent: OrderIntent, facts: GateFacts) -> GateRefusal | None:
    """Judge an exit that Stop or Kill sends: it passes in every state, but never for more than is open."""
    if intent.role is not OrderRole.EXIT:
        return GateRefusal("role", "closing sends exits only")
    return _first_refusal({**ORDER_RULES, **EXIT_RULES}, intent, facts)


def _role_rules(intent: OrderIntent) -> Rules:
    if intent.role is OrderRole.EXIT:
        return EXIT_RULES
    return {**ENTRY_RULES, **STRATEGY_ENTRY_RULES} if intent.book is Book.STRATEGY else ENTRY_RULES


def _first_refusal(rules: Rules, intent: OrderIntent, facts: GateFacts) -> GateRefusal | None:
    judged = ((name, rule(intent, facts)) for name, rule in rules.items())
    return next((GateRefusal(name, sentence) for name, sentence in judged if sentence is not None), None)
