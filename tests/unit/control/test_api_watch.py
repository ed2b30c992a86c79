"""The broker's interface through a bad day: a real bot and a conductor at one market that slows, breaks and lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tbot_bot.api.status import ApiHealth
from tbot_bot.control.api_watch import PROBE_PAUSE_MAX, ApiWatch
from tbot_bot.control.books_keeper import EVERY
from tbot_bot.control.bot_link import LineChannel, RunnerLink
from tbot_bot.control.bot_loop import BotLoop
from tbot_bot.domain.broker import BrokerUnavailableError
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.money import Quantity
from tbot_bot.monitoring.watchdog_bot import Judgement, Limits
from tbot_bot.strategies.registry import in_sequence
from tbot_bot.trading.strategy_router import StrategyRouter
from tbot_bot.venue.faults import Fault, FaultKind
from tests.unit.audit.parts import HandClock
from tests.unit.control.stage import SYMBOLS, Stage
from tests.unit.control.stage import stage as set_stage
from tests.unit.trading.desk import FRIDAY, market
from tests.unit.trading_bot.scene import RULES, SLIPPAGE, by_strategy

HEALTHY, DEGRADED, DOWN, UNKNOWN = ApiHealth.HEALTHY, ApiHealth.DEGRADED, ApiHealth.DOWN, ApiHealth.UNKNOWN


def between(start_s: int, end_s: int, kind: FaultKind, **named: Any) -> Fault:
    """A fault from so many seconds after the open to so many."""
    return Fault(
        kind,
        start_at=FRIDAY.open_at + timedelta(seconds=start_s),
        end_at=FRIDAY.open_at + timedelta(seconds=end_s),
        **named,
    )


#: Slow answers; then the line is cut; when it holds again, the account is told as it was before.
BAD_DAY = (
    between(100, 150, FaultKind.LATENCY, call="clock", seconds=2),
    between(400, 520, FaultKind.DISCONNECT),
    between(520, 560, FaultKind.STALE_REPLY, call="account"),
)


class Day:
    """A second of market time is a second of wall time; the bot takes a turn in each, and the runner too."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.market = stage.line.inner
        self.seen: list[tuple[int, ApiHealth]] = []
        stage.conductor.start("ada")
        stage.conductor.tick()
        link = RunnerLink(LineChannel(stage.bot._connection), self._monotonic_s)
        self.bot = BotLoop(
            self.market,
            link,
            StrategyRouter(in_sequence(("open",)), by_strategy({}), RULES),
            lambda: True,
            self._monotonic_s,
            cursor=0,
            risk_fraction=Decimal("0.01"),
            positions_max=5,
            slippage=SLIPPAGE,
        )

    def _monotonic_s(self) -> float:
        return (self.market.venue.market.now - FRIDAY.open_at).total_seconds()

    def play_until(self, second: int) -> None:
        """Let time pass up to so many seconds after the open."""
        while (now_s := int(self._monotonic_s())) < second:
            self.market.advance_to(FRIDAY.open_at + timedelta(seconds=now_s + 1))
            self.stage.clock.move(seconds=int(self._monotonic_s()) - now_s)
            self.bot.step(0.0)
            self.stage.conductor.tick()
            health = self.stage.conductor.api.judgement.health
            if not self.seen or self.seen[-1][1] is not health:
                self.seen.append((int(self._monotonic_s()), health))

    @property
    def health(self) -> list[ApiHealth]:
        return [health for _, health in self.seen]


@pytest.fixture
def day(tmp_path: Path, logged: list[Mapping[str, Any]]) -> Iterator[Day]:
    with set_stage(tmp_path) as made:
        made.line.inner = market(SYMBOLS, "100000", "0", faults=BAD_DAY)
        yield Day(made)


def test_slow_then_cut_then_stale_then_probed_compared_and_well(day: Day, logged: list[Mapping[str, Any]]) -> None:
    conductor = day.stage.conductor
    day.play_until(90)
    assert day.health in ([UNKNOWN, HEALTHY], [HEALTHY])
    assert day.stage.lifecycle.state is not State.STARTED
    day.play_until(380)
    assert day.health[-3:] == [HEALTHY, DEGRADED, HEALTHY]
    (slow_at, _), (well_at, _) = day.seen[-2:]
    assert 100 < slow_at < 150
    assert 150 + 60 < well_at < 150 + 60 + 40  # the window has to empty, and then it has to stay well
    assert conductor.paused_because() is None

    day.play_until(450)
    assert day.health[-2:] == [DEGRADED, DOWN]
    down_at = day.seen[-1][0]
    assert 430 <= down_at <= 440
    assert "the broker's interface is down: no call was answered" in (conductor.paused_because() or "")
    assert conductor.conditions().paused
    tied_out = day.stage.floor.records.last_reconciliation()

    day.play_until(558)
    assert conductor.api.judgement.health is DOWN  # the bot has its answers again, the account is told as it was
    day.play_until(600)
    assert day.health[-2] is DOWN
    assert day.seen[-1][0] > 560
    again = day.stage.floor.records.last_reconciliation()
    assert tied_out is not None
    assert again is not None
    assert again.recorded_at > tied_out.recorded_at
    assert again.is_clean
    assert conductor.paused_because() is None
    assert not conductor.conditions().paused
    day.play_until(760)
    assert day.health[-1] is HEALTHY

    told = [one for one in logged if one["event"] == "broker interface"]
    assert [one["health"] for one in told] == [str(health) for health in day.health if health is not UNKNOWN]
    assert all(one["reason"] for one in told)
    probes = [one["answered"] for one in logged if one["event"] == "probe of the broker's interface"]
    assert probes.index(True) >= 4
    assert probes[-3:] == [True, True, True]


# its own part


class Ward:
    """A watch over an interface that answers or not, with time moved by hand."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.answers = False
        self.probes: list[int] = []
        self.changes: list[tuple[ApiHealth, ApiHealth]] = []
        self._start = self.clock.now()
        self.watch = ApiWatch(Limits(**LIMITS), self.clock, self._probe, self._note)

    def _probe(self) -> None:
        self.probes.append(int((self.clock.now() - self._start).total_seconds()))
        if not self.answers:
            raise BrokerUnavailableError("no answer")

    def _note(self, before: Judgement, after: Judgement) -> None:
        self.changes.append((before.health, after.health))

    def go(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.move(seconds=1)
            self.watch.look()


LIMITS: dict[str, Any] = {
    "window": timedelta(seconds=60),
    "latency_ms": 1000,
    "errors_pct": 10,
    "late": timedelta(seconds=10),
    "down": timedelta(seconds=30),
    "stale_bars": 5,
    "calm": timedelta(seconds=30),
    "probes": 3,
}


def test_probes_begin_when_it_is_down_and_come_less_often(logged: list[Mapping[str, Any]]) -> None:
    ward = Ward()
    ward.go(29)
    assert ward.probes == []
    ward.go(101)
    assert ward.probes == [31, 32, 34, 38, 46, 62, 92, 122]
    assert timedelta(seconds=ward.probes[-1] - ward.probes[-2]) == PROBE_PAUSE_MAX
    assert ward.changes == [(UNKNOWN, DOWN)]


def test_once_it_answers_the_probes_come_each_second(logged: list[Mapping[str, Any]]) -> None:
    ward = Ward()
    ward.go(31)
    ward.answers = True
    ward.go(5)
    assert ward.probes == [31, 32, 33, 34, 35, 36]
    assert ward.watch.down_because() == "the broker's interface is down: the bot has not reported for 36 s"


def test_what_is_missing_while_it_is_down_is_not_asked(stage: Stage) -> None:
    stage.trade()
    stage.clock.move(seconds=int(EVERY.total_seconds()))
    stage.conductor.api.look()
    calls = stage.line.calls
    stage.conductor.tick()
    assert stage.conductor.api.judgement.health is DOWN
    assert stage.line.calls == calls + 1  # the probe; books are not compared with silence


def test_an_entry_is_refused_while_it_is_down(stage: Stage) -> None:
    stage.trade()
    stage.tick(31, silent=True)
    assert "paused" in (stage.ask_entry() or "")
    (told,) = stage.bot.heard()
    assert "the bot has not reported for 31 s" in told.reason  # type: ignore[union-attr]
    for _ in range(4):
        stage.tell_market()
        stage.tick(1)
    assert stage.conductor.api.judgement.health is HEALTHY
    assert stage.ask_entry(number=2) is None


def test_broker_and_books_are_compared_before_an_entry_follows(stage: Stage) -> None:
    stage.trade()
    stage.tick(31, silent=True)
    stage.line.extra["BBB"] = Quantity.of(7)
    for _ in range(4):
        stage.tell_market()
        stage.tick(1)
    assert stage.conductor.api.judgement.health is HEALTHY
    assert "BBB" in (stage.conductor.books.break_found or "")
    assert "paused" in (stage.ask_entry() or "")


def test_no_bars_in_an_open_market_are_seen(stage: Stage) -> None:
    stage.trade()
    at = FRIDAY.open_at + timedelta(minutes=9)
    stage.tell_market(at, newest_bar_at=(at - timedelta(minutes=5)).isoformat())
    stage.tick(1)
    judged = stage.conductor.api.judgement
    assert (judged.health, judged.reason) == (DEGRADED, "the market is open and no bar has come for 5 minutes")
    stage.tell_market(is_open=False)
    stage.tick(1)
    stage.tell_market(session_open_at=None)
    stage.tick(1)
    stage.tick(30)
    assert stage.conductor.api.judgement.health is HEALTHY


def test_no_bar_at_all_counts_from_the_open(stage: Stage) -> None:
    stage.trade()
    stage.tell_market(FRIDAY.open_at + timedelta(minutes=20), newest_bar_at=None)
    stage.tick(1)
    assert stage.conductor.api.judgement.health is DOWN
