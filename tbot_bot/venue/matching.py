"""Whether and at what price an order fills at one tick."""

from __future__ import annotations

from tbot_bot.domain.market import Bar
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.domain.orders import Side
from tbot_bot.venue.feed import TICKS_PER_BAR, Tick
from tbot_bot.venue.records import OrderRecord

#: All orders together get at most a tenth of a minute's volume.
VOLUME_SHARE = 10


def match(record: OrderRecord, tick: Tick) -> Price | None:
    """Return the price at which one tick fills an order, None if it does not.

    Market: buys at the ask, sells at the bid. Stop: touched by the last trade, a market order from then on.
    Limit: marketable on arrival it takes the quote; after resting it fills at its own price, for the market came
    through it. It is never filled at a worse price than its own.
    """
    order = record.order
    touch = tick.ask if order.side is Side.BUY else tick.bid
    if order.limit_price is not None:
        if not _at_least_as_good(order.side, touch, order.limit_price):
            return None
        return order.limit_price if record.rested else touch
    triggered = record.triggered or order.stop_price is None or _touched(order.side, order.stop_price, tick.last)
    return touch if triggered else None


def liquidity(bar: Bar, tick_number: int, taken: Quantity) -> Quantity:
    """Whole shares left for our orders at tick `tick_number` (0..3) of a minute of which they took `taken` already.

    A quarter of the minute's share of volume becomes available with each tick.
    """
    offered = bar.volume.units * (tick_number + 1) // (VOLUME_SHARE * TICKS_PER_BAR)
    whole = Quantity(offered // _SHARE.units * _SHARE.units)
    return max(whole - taken, Quantity.zero())


_SHARE = Quantity.of(1)


def _touched(side: Side, stop: Price, last: Price) -> bool:
    """Whether the last trade reached the stop price."""
    return last >= stop if side is Side.BUY else last <= stop


def _at_least_as_good(side: Side, price: Price, limit: Price) -> bool:
    return price <= limit if side is Side.BUY else price >= limit
