"""The calls that clients make over the socket, each a line over the venue; arguments and results as JSON holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from tbot_bot.brokers.sim.wire import WireError, decode, encode
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import OrderRequest
from tbot_bot.venue.venue import Venue

T = TypeVar("T")
Arguments = Mapping[str, Any]


def argument(kind: type[T], arguments: Arguments, name: str) -> T:
    """Return the argument called `name` if it is of the kind the call needs, or raise WireError."""
    value = arguments.get(name)
    if type(value) is not kind:
        raise WireError(f"the call needs {name} as {kind.__name__}")
    return value


def _account(venue: Venue, _arguments: Arguments) -> Any:
    return encode(venue.market.account())


def _instruments(venue: Venue, _arguments: Arguments) -> Any:
    return encode(venue.market.listed())


def _positions(venue: Venue, _arguments: Arguments) -> Any:
    return encode(venue.market.positions())


def _quotes(venue: Venue, arguments: Arguments) -> Any:
    return encode(venue.market.quotes([str(symbol) for symbol in argument(list, arguments, "symbols")]))


def _bars(venue: Venue, arguments: Arguments) -> Any:
    start_at, end_at = (decode(datetime, arguments.get(name)) for name in ("start_at", "end_at"))
    return encode(venue.market.bars(argument(str, arguments, "symbol"), start_at, end_at))


def _open_orders(venue: Venue, _arguments: Arguments) -> Any:
    return encode(venue.market.open_orders())


def _order(venue: Venue, arguments: Arguments) -> Any:
    found = venue.order(argument(str, arguments, "client_order_id"))
    return [] if found is None else [encode(found)]


def _executions(venue: Venue, arguments: Arguments) -> Any:
    return encode(venue.executions(argument(int, arguments, "after_sequence")))


def _submit(venue: Venue, arguments: Arguments) -> Any:
    return encode(venue.submit(decode(OrderRequest, arguments.get("request"))))


def _cancel(venue: Venue, arguments: Arguments) -> Any:
    venue.cancel(argument(str, arguments, "client_order_id"))


def _replace_stop(venue: Venue, arguments: Arguments) -> Any:
    price = decode(Price, arguments.get("stop_price"))
    return encode(venue.replace_stop(argument(str, arguments, "client_order_id"), price))


CALLS: dict[str, Callable[[Venue, Arguments], Any]] = {
    "account": _account,
    "instruments": _instruments,
    "positions": _positions,
    "quotes": _quotes,
    "bars": _bars,
    "open_orders": _open_orders,
    "order": _order,
    "executions": _executions,
    "submit": _submit,
    "cancel": _cancel,
    "replace_stop": _replace_stop,
}
