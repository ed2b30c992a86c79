"""The health of the broker's interface, at the edges of each limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tbot_bot.api.status import ApiHealth
from tbot_bot.monitoring.watchdog_bot import Heartbeat, judge

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
A_MOMENT = timedelta(microseconds=1)


def beat(age: timedelta, latency_ms: int = 3, failing_for: timedelta | None = None) -> Heartbeat:
    return Heartbeat(NOW - age, latency_ms, None if failing_for is None else NOW - failing_for)


def test_before_the_first_heartbeat_it_is_unknown() -> None:
    assert judge(None, NOW) is ApiHealth.UNKNOWN


@pytest.mark.parametrize(
    ("heard", "health"),
    [
        (beat(timedelta(0)), ApiHealth.HEALTHY),
        (beat(timedelta(seconds=10) - A_MOMENT), ApiHealth.HEALTHY),
        (beat(timedelta(seconds=10)), ApiHealth.DEGRADED),
        (beat(timedelta(seconds=30) - A_MOMENT), ApiHealth.DEGRADED),
        (beat(timedelta(seconds=30)), ApiHealth.DOWN),
        (beat(timedelta(0), 999), ApiHealth.HEALTHY),
        (beat(timedelta(0), 1000), ApiHealth.DEGRADED),
        (beat(timedelta(0), failing_for=timedelta(0)), ApiHealth.DEGRADED),
        (beat(timedelta(0), failing_for=timedelta(seconds=30) - A_MOMENT), ApiHealth.DEGRADED),
        (beat(timedelta(0), failing_for=timedelta(seconds=30)), ApiHealth.DOWN),
        (beat(timedelta(seconds=31), failing_for=timedelta(seconds=1)), ApiHealth.DOWN),
    ],
)
def test_health(heard: Heartbeat, health: ApiHealth) -> None:
    assert judge(heard, NOW) is health
