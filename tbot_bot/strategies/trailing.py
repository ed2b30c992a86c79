"""What every strategy declares and wishes of a trailing stop."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

from tbot_bot.api.settings import setting
from tbot_bot.domain.intents import Tighten
from tbot_bot.domain.trailing import Trail, TrailBy, trailed_stop
from tbot_bot.strategies.base import Context

TrailChoice = Literal["off", "range", "percent"]


def trail_by(group: str) -> Any:
    """Declare whether and how a strategy's stops trail."""
    return setting(
        "off",
        title="Trailing stop",
        help="Whether the stop follows a trade that gains, and what its distance is measured in.",
        group=group,
        names={"off": "Stays where it is", "range": "By average minute ranges", "percent": "By percent of the price"},
    )


def trail_after(group: str) -> Any:
    """Declare from which gain on a stop trails."""
    return setting(
        Decimal(1),
        title="Trails after",
        help="The stop begins to follow once the trade has gained this much.",
        group=group,
        unit="times the risk",
        minimum=0,
        maximum=20,
    )


def trail_distance(group: str) -> Any:
    """Declare how far behind the best price a stop trails."""
    return setting(
        Decimal(3),
        title="Trailing distance",
        help="How far the stop stays behind the best price; it never moves back.",
        group=group,
        unit="minute ranges or percent",
        minimum="0.1",
        maximum=50,
    )


def trail_of(by: TrailChoice, after_r: Decimal, distance: Decimal) -> Trail:
    """The parameters as one value."""
    return Trail(TrailBy(by), after_r, distance)


def tightened(context: Context[Any, Any], trail: Trail) -> Iterator[Tighten]:
    """Where the stops of the strategy's open trades belong after the bars that closed just now."""
    for trade in context.trades:
        bar, known = context.bars.get(trade.symbol), context.features.get(trade.symbol)
        average = known.minute_range.value if known else None
        if bar is None or average is None or bar.start_at < trade.opened_at:  # its high may lie before the entry
            continue
        stop = trailed_stop(trade, bar, average, context.instruments[trade.symbol].tick, trail)
        if stop is not None:
            yield Tighten(trade.symbol, stop, f"trails {bar.symbol} at {bar.close}")
