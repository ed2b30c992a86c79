"""Reversion to the session's average price.

In the middle of the session prices that strayed far from the volume-weighted average (VWAP) tend back to it when the
day has no direction. A minute that closes several deviations away marks a stretch; the first minute that closes
beyond the one before it, towards the average, opens one trade back to it: stop behind the extreme of the stretch,
target the average or part of the way. Not on a day that trends, nor while the minutes are wilder than the day's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from tbot_bot.api.settings import Exact, Whole, setting
from tbot_bot.domain.intents import Window, Wish
from tbot_bot.domain.market import Bar, Session
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import Side
from tbot_bot.strategies.base import Context, Features, StrategyParameters
from tbot_bot.strategies.day import wishes_of
from tbot_bot.strategies.indicators import DayPath, RangeAverage, VolumeWeighted
from tbot_bot.strategies.schedule import Schedule, after_open
from tbot_bot.strategies.signals import FilteredError, ShortType, Signal, short_type
from tbot_bot.strategies.trailing import TrailChoice, trail_after, trail_by, trail_distance, trail_of

_GROUP = "Reversion to the average"
_RANGE_MINUTES = 15


class MidParameters(StrategyParameters):
    """What the reversion to the average goes by; all minutes count from the open."""

    MID_ANALYSIS_MINUTES: Whole = setting(
        60,
        title="Analysis from",
        help="The strategy looks on from here; the average itself counts from the open.",
        group=_GROUP,
        unit="minutes after the open",
        minimum=5,
        maximum=360,
    )
    MID_ENTRY_MINUTES: Whole = setting(
        90,
        title="Entries from",
        help="No entry before the session is this old.",
        group=_GROUP,
        unit="minutes after the open",
        minimum=15,
        maximum=370,
    )
    MID_LAST_ENTRY_MINUTES: Whole = setting(
        270,
        title="Entries until",
        help="No new entry once the session is this old.",
        group=_GROUP,
        unit="minutes after the open",
        minimum=16,
        maximum=380,
    )
    MID_EXIT_MINUTES: Whole = setting(
        330,
        title="Time exit",
        help="What is still open once the session is this old is closed; at the latest 5 minutes before the close.",
        group=_GROUP,
        unit="minutes after the open",
        minimum=20,
        maximum=385,
    )
    MID_DEVIATIONS: Exact = setting(
        Decimal(2),
        title="Stretch",
        help="How far from the average a minute has to close to count as stretched.",
        group=_GROUP,
        unit="standard deviations",
        minimum="0.5",
        maximum=6,
    )
    MID_TREND_MAX: Exact = setting(
        Decimal("0.1"),
        title="Straightest day",
        help="A day whose move is a larger share of the way it took is a trend and is not faded.",
        group=_GROUP,
        unit="of the way",
        minimum="0.01",
        maximum=1,
    )
    MID_VOLATILITY_MAX: Exact = setting(
        Decimal("1.5"),
        title="Wildest minutes",
        help="No trade while the last 15 minutes range wider than this, compared with the mean minute of the day.",
        group=_GROUP,
        unit="of the mean range",
        minimum="0.1",
        maximum=10,
    )
    MID_STOP_BUFFER: Exact = setting(
        Decimal(2),
        title="Stop distance",
        help="How far beyond the extreme of the stretch the stop stands.",
        group=_GROUP,
        unit="average minute ranges",
        minimum="0.1",
        maximum=20,
    )
    MID_TARGET_FRACTION: Exact = setting(
        Decimal(1),
        title="Target",
        help="How much of the way back to the average the target is; 1 is the average itself.",
        group=_GROUP,
        unit="of the way back",
        minimum="0.1",
        maximum=1,
    )
    MID_REWARD_RISK: Exact = setting(
        Decimal(1),
        title="Least reward",
        help="No trade when the target is nearer than this, compared with the distance to the stop.",
        group=_GROUP,
        unit="times the risk",
        minimum=0,
        maximum=20,
    )
    MID_SHORT_TYPE: ShortType = short_type(_GROUP)
    MID_TRAIL: TrailChoice = trail_by(_GROUP)
    MID_TRAIL_AFTER: Exact = trail_after(_GROUP)
    MID_TRAIL_DISTANCE: Exact = trail_distance(_GROUP)

    def conflicts(self) -> dict[str, str]:
        """The windows follow each other."""
        order = ("MID_ANALYSIS_MINUTES", "MID_ENTRY_MINUTES", "MID_LAST_ENTRY_MINUTES", "MID_EXIT_MINUTES")
        pairs = pairwise(order)
        return {
            later: f"{later} must be more than {earlier}"
            for earlier, later in pairs
            if getattr(self, later) <= getattr(self, earlier)
        }


@dataclass(frozen=True, slots=True)
class Stretch:
    """Prices far from the average; `side` is the trade that leads back, `extreme` the price farthest away."""

    side: Side
    extreme: Price


class MidFeatures(Features):
    """The session's average, its path, and the stretch that is under way."""

    def __init__(self, deviations: Decimal) -> None:
        super().__init__(_RANGE_MINUTES)
        self._deviations = deviations
        self._last: Bar | None = None
        self.average = VolumeWeighted()
        self.path = DayPath()
        self.day_range = RangeAverage(None)
        self.stretch: Stretch | None = None
        self.has_turned = False

    def add(self, bar: Bar) -> None:
        super().add(bar)
        for part in (self.average, self.path, self.day_range):
            part.add(bar)
        self.stretch = self._follow(bar)
        self.has_turned = self.stretch is not None and self._turns(bar, self.stretch.side)
        self._last = bar

    def _follow(self, bar: Bar) -> Stretch | None:
        """The stretch with this bar: begun, gone farther, or over because the average was reached."""
        far = self.average.side_of(bar.close, self._deviations)
        side = {1: Side.SELL, -1: Side.BUY, 0: None}[far]
        extreme = bar.low if side is Side.BUY else bar.high
        if side is not None and (self.stretch is None or self.stretch.side is not side):
            return Stretch(side, extreme)
        if self.stretch is None or self._is_back(bar.close, self.stretch.side):
            return None
        if self.stretch.side is Side.BUY:
            return replace(self.stretch, extreme=min(self.stretch.extreme, bar.low))
        return replace(self.stretch, extreme=max(self.stretch.extreme, bar.high))

    def _is_back(self, close: Price, side: Side) -> bool:
        average = self.average.average
        return average is not None and (close - average).sign * side.sign >= 0

    def _turns(self, bar: Bar, side: Side) -> bool:
        """Whether the bar closes beyond the whole of the one before it, towards the average."""
        if self._last is None:
            return False
        return bar.close > self._last.high if side is Side.BUY else bar.close < self._last.low


MidContext = Context[MidParameters, MidFeatures]


class StrategyMid:
    """The reversion to the average as a strategy."""

    name = "mid"
    parameters = MidParameters

    def window_at(self, session: Session, now: datetime, params: MidParameters) -> Window:
        return _schedule(session, params).window_at(now)

    def features(self, _session: Session, params: MidParameters) -> MidFeatures:
        return MidFeatures(params.MID_DEVIATIONS)

    def decide(self, context: MidContext) -> Sequence[Wish]:
        """Enter what was stretched and turned back just now, one trade a symbol and session."""
        params = context.params
        trail = trail_of(params.MID_TRAIL, params.MID_TRAIL_AFTER, params.MID_TRAIL_DISTANCE)
        return wishes_of(context, _schedule(context.session, params), _reversion, params.MID_SHORT_TYPE, trail)


def _schedule(session: Session, params: MidParameters) -> Schedule:
    return Schedule(
        analysis_at=after_open(session, params.MID_ANALYSIS_MINUTES),
        entry_at=after_open(session, params.MID_ENTRY_MINUTES),
        last_entry_at=after_open(session, params.MID_LAST_ENTRY_MINUTES),
        exit_at=after_open(session, params.MID_EXIT_MINUTES),
    ).within(session)


def _reversion(context: MidContext, bar: Bar) -> Signal | None:
    """The trade back to the average that this bar opens, if any; raises FilteredError against it."""
    params, features = context.params, context.features[bar.symbol]
    stretch, average, minute = features.stretch, features.average.average, features.minute_range.value
    if stretch is None or average is None or minute is None or not features.has_turned:
        return None
    _require_history(context, features)
    _require_quiet(features, minute, params)
    tick, sign = context.instruments[bar.symbol].tick, stretch.side.sign
    stop = (stretch.extreme - minute * params.MID_STOP_BUFFER * sign).to_tick(tick)
    target = (bar.close + (average - bar.close) * params.MID_TARGET_FRACTION).to_tick(tick)
    reward, risk = (target - bar.close) * sign, (bar.close - stop) * sign
    if reward < risk * params.MID_REWARD_RISK:
        raise FilteredError("reward", f"{reward} to gain at {bar.close} is too little for {risk} at risk")
    away = "below" if stretch.side is Side.BUY else "above"
    reason = f"turned at {bar.close} from {stretch.extreme}, stretched {away} the average {_cents(average)}"
    return Signal(bar.symbol, stretch.side, bar.close, stop, target, reason)


def _require_history(context: MidContext, features: MidFeatures) -> None:
    minutes = (context.now - context.session.open_at) // timedelta(minutes=1)
    if features.path.bars * 2 < minutes:
        raise FilteredError("history", f"only {features.path.bars} of {minutes} minutes are known")


def _require_quiet(features: MidFeatures, minute: Price, params: MidParameters) -> None:
    straight, usual = features.path.efficiency, features.day_range.value
    if straight > params.MID_TREND_MAX:
        raise FilteredError(
            "trend", f"the day trends: its move is {straight:.3f} of its way, more than {params.MID_TREND_MAX}"
        )
    if usual is not None and minute > usual * params.MID_VOLATILITY_MAX:
        raise FilteredError(
            "volatility",
            f"the last minutes range {_cents(minute)}, more than {params.MID_VOLATILITY_MAX} times the day's "
            f"{_cents(usual)}",
        )


def _cents(price: Price) -> str:
    return f"{price.decimal:.4f}"
