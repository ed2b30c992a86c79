"""The health of the broker's interface: each rule at its edge, worse at once, better after a while."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.api.status import ApiHealth
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.monitoring.watchdog_bot import CALLS_MAX, Judgement, Limits, Report, Signs, Watchdog, assess, p95

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LIMITS = Limits.of(TradingSettings())
SECOND = timedelta(seconds=1)
A_MOMENT = timedelta(microseconds=1)
WELL = Signs(heard=True, silent_for=timedelta(0), calls=60, p95_ms=3, bars_missing=0)
HEALTHY, DEGRADED, DOWN, UNKNOWN = ApiHealth.HEALTHY, ApiHealth.DEGRADED, ApiHealth.DOWN, ApiHealth.UNKNOWN
GOOD = Report((3,), bars_missing=0)
BAD = Report((), 1, failing=True)


@pytest.mark.parametrize(
    ("changes", "health", "reason"),
    [
        ({}, HEALTHY, ""),
        ({"silent_for": 10 * SECOND - A_MOMENT}, HEALTHY, ""),
        ({"silent_for": 10 * SECOND}, DEGRADED, "the bot has not reported for 10 s"),
        ({"silent_for": 30 * SECOND - A_MOMENT}, DEGRADED, "the bot has not reported for 29 s"),
        ({"silent_for": 30 * SECOND}, DOWN, "the bot has not reported for 30 s"),
        ({"failing_for": 10 * SECOND - A_MOMENT}, HEALTHY, ""),
        ({"failing_for": 10 * SECOND}, DEGRADED, "no call was answered for 10 s"),
        ({"failing_for": 30 * SECOND - A_MOMENT}, DEGRADED, "no call was answered for 29 s"),
        ({"failing_for": 30 * SECOND}, DOWN, "no call was answered for 30 s"),
        ({"p95_ms": 999}, HEALTHY, ""),
        ({"p95_ms": 1000}, DEGRADED, "one answer in twenty takes 1000 ms or longer"),
        ({"p95_ms": None}, HEALTHY, ""),
        ({"calls": 4, "failed": 2}, HEALTHY, ""),
        ({"calls": 31, "failed": 3}, HEALTHY, ""),
        ({"calls": 30, "failed": 3}, DEGRADED, "3 of 30 calls in 60 s had no answer"),
        ({"bars_missing": 4}, HEALTHY, ""),
        ({"bars_missing": 5}, DEGRADED, "the market is open and no bar has come for 5 minutes"),
        ({"bars_missing": 14}, DEGRADED, "the market is open and no bar has come for 14 minutes"),
        ({"bars_missing": 15}, DOWN, "the market is open and no bar has come for 15 minutes"),
        ({"bars_missing": None}, HEALTHY, ""),
        ({"heard": False, "silent_for": 29 * SECOND}, UNKNOWN, "the bot has not reported yet"),
        ({"heard": False, "silent_for": 30 * SECOND}, DOWN, "the bot has not reported for 30 s"),
    ],
)
def test_each_rule_at_its_edge(changes: dict[str, object], health: ApiHealth, reason: str) -> None:
    assert assess(replace(WELL, **changes), LIMITS) == (health, reason)  # type: ignore[arg-type]


WORSE = {HEALTHY: 0, UNKNOWN: 1, DEGRADED: 2, DOWN: 3}
#: What each sign alone makes of it, from well to worst.
SIGNS = {
    "silent_for": {timedelta(0): HEALTHY, 20 * SECOND: DEGRADED, 40 * SECOND: DOWN},
    "failing_for": {None: HEALTHY, 20 * SECOND: DEGRADED, 40 * SECOND: DOWN},
    "failed": {0: HEALTHY, 30: DEGRADED},
    "p95_ms": {3: HEALTHY, 4000: DEGRADED},
    "bars_missing": {0: HEALTHY, 9: DEGRADED, 60: DOWN},
}


@pytest.mark.parametrize("values", list(product(*SIGNS.values())))
def test_every_combination_is_as_bad_as_its_worst_sign(values: tuple[object, ...]) -> None:
    expected = max((SIGNS[name][value] for name, value in zip(SIGNS, values, strict=True)), key=WORSE.__getitem__)  # type: ignore[index]
    found, reason = assess(replace(WELL, **dict(zip(SIGNS, values, strict=True))), LIMITS)  # type: ignore[arg-type]
    assert found is expected
    assert bool(reason) is (expected is not HEALTHY)


@pytest.mark.parametrize(
    ("latencies", "expected"),
    [([], None), ([5] * 9, None), (range(1, 11), 10), (range(1, 21), 19), (range(1, 101), 95), (range(1, 102), 96)],
)
def test_p95_is_by_nearest_rank(latencies: list[int], expected: int | None) -> None:
    assert p95(latencies) == expected


@settings(deadline=None)
@given(st.lists(st.integers(0, 60_000), min_size=10, max_size=200))
def test_p95_is_an_answer_that_at_most_one_in_twenty_exceeds(latencies: list[int]) -> None:
    found = p95(latencies)
    assert found in latencies
    assert sum(one > found for one in latencies) * 20 <= len(latencies)
    assert sum(one >= found for one in latencies) * 20 > len(latencies) - 20


class Play:
    """A watchdog whose time goes by in seconds; each second the bot reports and it is judged."""

    def __init__(self) -> None:
        self.now = NOW
        self.dog = Watchdog(LIMITS, NOW)

    def go(self, seconds: int, report: Report | None = GOOD) -> ApiHealth:
        for _ in range(seconds):
            self.now += SECOND
            if report is not None:
                self.dog.report(report, self.now)
            self.dog.judge(self.now)
        return self.dog.judgement.health


def test_it_is_unknown_until_the_bot_reports_and_down_if_it_never_does() -> None:
    play = Play()
    assert play.dog.judgement == Judgement(UNKNOWN, "the bot has not reported yet", NOW)
    assert play.go(29, None) is UNKNOWN
    assert play.go(1, None) is DOWN


def test_the_first_report_tells_at_once() -> None:
    play = Play()
    assert play.go(1) is HEALTHY
    assert play.dog.judgement == Judgement(HEALTHY, "", NOW + SECOND, None, 3)


def test_a_single_lost_answer_changes_nothing() -> None:
    play = Play()
    play.go(20)
    assert play.go(1, BAD) is HEALTHY
    assert play.go(5) is HEALTHY


def test_a_degraded_interface_has_to_stay_well_for_a_while() -> None:
    play = Play()
    play.go(20)
    assert play.go(1, Report((2000,) * 20, bars_missing=0)) is DEGRADED
    since = play.now
    assert play.go(60 + 30) is DEGRADED  # the window has to empty first
    assert play.dog.judgement.since == since
    assert play.go(1) is HEALTHY
    assert play.dog.judgement.since == since + 91 * SECOND


def test_what_goes_to_and_fro_stays_degraded() -> None:
    play = Play()
    play.go(20)
    changes = 0
    for _ in range(20):
        before = play.dog.judgement.health
        play.go(12, Report((3,), bars_missing=6))
        play.go(12)
        changes += play.dog.judgement.health is not before
    assert changes == 1
    assert play.dog.judgement.health is DEGRADED


def test_down_is_left_by_good_probes_alone_and_one_lost_begins_again() -> None:
    play = Play()
    play.go(20)
    assert play.go(29, BAD) is DEGRADED
    assert play.go(2, BAD) is DOWN
    assert play.go(100) is DOWN
    for answered in (True, True, False, True, True):
        play.dog.probed(answered=answered)
        assert play.go(1) is DOWN
    assert play.dog.judgement.reason == "it answers again, 2 of 3 probes"
    play.dog.probed(answered=True)
    assert play.go(1) is HEALTHY


def test_probes_do_not_help_while_the_bot_is_silent() -> None:
    play = Play()
    play.go(5)
    assert play.go(31, None) is DOWN
    for _ in range(5):
        play.dog.probed(answered=True)
    assert play.go(1, None) is DOWN
    assert play.go(1) is HEALTHY


def test_a_new_bot_is_unknown_but_what_was_down_stays_down() -> None:
    play = Play()
    play.go(5)
    play.dog.expect(play.now)
    assert play.go(1, None) is UNKNOWN
    play.go(40, None)
    play.dog.expect(play.now)
    assert play.go(1, None) is DOWN


def test_a_degraded_one_whose_bot_ends_is_unknown() -> None:
    play = Play()
    assert play.go(1, Report((3,), bars_missing=6)) is DEGRADED
    play.dog.expect(play.now)
    assert play.go(1, None) is UNKNOWN


def test_memory_is_bounded() -> None:
    play = Play()
    play.go(3, Report(tuple(range(CALLS_MAX))))
    assert len(play.dog._calls) == CALLS_MAX


REPORTS = st.sampled_from([None, GOOD, BAD, Report((5000,), bars_missing=0), Report((3,), bars_missing=7)])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 40), REPORTS, st.booleans()), max_size=12))
def test_whatever_happens_it_is_never_better_than_what_is_seen(
    story: list[tuple[int, Report | None, bool]],
) -> None:
    play, good_probes = Play(), 0
    for seconds, report, answered in story:
        before = play.dog.judgement.health
        play.go(seconds, report)
        seen = assess(play.dog._signs(play.now), LIMITS)[0]
        assert WORSE[play.dog.judgement.health] >= WORSE[seen]
        if before is DOWN and play.dog.judgement.health is not DOWN:
            assert good_probes >= LIMITS.probes
            good_probes = 0
        if play.dog.judgement.health is DOWN:
            if before is not DOWN:
                good_probes = 0
            play.dog.probed(answered=answered)
            good_probes = good_probes + 1 if answered else 0
