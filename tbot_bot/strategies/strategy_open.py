"""Opening range breakout.

The first minutes of the session draw each symbol's opening range. The first minute bar that closes beyond it, far
enough and on enough volume, opens one trade in that direction: stop inside or across the range, target a multiple of
what the stop risks. What is still open after the exit time is closed at the market.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from tbot_bot.api.settings import Exact, Whole, setting
from tbot_bot.domain.intents import Enter, Exit, NoTrade, Window, Wish
from tbot_bot.domain.market import Bar, Instrument, Session
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import Side
from tbot_bot.strategies.base import Context, StrategyParameters
from tbot_bot.strategies.indicators import OpeningRange, RangeAverage

#: Whatever the parameters say, everything is being closed this long before the session ends.
FLAT_BEFORE_CLOSE = timedelta(minutes=5)


class OpenParameters(StrategyParameters):
    """What the opening range breakout goes by; all minutes count from the open."""

    OPEN_ANALYSIS_MINUTES: Whole = setting(
        15,
        title="Opening range",
        help="How long the opening range is drawn before the first entry.",
        group="Opening range breakout",
        unit="minutes",
        minimum=5,
        maximum=60,
    )
    OPEN_BREAKOUT_MINUTES: Whole = setting(
        120,
        title="Entries until",
        help="No new entry once the session is this old.",
        group="Opening range breakout",
        unit="minutes after the open",
        minimum=6,
        maximum=360,
    )
    OPEN_EXIT_MINUTES: Whole = setting(
        240,
        title="Time exit",
        help="What is still open once the session is this old is closed; at the latest 5 minutes before the close.",
        group="Opening range breakout",
        unit="minutes after the open",
        minimum=10,
        maximum=385,
    )
    OPEN_BREAKOUT_BUFFER: Exact = setting(
        Decimal("0.05"),
        title="Breakout buffer",
        help="How far beyond the range a minute has to close to count as a breakout.",
        group="Opening range breakout",
        unit="of the range",
        minimum=0,
        maximum=1,
    )
    OPEN_VOLUME_FACTOR: Exact = setting(
        Decimal("0.8"),
        title="Breakout volume",
        help="The least volume of the breakout minute, compared with the mean minute of the opening range.",
        group="Opening range breakout",
        unit="of the mean minute",
        minimum=0,
        maximum=10,
    )
    OPEN_RANGE_MIN: Exact = setting(
        Decimal("0.001"),
        title="Narrowest range",
        help="A narrower opening range is noise and is not traded.",
        group="Opening range breakout",
        unit="of the price",
        minimum=0,
        maximum="0.1",
    )
    OPEN_RANGE_MAX: Exact = setting(
        Decimal("0.05"),
        title="Widest range",
        help="A wider opening range asks for too distant a stop and is not traded.",
        group="Opening range breakout",
        unit="of the price",
        minimum="0.001",
        maximum="0.5",
    )
    OPEN_STOP_RANGE_FRACTION: Exact = setting(
        Decimal(1),
        title="Stop distance",
        help="How far behind the broken edge the stop stands; 1 is the other side of the range.",
        group="Opening range breakout",
        unit="of the range",
        minimum="0.1",
        maximum=1,
    )
    OPEN_STOP_NOISE_FACTOR: Exact = setting(
        Decimal(1),
        title="Noise filter",
        help="No trade when the stop is nearer than this many average minute ranges.",
        group="Opening range breakout",
        unit="average minute ranges",
        minimum=0,
        maximum=20,
    )
    OPEN_REWARD_RISK: Exact = setting(
        Decimal(2),
        title="Target",
        help="Distance of the target, as a multiple of the distance to the stop.",
        group="Opening range breakout",
        unit="times the risk",
        minimum="0.2",
        maximum=20,
    )
    SHORT_TYPE: Literal["disabled", "Short", "InverseETF"] = setting(
        "Short",
        title="Breakouts downwards",
        help="Not traded, sold short, or traded by buying the fund that moves the other way.",
        group="Opening range breakout",
    )

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


class OpenFeatures:
    """The opening range of one symbol, its average minute, and the latest close."""

    def __init__(self, range_end_at: datetime, minutes: int) -> None:
        self.opening = OpeningRange(range_end_at)
        self.minute_range = RangeAverage(minutes)
        self.close: Price | None = None

    def add(self, bar: Bar) -> None:
        self.opening.add(bar)
        self.minute_range.add(bar)
        self.close = bar.close


OpenContext = Context[OpenParameters, OpenFeatures]


@dataclass(frozen=True, slots=True)
class _Breakout:
    """A minute that closed beyond the range."""

    bar: Bar
    side: Side
    low: Price
    high: Price

    @property
    def width(self) -> Price:
        return self.high - self.low

    def stop(self, fraction: Decimal, tick: Price) -> Price:
        """The broken edge, moved back into the range by `fraction` of its width."""
        edge = self.high if self.side is Side.BUY else self.low
        return (edge - self.width * fraction * self.side.sign).to_tick(tick)


class _FilteredError(Exception):
    """The symbol is not traded now; carries the stage and the reason."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(reason)
        self.stage = stage
        self.reason = reason


class StrategyOpen:
    """The opening range breakout as a strategy."""

    name = "open"
    parameters = OpenParameters

    def window_at(self, session: Session, now: datetime, params: OpenParameters) -> Window:
        """Analyzing, trading, monitoring, then idle; a short session cuts the later windows short."""
        if not session.open_at <= now < _exit_at(session, params):
            return Window.IDLE
        if now < _after_open(session, params.OPEN_ANALYSIS_MINUTES):
            return Window.ANALYZING
        if now < _after_open(session, params.OPEN_BREAKOUT_MINUTES):
            return Window.TRADING
        return Window.MONITORING

    def features(self, session: Session, params: OpenParameters) -> OpenFeatures:
        minutes = params.OPEN_ANALYSIS_MINUTES
        return OpenFeatures(_after_open(session, minutes), minutes)

    def decide(self, context: OpenContext) -> Sequence[Wish]:
        """Exits of what is due, then an entry or the reason against it for each symbol that broke out just now."""
        wishes: list[Wish] = list(_exits(context))
        if self.window_at(context.session, context.now, context.params) is Window.TRADING:
            wishes += _entries(context)
        return wishes


def _after_open(session: Session, minutes: int) -> datetime:
    return session.open_at + timedelta(minutes=minutes)


def _exit_at(session: Session, params: OpenParameters) -> datetime:
    return min(_after_open(session, params.OPEN_EXIT_MINUTES), session.close_at - FLAT_BEFORE_CLOSE)


def _exits(context: OpenContext) -> Iterator[Exit]:
    is_due = context.now >= _exit_at(context.session, context.params)
    for trade in context.trades:
        if trade.session_day != context.session.day:
            yield Exit(trade.symbol, f"held over from {trade.session_day}")
        elif is_due:
            yield Exit(trade.symbol, f"time exit, {_minutes_since_open(context)} minutes into the session")


def _minutes_since_open(context: OpenContext) -> int:
    return (context.now - context.session.open_at) // timedelta(minutes=1)


def _entries(context: OpenContext) -> Iterator[Wish]:
    for symbol, bar in context.bars.items():
        if symbol in context.taken or _is_taken_inversely(context, symbol):
            continue
        try:
            wish = _entry(context, bar)
        except _FilteredError as filtered:
            yield NoTrade(symbol, filtered.stage, filtered.reason)
        else:
            if wish is not None:
                yield wish


def _inverse_fund(context: OpenContext, symbol: str) -> Instrument | None:
    return next((known for known in context.instruments.values() if known.inverse_of == symbol), None)


def _is_taken_inversely(context: OpenContext, symbol: str) -> bool:
    """Whether the symbol's trade of the session was made in its inverse fund."""
    fund = _inverse_fund(context, symbol) if context.params.SHORT_TYPE == "InverseETF" else None
    return fund is not None and fund.symbol in context.taken


def _entry(context: OpenContext, bar: Bar) -> Enter | None:
    """The trade that this bar opens, None when it closed inside the range; raises _FilteredError against a breakout."""
    params, features = context.params, context.features[bar.symbol]
    low, high = _sane_range(features, params)
    buffer = (high - low) * params.OPEN_BREAKOUT_BUFFER
    if bar.close > high + buffer:
        side = Side.BUY
    elif bar.close < low - buffer:
        side = Side.SELL
    else:
        return None
    breakout = _Breakout(bar, side, low, high)
    _require_volume(features, bar, params)
    if side is Side.SELL and params.SHORT_TYPE == "disabled":
        raise _FilteredError("short", f"closed below the range at {bar.close}, but short trades are disabled")
    if side is Side.SELL and params.SHORT_TYPE == "InverseETF":
        return _inverse_entry(context, breakout)
    instrument = context.instruments[bar.symbol]
    if side is Side.SELL and not instrument.shortable:
        raise _FilteredError("short", f"closed below the range at {bar.close}, but it cannot be sold short")
    stop = breakout.stop(params.OPEN_STOP_RANGE_FRACTION, instrument.tick)
    _require_above_noise(features, bar.close, stop, params)
    return _enter(instrument, side, bar.close, stop, params, _reason(breakout))


def _sane_range(features: OpenFeatures, params: OpenParameters) -> tuple[Price, Price]:
    edges = features.opening.edges
    if edges is None or features.opening.bars * 2 < params.OPEN_ANALYSIS_MINUTES:
        raise _FilteredError(
            "range", f"the opening range has {features.opening.bars} of {params.OPEN_ANALYSIS_MINUTES} minutes"
        )
    low, high = edges
    share = (high - low).decimal / high.decimal
    if not params.OPEN_RANGE_MIN <= share <= params.OPEN_RANGE_MAX:
        raise _FilteredError(
            "range",
            f"the opening range {low} to {high} is {share:.4f} of the price, "
            f"outside {params.OPEN_RANGE_MIN} to {params.OPEN_RANGE_MAX}",
        )
    return low, high


def _require_volume(features: OpenFeatures, bar: Bar, params: OpenParameters) -> None:
    relative = features.opening.relative_volume(bar.volume)
    if relative is None:
        raise _FilteredError("volume", "the opening range has no volume to compare with")
    if relative < params.OPEN_VOLUME_FACTOR:
        raise _FilteredError(
            "volume",
            f"closed beyond the range at {bar.close} on {relative:.2f} of the mean minute's volume, "
            f"less than {params.OPEN_VOLUME_FACTOR}",
        )


def _require_above_noise(features: OpenFeatures, entry: Price, stop: Price, params: OpenParameters) -> None:
    average = features.minute_range.value
    if average is not None and abs(entry - stop) < average * params.OPEN_STOP_NOISE_FACTOR:
        raise _FilteredError("noise", f"the stop {stop} is nearer to {entry} than the average minute's range {average}")


def _inverse_entry(context: OpenContext, breakout: _Breakout) -> Enter:
    """Buy the inverse fund, its stop as far away in proportion as the symbol's own would be."""
    params, symbol, entry = context.params, breakout.bar.symbol, breakout.bar.close
    fund = _inverse_fund(context, symbol)
    if fund is None:
        raise _FilteredError("short", f"closed below the range at {entry}, but no inverse fund mirrors it")
    price = context.features[fund.symbol].close if fund.symbol in context.features else None
    if price is None:
        raise _FilteredError("short", f"closed below the range at {entry}, but {fund.symbol} has no price yet")
    own_stop = breakout.stop(params.OPEN_STOP_RANGE_FRACTION, context.instruments[symbol].tick)
    _require_above_noise(context.features[symbol], entry, own_stop, params)
    stop = (price - price * ((own_stop - entry).decimal / entry.decimal)).to_tick(fund.tick)
    return _enter(fund, Side.BUY, price, stop, params, f"{symbol} {_reason(breakout)}")


def _enter(instrument: Instrument, side: Side, entry: Price, stop: Price, params: OpenParameters, reason: str) -> Enter:
    """The wish, once stop and target are prices on the right sides of the entry."""
    target = (entry + (entry - stop) * params.OPEN_REWARD_RISK).to_tick(instrument.tick)
    is_ordered = stop < entry < target if side is Side.BUY else stop > entry > target
    if not is_ordered or min(stop, target).sign <= 0:
        raise _FilteredError("range", f"no room for stop {stop} and target {target} around {entry}")
    return Enter(instrument.symbol, side, entry, stop, target, reason)


def _reason(breakout: _Breakout) -> str:
    direction = "above" if breakout.side is Side.BUY else "below"
    return f"closed {direction} the opening range {breakout.low} to {breakout.high} at {breakout.bar.close}"
