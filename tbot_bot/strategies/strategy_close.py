"""Late momentum, or its fade.

In the last part of the session a symbol that left its recent channel goes on that way, if the day has had a direction,
or comes back, if the day only wandered off. The first minute in the entry window that closes beyond the channel of
the minutes before it, in the direction that the mode asks for, opens one trade: stop at the channel's other side,
target a multiple of what that risks. All is counted from the close, so short sessions need no rule of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from tbot_bot.api.settings import Exact, Whole, setting
from tbot_bot.domain.intents import Window, Wish
from tbot_bot.domain.market import Bar, Session
from tbot_bot.domain.orders import Side
from tbot_bot.strategies.base import Context, Features, StrategyParameters
from tbot_bot.strategies.day import wishes_of
from tbot_bot.strategies.indicators import Channel, DayPath
from tbot_bot.strategies.schedule import Schedule, before_close
from tbot_bot.strategies.signals import FilteredError, ShortType, Signal, short_type, target_of
from tbot_bot.strategies.trailing import TrailChoice, trail_after, trail_by, trail_distance, trail_of

_GROUP = "Late momentum or fade"
_RANGE_MINUTES = 15
Mode = Literal["auto", "momentum", "fade"]


class CloseParameters(StrategyParameters):
    """What late momentum and its fade go by; all minutes count back from the close."""

    CLOSE_ANALYSIS_MINUTES: Whole = setting(
        120,
        title="Analysis from",
        help="The strategy looks on from here.",
        group=_GROUP,
        unit="minutes before the close",
        minimum=20,
        maximum=385,
    )
    CLOSE_ENTRY_MINUTES: Whole = setting(
        90,
        title="Entries from",
        help="No entry while more of the session is left than this.",
        group=_GROUP,
        unit="minutes before the close",
        minimum=15,
        maximum=380,
    )
    CLOSE_LAST_ENTRY_MINUTES: Whole = setting(
        20,
        title="Entries until",
        help="No new entry once less of the session is left than this.",
        group=_GROUP,
        unit="minutes before the close",
        minimum=7,
        maximum=375,
    )
    CLOSE_EXIT_MINUTES: Whole = setting(
        6,
        title="Time exit",
        help="What is still open when this much of the session is left is closed.",
        group=_GROUP,
        unit="minutes before the close",
        minimum=5,
        maximum=370,
    )
    CLOSE_MODE: Mode = setting(
        "auto",
        title="Mode",
        help="Go with the day's move, against it, or with it only if the day went straight enough.",
        group=_GROUP,
        names={"auto": "By the day", "momentum": "With the day's move", "fade": "Against the day's move"},
    )
    CLOSE_PERSISTENCE: Exact = setting(
        Decimal("0.08"),
        title="Straight enough",
        help="With the mode by the day: from this share of the way that its move is on, the day's move is followed.",
        group=_GROUP,
        unit="of the way",
        minimum=0,
        maximum=1,
    )
    CLOSE_MOVE_MIN: Exact = setting(
        Decimal("0.003"),
        title="Least move",
        help="A day that has moved less from its open has no direction to go with or against.",
        group=_GROUP,
        unit="of the price",
        minimum=0,
        maximum="0.2",
    )
    CLOSE_RANGE_MIN: Exact = setting(
        Decimal("0.004"),
        title="Narrowest day",
        help="A day that ranged less is too quiet to be traded.",
        group=_GROUP,
        unit="of the price",
        minimum=0,
        maximum="0.2",
    )
    CLOSE_RANGE_MAX: Exact = setting(
        Decimal("0.08"),
        title="Widest day",
        help="A day that ranged more is too wild to be traded.",
        group=_GROUP,
        unit="of the price",
        minimum="0.001",
        maximum=1,
    )
    CLOSE_CHANNEL_MINUTES: Whole = setting(
        15,
        title="Channel",
        help="A minute has to close beyond what the minutes before it reached; this is how many.",
        group=_GROUP,
        unit="minutes",
        minimum=3,
        maximum=120,
    )
    CLOSE_REWARD_RISK: Exact = setting(
        Decimal("1.5"),
        title="Target",
        help="Distance of the target, as a multiple of the distance to the stop.",
        group=_GROUP,
        unit="times the risk",
        minimum="0.2",
        maximum=20,
    )
    CLOSE_SHORT_TYPE: ShortType = short_type(_GROUP)
    CLOSE_TRAIL: TrailChoice = trail_by(_GROUP)
    CLOSE_TRAIL_AFTER: Exact = trail_after(_GROUP)
    CLOSE_TRAIL_DISTANCE: Exact = trail_distance(_GROUP)

    def conflicts(self) -> dict[str, str]:
        """The windows follow each other, and the widest day is wider than the narrowest."""
        order = ("CLOSE_ANALYSIS_MINUTES", "CLOSE_ENTRY_MINUTES", "CLOSE_LAST_ENTRY_MINUTES", "CLOSE_EXIT_MINUTES")
        pairs = pairwise(order)
        found = {
            later: f"{later} must be less than {earlier}"
            for earlier, later in pairs
            if getattr(self, later) >= getattr(self, earlier)
        }
        if self.CLOSE_RANGE_MAX <= self.CLOSE_RANGE_MIN:
            found["CLOSE_RANGE_MAX"] = "CLOSE_RANGE_MAX must be more than CLOSE_RANGE_MIN"
        return found


class CloseFeatures(Features):
    """The day's path and the recent channel of one symbol."""

    def __init__(self, channel_minutes: int) -> None:
        super().__init__(_RANGE_MINUTES)
        self.path = DayPath()
        self.channel = Channel(channel_minutes)

    def add(self, bar: Bar) -> None:
        super().add(bar)
        self.path.add(bar)
        self.channel.add(bar)


CloseContext = Context[CloseParameters, CloseFeatures]


class StrategyClose:
    """Late momentum, or its fade, as a strategy."""

    name = "close"
    parameters = CloseParameters

    def window_at(self, session: Session, now: datetime, params: CloseParameters) -> Window:
        return _schedule(session, params).window_at(now)

    def features(self, _session: Session, params: CloseParameters) -> CloseFeatures:
        return CloseFeatures(params.CLOSE_CHANNEL_MINUTES)

    def decide(self, context: CloseContext) -> Sequence[Wish]:
        """Enter what left its channel just now the way that the mode asks for, one trade a symbol and session."""
        params = context.params
        trail = trail_of(params.CLOSE_TRAIL, params.CLOSE_TRAIL_AFTER, params.CLOSE_TRAIL_DISTANCE)
        return wishes_of(context, _schedule(context.session, params), _departure, params.CLOSE_SHORT_TYPE, trail)


def _schedule(session: Session, params: CloseParameters) -> Schedule:
    return Schedule(
        analysis_at=before_close(session, params.CLOSE_ANALYSIS_MINUTES),
        entry_at=before_close(session, params.CLOSE_ENTRY_MINUTES),
        last_entry_at=before_close(session, params.CLOSE_LAST_ENTRY_MINUTES),
        exit_at=before_close(session, params.CLOSE_EXIT_MINUTES),
    ).within(session)


def _departure(context: CloseContext, bar: Bar) -> Signal | None:
    """The trade that this bar opens, None inside the channel or the wrong way; raises FilteredError against it."""
    params, features = context.params, context.features[bar.symbol]
    if features.channel.before is None:
        return None
    low, high = features.channel.before
    if low <= bar.close <= high:
        return None
    side = Side.BUY if bar.close > high else Side.SELL
    mode = _mode(features, params)
    along = features.path.move.sign == side.sign
    if along != (mode == "momentum"):
        return None
    _require_sane_range(features, params)
    # the bar that left the channel may have reached beyond its other side first
    stop = min(low, bar.low) if side is Side.BUY else max(high, bar.high)
    target = target_of(bar.close, stop, params.CLOSE_REWARD_RISK, context.instruments[bar.symbol].tick)
    direction = "above" if side is Side.BUY else "below"
    reason = f"{mode}: closed {direction} the last minutes' {low} to {high} at {bar.close}"
    return Signal(bar.symbol, side, bar.close, stop, target, reason)


def _mode(features: CloseFeatures, params: CloseParameters) -> Mode:
    """Momentum or fade, as chosen or by how straight the day's move was."""
    path = features.path
    share = abs(path.move).decimal / path.open.decimal if path.open else Decimal(0)
    if not path.move or share < params.CLOSE_MOVE_MIN:
        raise FilteredError("move", f"the day has moved {share:.4f} of the price, less than {params.CLOSE_MOVE_MIN}")
    if params.CLOSE_MODE != "auto":
        return params.CLOSE_MODE
    return "momentum" if path.efficiency >= params.CLOSE_PERSISTENCE else "fade"


def _require_sane_range(features: CloseFeatures, params: CloseParameters) -> None:
    share = features.path.range_share
    if not params.CLOSE_RANGE_MIN <= share <= params.CLOSE_RANGE_MAX:
        raise FilteredError(
            "volatility",
            f"the day ranged over {share:.4f} of the price, "
            f"outside {params.CLOSE_RANGE_MIN} to {params.CLOSE_RANGE_MAX}",
        )
