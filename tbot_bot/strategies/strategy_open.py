"""Opening range breakout.

The first minutes of the session draw each symbol's opening range. The first minute bar that closes beyond it, far
enough and on enough volume, opens one trade in that direction: stop inside or across the range, target a multiple of
what the stop risks. What is still open after the exit time is closed at the market.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from tbot_bot.api.settings import Exact, Whole, setting
from tbot_bot.domain.intents import Window, Wish
from tbot_bot.domain.market import Bar, Session
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import Side
from tbot_bot.strategies.base import Context, Features, StrategyParameters
from tbot_bot.strategies.day import wishes_of
from tbot_bot.strategies.indicators import OpeningRange
from tbot_bot.strategies.schedule import Schedule, after_open
from tbot_bot.strategies.signals import FilteredError, ShortType, Signal, short_type, target_of
from tbot_bot.strategies.trailing import TrailChoice, trail_after, trail_by, trail_distance, trail_of

_GROUP = "Opening range breakout"


class OpenParameters(StrategyParameters):
    """What the opening range breakout goes by; all minutes count from the open."""

    OPEN_ANALYSIS_MINUTES: Whole = setting(
        15,
        title="Opening range",
        help="How long the opening range is drawn before the first entry.",
        group=_GROUP,
        unit="minutes",
        minimum=5,
        maximum=60,
    )
    OPEN_BREAKOUT_MINUTES: Whole = setting(
        120,
        title="Entries until",
        help="No new entry once the session is this old.",
        group=_GROUP,
        unit="minutes after the open",
        minimum=6,
        maximum=360,
    )
    OPEN_EXIT_MINUTES: Whole = setting(
        240,
        title="Time exit",
        help="What is still open once the session is this old is closed; at the latest 5 minutes before the close.",
        group=_GROUP,
        unit="minutes after the open",
        minimum=10,
        maximum=385,
    )
    OPEN_BREAKOUT_BUFFER: Exact = setting(
        Decimal("0.05"),
        title="Breakout buffer",
        help="How far beyond the range a minute has to close to count as a breakout.",
        group=_GROUP,
        unit="of the range",
        minimum=0,
        maximum=1,
    )
    OPEN_VOLUME_FACTOR: Exact = setting(
        Decimal("0.8"),
        title="Breakout volume",
        help="The least volume of the breakout minute, compared with the mean minute of the opening range.",
        group=_GROUP,
        unit="of the mean minute",
        minimum=0,
        maximum=10,
    )
    OPEN_RANGE_MIN: Exact = setting(
        Decimal("0.001"),
        title="Narrowest range",
        help="A narrower opening range is noise and is not traded.",
        group=_GROUP,
        unit="of the price",
        minimum=0,
        maximum="0.1",
    )
    OPEN_RANGE_MAX: Exact = setting(
        Decimal("0.05"),
        title="Widest range",
        help="A wider opening range asks for too distant a stop and is not traded.",
        group=_GROUP,
        unit="of the price",
        minimum="0.001",
        maximum="0.5",
    )
    OPEN_STOP_RANGE_FRACTION: Exact = setting(
        Decimal(1),
        title="Stop distance",
        help="How far behind the broken edge the stop stands; 1 is the other side of the range.",
        group=_GROUP,
        unit="of the range",
        minimum="0.1",
        maximum=1,
    )
    OPEN_STOP_NOISE_FACTOR: Exact = setting(
        Decimal(1),
        title="Noise filter",
        help="No trade when the stop is nearer than this many average minute ranges.",
        group=_GROUP,
        unit="average minute ranges",
        minimum=0,
        maximum=20,
    )
    OPEN_REWARD_RISK: Exact = setting(
        Decimal(2),
        title="Target",
        help="Distance of the target, as a multiple of the distance to the stop.",
        group=_GROUP,
        unit="times the risk",
        minimum="0.2",
        maximum=20,
    )
    OPEN_SHORT_TYPE: ShortType = short_type(_GROUP)
    OPEN_TRAIL: TrailChoice = trail_by(_GROUP)
    OPEN_TRAIL_AFTER: Exact = trail_after(_GROUP)
    OPEN_TRAIL_DISTANCE: Exact = trail_distance(_GROUP)

    def conflicts(self) -> dict[str, str]:
        """The windows follow each other, and the widest range is wider than the narrowest."""
        checks = (
            (
                self.OPEN_BREAKOUT_MINUTES <= self.OPEN_ANALYSIS_MINUTES,
                "OPEN_BREAKOUT_MINUTES",
                "OPEN_ANALYSIS_MINUTES",
            ),
            (self.OPEN_EXIT_MINUTES <= self.OPEN_BREAKOUT_MINUTES, "OPEN_EXIT_MINUTES", "OPEN_BREAKOUT_MINUTES"),
            (self.OPEN_RANGE_MAX <= self.OPEN_RANGE_MIN, "OPEN_RANGE_MAX", "OPEN_RANGE_MIN"),
        )
        return {name: f"{name} must be more than {other}" for wrong, name, other in checks if wrong}


class OpenFeatures(Features):
    """The opening range of one symbol beside its average minute."""

    def __init__(self, range_end_at: datetime, minutes: int) -> None:
        super().__init__(minutes)
        self.opening = OpeningRange(range_end_at)

    def add(self, bar: Bar) -> None:
        super().add(bar)
        self.opening.add(bar)


OpenContext = Context[OpenParameters, OpenFeatures]


class StrategyOpen:
    """The opening range breakout as a strategy."""

    name = "open"
    parameters = OpenParameters

    def window_at(self, session: Session, now: datetime, params: OpenParameters) -> Window:
        return _schedule(session, params).window_at(now)

    def features(self, session: Session, params: OpenParameters) -> OpenFeatures:
        minutes = params.OPEN_ANALYSIS_MINUTES
        return OpenFeatures(after_open(session, minutes), minutes)

    def decide(self, context: OpenContext) -> Sequence[Wish]:
        """Enter what broke out of its range just now, one trade a symbol and session."""
        params = context.params
        trail = trail_of(params.OPEN_TRAIL, params.OPEN_TRAIL_AFTER, params.OPEN_TRAIL_DISTANCE)
        return wishes_of(context, _schedule(context.session, params), _breakout, params.OPEN_SHORT_TYPE, trail)


def _schedule(session: Session, params: OpenParameters) -> Schedule:
    return Schedule(
        analysis_at=session.open_at,
        entry_at=after_open(session, params.OPEN_ANALYSIS_MINUTES),
        last_entry_at=after_open(session, params.OPEN_BREAKOUT_MINUTES),
        exit_at=after_open(session, params.OPEN_EXIT_MINUTES),
    ).within(session)


def _breakout(context: OpenContext, bar: Bar) -> Signal | None:
    """The trade that this bar opens, None when it closed inside the range; raises FilteredError against a breakout."""
    params, features = context.params, context.features[bar.symbol]
    low, high = _sane_range(features, params)
    if low <= bar.close <= high:
        return None
    buffer = (high - low) * params.OPEN_BREAKOUT_BUFFER
    if bar.close > high + buffer:
        side, edge, direction = Side.BUY, high, "above"
    elif bar.close < low - buffer:
        side, edge, direction = Side.SELL, low, "below"
    else:
        return None
    _require_volume(features, bar, params)
    tick = context.instruments[bar.symbol].tick
    stop = (edge - (high - low) * params.OPEN_STOP_RANGE_FRACTION * side.sign).to_tick(tick)
    _require_above_noise(features, bar.close, stop, params)
    target = target_of(bar.close, stop, params.OPEN_REWARD_RISK, tick)
    reason = f"closed {direction} the opening range {low} to {high} at {bar.close}"
    return Signal(bar.symbol, side, bar.close, stop, target, reason)


def _sane_range(features: OpenFeatures, params: OpenParameters) -> tuple[Price, Price]:
    edges = features.opening.edges
    if edges is None or features.opening.bars * 2 < params.OPEN_ANALYSIS_MINUTES:
        raise FilteredError(
            "range", f"the opening range has {features.opening.bars} of {params.OPEN_ANALYSIS_MINUTES} minutes"
        )
    low, high = edges
    width, whole = (high - low).units, high.units
    if not params.OPEN_RANGE_MIN * whole <= width <= params.OPEN_RANGE_MAX * whole:
        raise FilteredError(
            "range",
            f"the opening range {low} to {high} is {Decimal(width) / whole:.4f} of the price, "
            f"outside {params.OPEN_RANGE_MIN} to {params.OPEN_RANGE_MAX}",
        )
    return low, high


def _require_volume(features: OpenFeatures, bar: Bar, params: OpenParameters) -> None:
    relative = features.opening.relative_volume(bar.volume)
    if relative is None:
        raise FilteredError("volume", "the opening range has no volume to compare with")
    if relative < params.OPEN_VOLUME_FACTOR:
        raise FilteredError(
            "volume",
            f"closed beyond the range at {bar.close} on {relative:.2f} of the mean minute's volume, "
            f"less than {params.OPEN_VOLUME_FACTOR}",
        )


def _require_above_noise(features: OpenFeatures, entry: Price, stop: Price, params: OpenParameters) -> None:
    average = features.minute_range.value
    if average is not None and abs(entry - stop) < average * params.OPEN_STOP_NOISE_FACTOR:
        raise FilteredError("noise", f"the stop {stop} is nearer to {entry} than the average minute's range {average}")
