"""How market time follows the wall clock."""

from datetime import timedelta
from fractions import Fraction

import pytest

from tbot_bot.domain.market import Instrument
from tbot_bot.venue.core import Market
from tbot_bot.venue.feed import BarFeed
from tbot_bot.venue.pacer import STRIDE, Pacer
from tbot_bot.venue.records import Snapshot
from tests.unit.venue.stage import CASH, OPEN, TICK, bars, sessions

SECOND = 10**9
DAYS = sessions(2, 30)


class Wall:
    def __init__(self):
        self.now = 5 * SECOND

    def __call__(self):
        return self.now


class Stage:
    def __init__(self, speed, running=True, now=None):
        text = "\n".join(["10 10 10 10 1000"] * 30)
        all_bars = [bar for day in DAYS for bar in bars("ABC", text, day.open_at)]
        feed = BarFeed([Instrument("ABC", "ABC", TICK)], DAYS, all_bars)
        self.market = Market(feed, Snapshot("SIM", CASH, now=now))
        self.wall = Wall()
        self.pacer = Pacer(self.market, Fraction(speed), self.wall, running=running)

    def after(self, seconds):
        self.wall.now += int(seconds * SECOND)
        self.market.advance_to(self.pacer.target())
        return self.market.now


def test_the_clock_stands_until_it_is_started():
    stage = Stage(60, running=False)
    start = stage.after(0)
    assert stage.after(100) == start == OPEN - timedelta(minutes=2)
    assert stage.pacer.delay_s() is None
    stage.pacer.start()
    assert stage.after(1) == start + timedelta(minutes=1)


def test_market_time_runs_at_its_speed_without_drift():
    stage = Stage("0.1")
    for _ in range(1000):
        stage.after(0.003)
    assert stage.market.now == OPEN - timedelta(minutes=2) + timedelta(milliseconds=300)


def test_a_clock_that_is_held_stands_and_goes_on_from_there():
    stage = Stage(60)
    stood = stage.after(1)
    stage.pacer.hold()
    assert stage.after(9) == stood
    assert stage.pacer.delay_s() is None
    stage.pacer.start()
    assert stage.after(1) == stood + timedelta(minutes=1)


def test_it_waits_for_the_next_step():
    stage = Stage(60)
    assert stage.pacer.delay_s() == pytest.approx(1.0)  # two minutes off, a second at most
    stage.after(2)
    assert stage.pacer.delay_s() == pytest.approx(0.25)
    stage.after(0.2499999)
    assert stage.pacer.delay_s() == pytest.approx(0.002)


def test_the_night_is_an_intermission_of_three_seconds():
    stage = Stage(60)
    for _ in range(4):
        stage.after(8)
    assert stage.market.now == DAYS[0].close_at
    stage.after(0)
    assert stage.pacer.delay_s() == pytest.approx(1.0)
    assert stage.after(2.99) == DAYS[0].close_at
    assert stage.after(0.01) == DAYS[1].open_at - timedelta(minutes=2)
    assert stage.after(1) == DAYS[1].open_at - timedelta(minutes=1)


def test_the_intermission_shrinks_with_speed():
    stage = Stage(3600)
    while stage.market.now < DAYS[0].close_at:
        stage.after(0.1)
    stage.after(0)
    assert stage.after(0.09) == DAYS[0].close_at
    assert stage.after(0.02) == DAYS[1].open_at - timedelta(minutes=2)


def test_a_market_that_was_held_up_goes_on_from_where_it_is():
    stage = Stage(60)
    start = stage.market.now
    assert stage.after(10_000) == start + STRIDE
    assert stage.after(1) == start + STRIDE + timedelta(minutes=1)


def test_after_a_restart_at_the_close_the_next_session_comes():
    stage = Stage(60, now=DAYS[0].close_at)
    assert stage.pacer.delay_s() == pytest.approx(0.002)
    assert stage.after(0) == DAYS[0].close_at
    assert stage.after(3) == DAYS[1].open_at - timedelta(minutes=2)


def test_it_stands_still_after_the_last_session():
    stage = Stage(600, now=DAYS[1].close_at)
    assert stage.after(100) == DAYS[1].close_at
    assert stage.pacer.delay_s() is None
