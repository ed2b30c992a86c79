"""Health of the broker's interface from what the bot reports: latency, errors, heartbeat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tbot_bot.api.status import ApiHealth

HEARTBEAT_LATE = timedelta(seconds=10)
HEARTBEAT_LOST = timedelta(seconds=30)
LATENCY_MS_DEGRADED = 1000


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The bot's last report on its broker; `at` is wall time, `failing_since` None while calls succeed."""

    at: datetime
    latency_ms: int
    failing_since: datetime | None


def judge(beat: Heartbeat | None, now: datetime) -> ApiHealth:
    """Healthy, degraded or down; unknown before the first heartbeat.

    Down: calls have failed, or no heartbeat came, for 30 s. Degraded: failing or late for less, or slower than 1 s.
    """
    if beat is None:
        return ApiHealth.UNKNOWN
    troubled = max(now - beat.at, now - beat.failing_since if beat.failing_since else timedelta(0))
    if troubled >= HEARTBEAT_LOST:
        return ApiHealth.DOWN
    if beat.failing_since or troubled >= HEARTBEAT_LATE or beat.latency_ms >= LATENCY_MS_DEGRADED:
        return ApiHealth.DEGRADED
    return ApiHealth.HEALTHY
