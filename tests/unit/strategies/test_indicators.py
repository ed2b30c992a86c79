from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tbot_bot.domain.market import Bar
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.strategies.indicators import Channel, DayPath, OpeningRange, RangeAverage, VolumeWeighted

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


@given(rows)
def test_a_range_average_of_all_bars_forgets_none(rows: Sequence[Row]) -> None:
    bars = history(rows)
    whole, long = RangeAverage(None), RangeAverage(1000)
    for bar in bars:
        whole.add(bar)
        long.add(bar)
    assert whole.value == long.value


@given(rows, st.decimals("0.1", "5", places=1))
def test_the_weighted_average_and_its_deviation_are_those_of_the_definition(
    rows: Sequence[Row], deviations: Decimal
) -> None:
    bars = history(rows)
    weighted = VolumeWeighted()
    for bar in bars:
        weighted.add(bar)
    total = sum(bar.volume.units for bar in bars)
    if not total:
        assert weighted.average is weighted.deviation is None
        assert weighted.side_of(Price.of(1), deviations) == 0
        return
    typical = [(Fraction((bar.high.units + bar.low.units + bar.close.units), 3), bar.volume.units) for bar in bars]
    mean = sum(price * volume for price, volume in typical) / total
    variance = sum((price - mean) ** 2 * volume for price, volume in typical) / total
    assert weighted.average == Price(int(mean))
    assert weighted.deviation is not None
    assert abs(weighted.deviation.units**2 - variance) <= 4 * weighted.deviation.units + 4
    for price in (bars[-1].close, bars[0].high):
        away = price.units - mean
        is_far = variance > 0 and away * away >= Fraction(deviations) ** 2 * variance
        assert weighted.side_of(price, deviations) == (0 if not is_far else 1 if away > 0 else -1)


@given(rows)
def test_the_path_of_a_day_is_summed_from_close_to_close(rows: Sequence[Row]) -> None:
    bars = history(rows)
    path = DayPath()
    for bar in bars:
        path.add(bar)
    assert path.bars == len(bars)
    if not bars:
        assert (path.move, path.efficiency, path.range_share) == (Price.zero(), 0, 0)
        return
    closes = [bars[0].open, *(bar.close for bar in bars)]
    way = sum(abs(later - earlier).units for earlier, later in pairwise(closes))
    assert path.move == bars[-1].close - bars[0].open
    assert path.efficiency == (Decimal(abs(path.move).units) / way if way else 0)
    reach = max(bar.high for bar in bars) - min(bar.low for bar in bars)
    assert path.range_share == reach.decimal / bars[0].open.decimal
    assert 0 <= path.efficiency <= 1


@given(rows, st.integers(1, 12))
def test_a_channel_reaches_as_far_as_the_bars_before_the_latest(rows: Sequence[Row], length: int) -> None:
    bars = history(rows)
    channel = Channel(length)
    for number, bar in enumerate(bars):
        channel.add(bar)
        before = bars[max(0, number - length) : number]
        expected = (min(one.low for one in before), max(one.high for one in before)) if len(before) == length else None
        assert channel.before == expected
