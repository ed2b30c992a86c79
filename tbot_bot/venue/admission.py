"""Why the market would refuse an order: a list of pure rules, each naming one reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tbot_bot.domain.market import Instrument
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import OrderRequest, OrderType, Side
from tbot_bot.venue.feed import Tick
from tbot_bot.venue.records import OrderRecord

LEGS_MAX = 2


@dataclass(frozen=True, slots=True)
class Desk:
    """What the rules look at.

    `short_after` is the shortest position once all plain orders and this one filled; `reach_before` and `reach_after`
    the account's exposure without and with this order (the latter needs a price, so it is asked for last);
    `reach_limit` what is allowed. `joined` are the open orders of the bracket that it joins, its entry among them.
    """

    joined: Sequence[OrderRecord]
    instruments: Mapping[str, Instrument]
    is_open: bool
    ended: bool
    tick: Tick | None
    short_after: Quantity
    reach_before: Money
    reach_after: Callable[[], Money]
    reach_limit: Money


Rule = Callable[[OrderRequest, Desk], str | None]


def refusal(request: OrderRequest, desk: Desk) -> str | None:
    """Return the first reason to refuse `request`, None if it is welcome."""
    return next((reason for rule in RULES if (reason := rule(request, desk))), None)


def replacement_refusal(record: OrderRecord, stop_price: Price, tick: Price) -> str | None:
    """Return why a stop is not moved to `stop_price`, None if it is."""
    order = record.order
    if order.type is not OrderType.STOP:
        return f"{order.client_order_id} is a {order.type} order, not a stop"
    if record.triggered:
        return f"the stop {order.client_order_id} was touched and is being filled"
    return _off_tick(stop_price, tick)


def _unknown_symbol(request: OrderRequest, desk: Desk) -> str | None:
    return None if request.symbol in desk.instruments else f"{request.symbol!r} is not traded at this market"


def _quantity(request: OrderRequest, _desk: Desk) -> str | None:
    return None if request.quantity > Quantity.zero() else f"the quantity must be positive, not {request.quantity}"


def _prices(request: OrderRequest, desk: Desk) -> str | None:
    return _price_error(request, desk.instruments[request.symbol].tick)


def _price_error(request: OrderRequest, tick: Price) -> str | None:
    wanted = (request.type is OrderType.LIMIT, request.type is OrderType.STOP)
    if wanted != (request.limit_price is not None, request.stop_price is not None):
        return f"a {request.type} order names exactly the price of its kind"
    for price in (request.limit_price, request.stop_price):
        if price is not None and (error := _off_tick(price, tick)):
            return error
    return None


def _off_tick(price: Price, tick: Price) -> str | None:
    if price <= Price.zero() or price.units % tick.units:
        return f"the price {price} is not a positive multiple of the tick {tick}"
    return None


def _bracket(request: OrderRequest, _desk: Desk) -> str | None:
    legs = request.bracket
    if len(legs) > LEGS_MAX or len({leg.type for leg in legs}) < len(legs):
        return "a bracket has at most one limit and one stop leg"
    ids = {request.client_order_id, *(leg.client_order_id for leg in legs)}
    return None if len(ids) > len(legs) else "every order of a bracket needs a client order id of its own"


def _legs(request: OrderRequest, desk: Desk) -> str | None:
    for leg in request.bracket:
        if leg.type is OrderType.MARKET or leg.bracket:
            return "a bracket leg is a limit or a stop order without legs of its own"
        if (leg.symbol, leg.book, leg.side) != (request.symbol, request.book, request.side.opposite):
            return "a bracket leg names the same symbol and book as its entry, and the opposite side"
        if leg.quantity != request.quantity:
            return "a bracket leg names the quantity of its entry"
        if error := _price_error(leg, desk.instruments[request.symbol].tick):
            return error
    return None


def _joins(request: OrderRequest, desk: Desk) -> str | None:
    if request.joins is not None and (request.bracket or request.type is OrderType.STOP):
        return "an order that joins a bracket is a market or limit order without legs"
    for other in desk.joined:
        side = request.side if other.is_leg else request.side.opposite
        if (other.order.symbol, other.order.side) != (request.symbol, side):
            return "an order that joins a bracket names its symbol and the side of its legs"
        if not other.is_leg and not other.order.filled:
            return f"the entry {request.joins} has not filled, so there is nothing to exit"
    most = max((other.remaining for other in desk.joined if other.is_leg), default=Quantity.zero())
    is_more = request.joins is not None and request.quantity > most
    return f"the bracket of {request.joins} closes {most} at most" if is_more else None


def _market_hours(request: OrderRequest, desk: Desk) -> str | None:
    if desk.ended:
        return "the market has no further session"
    if request.type is OrderType.LIMIT or desk.is_open:
        return None
    return f"the market is closed: a {request.type} order is taken during the session only, a limit order waits for it"


def _priced(request: OrderRequest, desk: Desk) -> str | None:
    if request.type is OrderType.LIMIT or desk.tick is not None:
        return None
    return f"{request.symbol} has not traded yet, so a {request.type} order has no price to go by"


def _shorting(request: OrderRequest, desk: Desk) -> str | None:
    if desk.instruments[request.symbol].shortable or request.side is Side.BUY:
        return None
    return f"{request.symbol} cannot be sold short" if desk.short_after < Quantity.zero() else None


def _buying_power(_request: OrderRequest, desk: Desk) -> str | None:
    after = desk.reach_after()
    if after <= max(desk.reach_before, desk.reach_limit):
        return None
    free = max(desk.reach_limit - desk.reach_before, Money.zero())
    return f"not enough buying power: {after - desk.reach_before} needed, {free} free"


RULES: tuple[Rule, ...] = (
    _unknown_symbol, _quantity, _prices, _bracket, _legs, _joins, _market_hours, _priced, _shorting, _buying_power,
)  # fmt: skip
