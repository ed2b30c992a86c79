"""What a person may do to one trade or one order, judged from facts by a list of small rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tbot_bot.domain.market import MarketClock
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.domain.orders import Book, Order, OrderRole
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.domain.trades import OrderRecord, Trade


@dataclass(frozen=True, slots=True)
class ExitWish:
    """Close `quantity` of a trade, None for all of it, at `limit_price` or better, None for the market."""

    quantity: Quantity | None
    limit_price: Price | None


@dataclass(frozen=True, slots=True)
class ExitFacts:
    """What an exit by hand is judged by.

    `at_broker` is what the broker has of the symbol for the strategy book, signed; `working` are the exits of the
    trade on record that may still fill; `strange` the broker's open orders in the symbol that are not on record.
    """

    trade: Trade
    market: MarketClock
    at_broker: Quantity
    working: Sequence[OrderRecord]
    strange: Sequence[Order]
    tick: Price | None

    def quantity(self, wish: ExitWish) -> Quantity:
        """How much the wish would close."""
        return self.trade.quantity if wish.quantity is None else wish.quantity


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, what to do instead, and which field of the form is wrong, if one is."""

    sentence: str
    next_step: str
    field: str = ""


Rule = Callable[[ExitWish, ExitFacts], Refusal | None]


def _positive(wish: ExitWish, facts: ExitFacts) -> Refusal | None:
    quantity = facts.quantity(wish)
    if quantity.sign > 0:
        return None
    return Refusal(f"{quantity} is no quantity to close.", "Name how much of the position to close.", "quantity")


def _no_more_than_open(wish: ExitWish, facts: ExitFacts) -> Refusal | None:
    quantity, is_open = facts.quantity(wish), facts.trade.quantity
    if quantity <= is_open:
        return None
    return Refusal(
        f"{quantity} is more than the {is_open} {facts.trade.symbol} that are open.",
        f"Close {is_open} or less.",
        "quantity",
    )


def _price_on_tick(wish: ExitWish, facts: ExitFacts) -> Refusal | None:
    price, tick = wish.limit_price, facts.tick
    if price is None or (tick is not None and price.units > 0 and price.units % tick.units == 0):
        return None
    if tick is None:
        return Refusal(f"{facts.trade.symbol} is not among the broker's instruments.", "Exit at the market instead.")
    return Refusal(
        f"{price} is not a price at which {facts.trade.symbol} trades.",
        f"Name a positive multiple of {tick}.",
        "limit_price",
    )


def _market_open(_wish: ExitWish, facts: ExitFacts) -> Refusal | None:
    market = facts.market
    if market.is_open:
        return None
    if market.session is None:
        reason = market.ended_reason or "no session follows"
        return Refusal(f"The market does not open again: {reason}.", "Sign what is left open when trading is stopped.")
    opens = to_rfc3339(market.session.open_at)
    return Refusal(f"The market is closed; it opens at {opens}.", "Exit then, or press Stop to close all at the open.")


def _one_at_a_time(_wish: ExitWish, facts: ExitFacts) -> Refusal | None:
    if not facts.working:
        return None
    name = facts.working[0].order.client_order_id
    return Refusal(f"The exit {name} is on its way already.", "Cancel it first, or wait until it is final.")


def _nothing_strange(_wish: ExitWish, facts: ExitFacts) -> Refusal | None:
    if not facts.strange:
        return None
    order = facts.strange[0]
    return Refusal(
        f"The broker has an order in {order.symbol} that is not on record ({order.broker_order_id}).",
        "Cancel it at the broker first: with it more could be closed than is open.",
    )


def _held_at_broker(wish: ExitWish, facts: ExitFacts) -> Refusal | None:
    trade, held = facts.trade, facts.at_broker
    there = abs(held) if held.sign == trade.side.sign else Quantity.zero()
    if facts.quantity(wish) <= there:
        return None
    return Refusal(
        f"The broker holds {there} {trade.symbol} for the strategies, the books {trade.quantity}.",
        f"Close {there} or less." if there else "Compare the books with the broker before anything is sent.",
    )


EXIT_RULES: tuple[Rule, ...] = (
    _positive,
    _no_more_than_open,
    _price_on_tick,
    _market_open,
    _one_at_a_time,
    _nothing_strange,
    _held_at_broker,
)


def judge_exit(wish: ExitWish, facts: ExitFacts) -> Refusal | None:
    """Judge an exit by hand: None to let it pass to the gate, else the first rule's refusal."""
    return next((refusal for rule in EXIT_RULES if (refusal := rule(wish, facts)) is not None), None)


def judge_cancel(record: OrderRecord) -> Refusal | None:
    """Judge the cancelling of one order by hand: a protective stop stays, and so does what is not the strategies'."""
    order = record.order
    if record.book is not Book.STRATEGY:
        return Refusal("It belongs to the holdings book.", "Orders of holdings are cancelled on their own page.")
    if order.status.is_final:
        return Refusal(f"The order is {order.status} already.", "There is nothing left to cancel.")
    if record.role is OrderRole.STOP_LOSS:
        return Refusal("This order protects the trade.", "Exit the trade instead; its stop ends with it.")
    return None
