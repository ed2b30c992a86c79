from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tbot_bot.domain.market import Bar
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.strategies.indicators import OpeningRange, RangeAverage

START = datetime(2024, 5, 7, 13, 30, tzinfo=UTC)
Row = tuple[list[Decimal], int]
rows = st.lists(
    st.tuples(st.lists(st.decimals("1", "500", places=2), min_size=4, max_size=4), st.integers(0, 1_000_000)),
    max_size=40,
)


def history(rows: Sequence[Row]) -> list[Bar]:
    return [
        Bar(
            "SPY",
            START + timedelta(minutes=number),
            Price.of(prices[0]),
            Price.of(max(prices)),
            Price.of(min(prices)),
            Price.of(prices[1]),
            Quantity.of(volume),
        )
        for number, (prices, volume) in enumerate(rows)
    ]


@given(rows, st.integers(0, 30), st.integers(0, 100_000))
def test_opening_range_is_that_of_the_bars_before_its_end(rows: Sequence[Row], minutes: int, volume: int) -> None:
    bars = history(rows)
    opening = OpeningRange(START + timedelta(minutes=minutes))
    for bar in bars:
        opening.add(bar)
    first = bars[:minutes]
    assert opening.bars == len(first)
    assert opening.edges == ((min(bar.low for bar in first), max(bar.high for bar in first)) if first else None)
    mean = sum((bar.volume.decimal for bar in first), Decimal(0)) / max(len(first), 1)
    relative = opening.relative_volume(Quantity.of(volume))
    if mean:
        assert relative is not None
        assert abs(relative - volume / mean) <= relative * Decimal("1e-20")
    else:
        assert relative is None


@given(rows, st.integers(1, 20))
def test_range_average_is_the_mean_true_range_of_the_last_bars(rows: Sequence[Row], length: int) -> None:
    bars = history(rows)
    average = RangeAverage(length)
    for bar in bars:
        average.add(bar)
    true_ranges = []
    for number, bar in enumerate(bars):
        before = bars[number - 1].close if number else bar.close
        true_ranges.append((max(bar.high, before) - min(bar.low, before)).units)
    last = true_ranges[-length:]
    assert average.value == (Price(sum(last) // len(last)) if last else None)
