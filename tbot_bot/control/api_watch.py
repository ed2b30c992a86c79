"""Watches the broker's interface for the runner: hears the bot, probes while it is down, and tells each change."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import structlog

from tbot_bot.api.bot_protocol import TellMarket
from tbot_bot.api.status import ApiHealth
from tbot_bot.domain.broker import BrokerError
from tbot_bot.domain.market import BAR_LENGTH
from tbot_bot.domain.time import Clock, from_rfc3339
from tbot_bot.monitoring.watchdog_bot import Judgement, Limits, Report, Watchdog

log = structlog.get_logger("watchdog_bot")
#: The first pause between probes; it doubles up to the longest while there is no answer.
PROBE_PAUSE = timedelta(seconds=1)
PROBE_PAUSE_MAX = timedelta(seconds=30)
_LEVELS = {ApiHealth.HEALTHY: 20, ApiHealth.UNKNOWN: 20, ApiHealth.DEGRADED: 30, ApiHealth.DOWN: 40}


class ApiWatch:
    """One interface. `probe` asks it something small; `changed` hears the judgement before and after a change.

    The bot's reports come on their own thread, `look` is called by the runner's loop.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Clock,
        probe: Callable[[], object],
        changed: Callable[[Judgement, Judgement], None],
    ) -> None:
        self._clock = clock
        self._probe = probe
        self._changed = changed
        self._lock = threading.Lock()
        self._watchdog = Watchdog(limits, clock.now())
        self._probe_at = clock.now()
        self._pause = PROBE_PAUSE

    @property
    def judgement(self) -> Judgement:
        """How the interface is."""
        return self._watchdog.judgement

    @property
    def is_down(self) -> bool:
        """Whether nothing may be expected of it."""
        return self.judgement.health is ApiHealth.DOWN

    def down_because(self) -> str | None:
        """Why no entry may be made; None while it is not down."""
        return f"the broker's interface is down: {self.judgement.reason}" if self.is_down else None

    def hear(self, told: TellMarket) -> None:
        """Take note of a heartbeat."""
        report = Report(tuple(told.answers_ms), told.unanswered, not told.broker_ok, _bars_missing(told))
        with self._lock:
            self._watchdog.report(report, self._clock.now())

    def expect(self) -> None:
        """The bot ended; another will report."""
        with self._lock:
            self._watchdog.expect(self._clock.now())

    def look(self) -> None:
        """Judge anew, and probe if that is due."""
        now = self._clock.now()
        if self.is_down and now >= self._probe_at:
            self._ask()
        with self._lock:
            before = self._watchdog.judgement
            after = self._watchdog.judge(now)
        if after.health is before.health:
            return
        self._pause, self._probe_at = PROBE_PAUSE, now
        reason = after.reason or "it answers, in time and with fresh data"
        log.log(_LEVELS[after.health], "broker interface", health=after.health, before=before.health, reason=reason)
        self._changed(before, after)

    def _ask(self) -> None:
        """Probe once: after silence the next is later each time, after an answer soon."""
        try:
            self._probe()
        except BrokerError as error:
            answered = False
            log.info("probe of the broker's interface", answered=False, why=str(error))
        else:
            answered = True
            log.info("probe of the broker's interface", answered=True)
        self._probe_at = self._clock.now() + (PROBE_PAUSE if answered else self._pause)
        self._pause = PROBE_PAUSE if answered else min(self._pause * 2, PROBE_PAUSE_MAX)
        with self._lock:
            self._watchdog.probed(answered=answered)


def _bars_missing(told: TellMarket) -> int | None:
    """Whole minutes of the open session since the newest bar ended, or since the open; None while it is closed."""
    if not told.is_open or told.session_open_at is None:
        return None
    newest = from_rfc3339(told.session_open_at)
    if told.newest_bar_at is not None:
        newest = max(newest, from_rfc3339(told.newest_bar_at))
    return max(0, (from_rfc3339(told.market_time) - newest) // BAR_LENGTH)
