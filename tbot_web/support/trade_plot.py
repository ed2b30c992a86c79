"""The price plot of a trade: drawing, sentence and table come from the same minutes, fills and stops."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from tbot_bot.api.trades import BarRow, FillRow, TradeBars, TradeDetail, TradeRow
from tbot_bot.domain.money import to_decimal
from tbot_bot.domain.time import from_rfc3339
from tbot_web.support import figures, trade_view

#: Minutes shown before the entry and after the exit, unless the whole session is asked for.
MARGIN = 30
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Minute:
    """One bar with where the stop stood at its end, and what happened in it, in words."""

    bar: BarRow
    stop: str | None
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TradePlot:
    """What the page shows; `is_whole` where nothing of the session is left out."""

    trade: TradeRow
    minutes: tuple[Minute, ...]
    is_whole: bool
    drawn: str
    sentence: str


def trade_plot(detail: TradeDetail, found: TradeBars, *, whole: bool) -> TradePlot:
    """Cut the session to the trade's surroundings, or keep it `whole`, and mark what happened in it."""
    trade, bars = detail.trade, found.bars
    shown = bars if whole else _around(trade, bars)
    minutes = tuple(_minute(bar, trade, detail.fills, found) for bar in shown)
    return TradePlot(trade, minutes, len(shown) == len(bars), _drawn(trade, detail, minutes), _sentence(trade, bars))


def _around(trade: TradeRow, bars: Sequence[BarRow]) -> list[BarRow]:
    first = from_rfc3339(trade.opened_at) - MARGIN * _MINUTE
    last = from_rfc3339(trade.closed_at or bars[-1].at) + MARGIN * _MINUTE if bars else first
    return [bar for bar in bars if first <= from_rfc3339(bar.at) <= last]


def _minute(bar: BarRow, trade: TradeRow, fills: Sequence[FillRow], found: TradeBars) -> Minute:
    start_at = from_rfc3339(bar.at)
    end_at = start_at + _MINUTE
    moved = [stop for stop in found.stops if start_at <= from_rfc3339(stop.at) < end_at]
    events = [f"{_word(fill)} {figures.quantity(fill.quantity)} at {figures.price(fill.price)}"
              for fill in fills if start_at <= from_rfc3339(fill.at) < end_at]  # fmt: skip
    events += [f"stop to {figures.price(stop.price)}" for stop in moved]
    is_over = trade.closed_at is not None and from_rfc3339(trade.closed_at) < start_at
    standing = [] if is_over else [stop.price for stop in found.stops if from_rfc3339(stop.at) < end_at]
    return Minute(bar, standing[-1] if standing else None, tuple(events))


def _word(fill: FillRow) -> str:
    return "in" if fill.role == "entry" else "out"


def _drawn(trade: TradeRow, detail: TradeDetail, minutes: Sequence[Minute]) -> str:
    """What the script draws: bars with the stop, marks by number of bar, and the prices that have a line."""
    starts = [from_rfc3339(minute.bar.at) for minute in minutes]
    marks: dict[tuple[int, str], dict[str, object]] = {}
    for fill in detail.fills:  # the parts of an order that fill in one minute are one mark
        at = from_rfc3339(fill.at)
        number = sum(start_at <= at for start_at in starts) - 1
        if number >= 0:  # one in a minute that is not over yet is shown at the end of the one before
            mark = {"bar": number, "price": fill.price, "side": fill.side, "what": _word(fill)}
            marks.setdefault((number, _word(fill)), mark)
    bars = [(one.bar.at, one.bar.open, one.bar.high, one.bar.low, one.bar.close, one.stop) for one in minutes]
    facts = {"bars": bars, "marks": list(marks.values()), "target": trade.target_price, "entry": trade.entry_price,
             "exit": trade.exit_price, "gains": _gains(trade)}  # fmt: skip
    return json.dumps(facts, separators=(",", ":"))


def _gains(trade: TradeRow) -> bool | None:
    pnl = trade_view.pnl_text(trade)
    return None if pnl is None else to_decimal(pnl) > 0


def _sentence(trade: TradeRow, bars: Sequence[BarRow]) -> str:
    """What the plot shows, for those who do not see it: the way in and out, and how far it went either way."""
    opened, closed = from_rfc3339(trade.opened_at), from_rfc3339(trade.closed_at or "9999-12-31T00:00:00Z")
    held = [bar for bar in bars if opened - _MINUTE < from_rfc3339(bar.at) <= closed]
    said = f"{trade.side.capitalize()} {figures.quantity(trade.quantity)} {trade.symbol}"
    said += f", in at {figures.price(trade.entry_price)} at {figures.moment(trade.opened_at, 'time')}"
    if trade.closed_at:
        why = f" ({trade_view.closed_by(trade)})" if trade.close_reason else ""
        said += f", out at {figures.price(trade.exit_price)} at {figures.moment(trade.closed_at, 'time')}{why}"
    if not held or trade.entry_price is None:
        return f"{said}."
    low, high = (pick(to_decimal(getattr(bar, name)) for bar in held) for pick, name in ((min, "low"), (max, "high")))
    entry, sign = to_decimal(trade.entry_price), 1 if trade.side == "long" else -1
    best, worst = (high, low) if sign > 0 else (low, high)
    return (
        f"{said}. While it was held the price went {_way(best, entry, sign)} at best"
        f" and {_way(worst, entry, sign)} at worst."
    )


def _way(price: Decimal, entry: Decimal, sign: int) -> str:
    """A price as its distance from the entry in percent, positive in the trade's favour."""
    return f"{figures.money(str((price / entry - 1) * 100 * sign), sign=True)}%"
