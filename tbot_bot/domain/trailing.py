"""Trailing stops: where a protective stop moves to as a trade gains, and never back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tbot_bot.domain.market import Bar
from tbot_bot.domain.money import Price
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.domain.orders import Side


class TrailBy(StrEnum):
    """What the distance of a trailing stop is measured in."""

    OFF = "off"
    RANGE = "range"
    PERCENT = "percent"


@dataclass(frozen=True, slots=True)
class Trail:
    """How a stop trails: once a trade has gained `after_r` times its first risk, `distance` behind the best price.

    `distance` counts average minute ranges or percents of the best price.
    """

    by: TrailBy
    after_r: Decimal
    distance: Decimal


def trailed_stop(trade: OpenTrade, bar: Bar, minute_range: Price, tick: Price, trail: Trail) -> Price | None:
    """The stop that `bar` asks for, None when it asks for none.

    `trade.stop_price` is the stop that the trade began with. A stop is on the tick, on its own side of the bar's
    close, and tighter than the first one; whether it is tighter than the present one is for `is_tighter` to say.
    """
    if trail.by is TrailBy.OFF or trade.stop_price is None:
        return None
    sign = trade.side.sign
    best = bar.high if trade.side is Side.BUY else bar.low
    gained, risked = (best - trade.entry_price) * sign, (trade.entry_price - trade.stop_price) * sign
    if risked.sign <= 0 or gained < risked * trail.after_r:
        return None
    distance = minute_range * trail.distance if trail.by is TrailBy.RANGE else best * (trail.distance / 100)
    stop = (best - distance * sign).to_tick(tick)
    nearest = bar.close - tick * sign
    if is_tighter(trade.side, stop, nearest):
        stop = nearest.to_tick(tick)
    return stop if stop.sign > 0 and is_tighter(trade.side, stop, trade.stop_price) else None


def is_tighter(side: Side, stop: Price, than: Price) -> bool:
    """Whether the stop of a trade on `side` is closer to the market than the other one."""
    return stop > than if side is Side.BUY else stop < than
