"""The invented market: random access, ranges, and the shape of its days."""

from datetime import date
from itertools import pairwise
from statistics import correlation

import pytest

from tbot_bot.domain.money import Price, Quantity
from tbot_bot.venue.feed import FeedError
from tbot_bot.venue.synthetic import SyntheticFeed
from tests.unit.venue.stage import session, sessions

DAYS = sessions(60, 60)


@pytest.fixture(scope="module")
def year():
    feed = SyntheticFeed(7, DAYS)
    return [feed.load(day) for day in DAYS]


def closes(year, symbol):
    return [bar.bar.close.units for day in year for bar in day[symbol]]


def moves(year, symbol):
    prices = closes(year, symbol)
    return [later / earlier - 1 for earlier, later in pairwise(prices)]


def test_any_session_is_the_same_whenever_and_with_whatever_neighbours_it_is_loaded(year):
    assert SyntheticFeed(7, DAYS[40:]).load(DAYS[50]) == year[50]
    assert SyntheticFeed(8, DAYS).load(DAYS[50]) != year[50]


def test_known_prices_of_a_seed():
    (first, *_), opened = [SyntheticFeed(7, DAYS).load(DAYS[0])[name] for name in ("MKT", "ARDN")]
    assert [str(price) for price in (first.bar.open, first.bar.close)] == ["118.35", "118.01"]
    assert str(opened[0].bar.open) == "82.33"


def test_every_minute_trades_and_holds_together(year):
    for day in year:
        assert len(day) == 9
        for minutes in day.values():
            assert len(minutes) == 60
            for one in minutes:
                bar = one.bar
                assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
                assert Price.of(5) < bar.low
                assert bar.high < Price.of(500)
                assert not bar.open.units % 10**6
                assert bar.volume > Quantity.zero()


def test_prices_stay_in_range_for_many_years():
    feed = SyntheticFeed(
        7, [session(1, day) for day in (date(year, 6, 1) for year in range(2010, 2060)) if day.weekday() < 5]
    )
    for day in feed.sessions:
        assert all(Price.of(5) < bar.bar.low < bar.bar.high < Price.of(500) for (bar,) in feed.load(day).values())


def test_stocks_move_together_and_inverse_funds_against(year):
    index = moves(year, "MKT")
    assert correlation(index, moves(year, "MKTN")) < -0.98
    assert correlation(moves(year, "TEC"), moves(year, "TECN")) < -0.98
    assert 0.2 < correlation(index, moves(year, "ARDN")) < 0.9
    inverse = {one.symbol: one.inverse_of for one in SyntheticFeed(7, DAYS).instruments if one.inverse_of}
    assert inverse == {"MKTN": "MKT", "TECN": "TEC"}


def test_volume_is_u_shaped():
    volumes = [0] * 390
    day = session(390)
    for seed in range(3):
        for minutes in SyntheticFeed(seed, [day]).load(day).values():
            for number, one in enumerate(minutes):
                volumes[number] += one.bar.volume.units
    assert sum(volumes[:30]) > 1.7 * sum(volumes[180:210])
    assert sum(volumes[-30:]) > 1.7 * sum(volumes[180:210])


def test_opening_ranges_break_both_ways_and_nights_have_gaps(year):
    up = down = gaps = 0
    before = None
    for day in year:
        for symbol, minutes in day.items():
            opening = minutes[:10]
            close = minutes[-1].bar.close
            up += close > max(one.bar.high for one in opening)
            down += close < min(one.bar.low for one in opening)
            gaps += before is not None and before[symbol][-1].bar.close != minutes[0].bar.open
        before = day
    assert up > 100
    assert down > 100
    assert gaps > 450


def test_the_market_begins_in_2010():
    with pytest.raises(FeedError, match="begins on 2010-01-01"):
        SyntheticFeed(7, [session(390, date(2009, 12, 31))])


def test_a_saturday_and_the_first_day_can_be_loaded_too():
    for day in (date(2010, 1, 1), date(2010, 1, 2)):
        assert SyntheticFeed(7, [session(3, day)]).load(session(3, day))["MKT"]


def test_the_end_is_told():
    assert SyntheticFeed(7, DAYS).ended_reason.endswith(f"no session after {DAYS[-1].day}")
