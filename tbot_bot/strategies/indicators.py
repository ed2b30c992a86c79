"""Indicators that take one bar at a time and remember only what they need; exact, no floats."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from decimal import Decimal

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
    """Mean true range of the last `length` bars.

    The true range of a bar is the larger of high and the close before, less the smaller of low and the close
    before (Wilder, New Concepts in Technical Trading Systems, 1978); averaged plainly, not smoothed.
    """

    def __init__(self, length: int) -> None:
        self._ranges: deque[int] = deque(maxlen=length)
        self._sum = 0
        self._close: Price | None = None

    def add(self, bar: Bar) -> None:
        """Take in the next bar."""
        high = bar.high if self._close is None else max(bar.high, self._close)
        low = bar.low if self._close is None else min(bar.low, self._close)
        if len(self._ranges) == self._ranges.maxlen:
            self._sum -= self._ranges[0]
        self._ranges.append((high - low).units)
        self._sum += self._ranges[-1]
        self._close = bar.close

    @property
    def value(self) -> Price | None:
        """The mean, None before the first bar."""
        return Price(self._sum // len(self._ranges)) if self._ranges else None
