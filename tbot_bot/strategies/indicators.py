"""Indicators that take one bar at a time and remember only what they need; exact, no floats."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from decimal import Decimal
from math import isqrt

from tbot_bot.domain.market import Bar
from tbot_bot.domain.money import Price, Quantity


class OpeningRange:
    """High, low and mean minute volume of the bars that begin before `end_at`."""

    def __init__(self, end_at: datetime) -> None:
        self._end_at = end_at
        self._high: Price | None = None
        self._low: Price | None = None
        self._volume = Quantity.zero()
        self.bars = 0

    def add(self, bar: Bar) -> None:
        """Take in a bar; one that begins at or after the end changes nothing."""
        if bar.start_at >= self._end_at:
            return
        self._high = bar.high if self._high is None else max(self._high, bar.high)
        self._low = bar.low if self._low is None else min(self._low, bar.low)
        self._volume += bar.volume
        self.bars += 1

    @property
    def edges(self) -> tuple[Price, Price] | None:
        """(low, high), None before the first bar."""
        return None if self._low is None or self._high is None else (self._low, self._high)

    def relative_volume(self, volume: Quantity) -> Decimal | None:
        """`volume` over the mean minute volume of the range; None while the range has seen no volume."""
        if not self._volume:
            return None
        return Decimal(volume.units * self.bars) / Decimal(self._volume.units)


class RangeAverage:
    """Mean true range of the last `length` bars, of all with None.

    The true range of a bar is the larger of high and the close before, less the smaller of low and the close
    before (Wilder, New Concepts in Technical Trading Systems, 1978); averaged plainly, not smoothed.
    """

    def __init__(self, length: int | None) -> None:
        self._ranges: deque[int] = deque(maxlen=length)
        self._sum = 0
        self._close: int | None = None

    def add(self, bar: Bar) -> None:
        """Take in the next bar."""
        high, low = bar.high.units, bar.low.units
        if self._close is not None:
            high, low = max(high, self._close), min(low, self._close)
        if len(self._ranges) == self._ranges.maxlen:
            self._sum -= self._ranges[0]
        self._ranges.append(high - low)
        self._sum += high - low
        self._close = bar.close.units

    @property
    def value(self) -> Price | None:
        """The mean, None before the first bar."""
        return Price(self._sum // len(self._ranges)) if self._ranges else None


class VolumeWeighted:
    """Volume-weighted average price of a session, and how far prices stray from it, bar by bar in constant time.

    A bar counts at its typical price, a third of high, low and close, weighted by its volume. The sums are whole
    numbers of thirds, so nothing is lost and nothing drifts.
    """

    def __init__(self) -> None:
        self._volume = 0
        self._thirds = 0
        self._squares = 0

    def add(self, bar: Bar) -> None:
        """Take in the next bar."""
        volume, typical = bar.volume.units, bar.high.units + bar.low.units + bar.close.units
        self._volume += volume
        self._thirds += volume * typical
        self._squares += volume * typical * typical

    @property
    def average(self) -> Price | None:
        """The average price, None before the first volume."""
        return Price(self._thirds // (3 * self._volume)) if self._volume else None

    @property
    def deviation(self) -> Price | None:
        """The volume-weighted standard deviation from the average, for people; None before the first volume."""
        return Price(isqrt(self._spread) // (3 * self._volume)) if self._volume else None

    def side_of(self, price: Price, deviations: Decimal) -> int:
        """1 if `price` is at least so many deviations above the average, -1 if below, else 0; exact, without a root.

        Nothing is far from an average without deviation.
        """
        away = 3 * price.units * self._volume - self._thirds
        spread = self._spread
        if not spread:
            return 0
        times, parts = deviations.as_integer_ratio()
        if away * away * parts * parts < times * times * spread:
            return 0
        return 1 if away > 0 else -1

    @property
    def _spread(self) -> int:
        """The variance, times nine, times the square of the volume."""
        return self._volume * self._squares - self._thirds * self._thirds


class DayPath:
    """Where a session began, how far it went up and down, and how straight it went."""

    def __init__(self) -> None:
        self.open: Price | None = None
        self.close: Price | None = None
        self.bars = 0
        self._high = self._low = Price.zero()
        self._length = 0

    def add(self, bar: Bar) -> None:
        """Take in the next bar."""
        if self.open is None or self.close is None:
            self.open = self.close = bar.open
            self._high, self._low = bar.high, bar.low
        self._high, self._low = max(self._high, bar.high), min(self._low, bar.low)
        self._length += abs(bar.close.units - self.close.units)
        self.close = bar.close
        self.bars += 1

    @property
    def range_share(self) -> Decimal:
        """From the lowest price to the highest, as a share of the first; zero before the first bar."""
        return Decimal(0) if self.open is None else (self._high - self._low).decimal / self.open.decimal

    @property
    def move(self) -> Price:
        """From the first price to the latest close, signed; zero before the first bar."""
        return Price.zero() if self.open is None or self.close is None else self.close - self.open

    @property
    def efficiency(self) -> Decimal:
        """The move as a share of the way from close to close that it took: 1 is a straight line, 0 a standstill.

        Kaufman, Smarter Trading, 1995: the efficiency ratio.
        """
        return Decimal(abs(self.move).units) / self._length if self._length else Decimal(0)


class Channel:
    """Lowest low and highest high of the `length` bars before the latest, each bar in constant time on average."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._count = 0
        self._lows: deque[tuple[int, Price]] = deque()
        self._highs: deque[tuple[int, Price]] = deque()
        self.before: tuple[Price, Price] | None = None

    def add(self, bar: Bar) -> None:
        """Take in the next bar; `before` is (low, high) of those that went before, None while they are too few."""
        self.before = (self._lows[0][1], self._highs[0][1]) if self._count >= self._length else None
        self._count += 1
        # what an earlier bar reached no longer matters once a later one reached as far
        while self._lows and self._lows[-1][1] >= bar.low:
            self._lows.pop()
        while self._highs and self._highs[-1][1] <= bar.high:
            self._highs.pop()
        self._lows.append((self._count, bar.low))
        self._highs.append((self._count, bar.high))
        for edge in (self._lows, self._highs):
            if edge[0][0] <= self._count - self._length:
                edge.popleft()
