"""Health of the broker's interface: from latency, errors, heartbeat and age of the data.

The rules judge what is seen at a moment. The watchdog calls it worse at once and better only after a while: a degraded
interface has to stay well for `calm`, and one that was down has to answer `probes` times in a row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tbot_bot.api.status import ApiHealth
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.api.wording import counted

#: Fewer calls than these in the window tell nothing of latency, or of errors.
LATENCIES_MIN = 10
ERRORS_MIN = 3
#: Data that is older than so many times the limit is as good as none.
STALE_DOWN = 3
CALLS_MAX = 600
_PER_CENT = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is wrong; the declared settings WATCHDOG_*."""

    window: timedelta
    latency_ms: int
    errors_pct: int
    late: timedelta
    down: timedelta
    stale_bars: int
    calm: timedelta
    probes: int

    @classmethod
    def of(cls, settings: TradingSettings) -> Limits:
        """The limits that the settings name."""
        return cls(
            window=timedelta(seconds=settings.WATCHDOG_WINDOW_S),
            latency_ms=settings.WATCHDOG_LATENCY_MS,
            errors_pct=settings.WATCHDOG_ERRORS_PCT,
            late=timedelta(seconds=settings.WATCHDOG_LATE_S),
            down=timedelta(seconds=settings.WATCHDOG_DOWN_S),
            stale_bars=settings.WATCHDOG_STALE_BARS,
            calm=timedelta(seconds=settings.WATCHDOG_CALM_S),
            probes=settings.WATCHDOG_PROBES,
        )


@dataclass(frozen=True, slots=True)
class Signs:
    """What is seen at a moment. `heard` is False until the bot has reported; None is unknown or not the case.

    `silent_for` is since the last report, or since one was to be expected; `failing_for` since calls get no answer;
    `bars_missing` counts the minutes of the open session since the newest bar. `calls` and `failed` are of the window.
    """

    heard: bool
    silent_for: timedelta
    failing_for: timedelta | None = None
    calls: int = 0
    failed: int = 0
    p95_ms: int | None = None
    bars_missing: int | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """How the interface is, why, and since when (wall time); latencies of the window in ms, None where unknown."""

    health: ApiHealth
    reason: str
    since: datetime
    p95_ms: int | None = None
    last_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What the bot says of its broker: each answer's latency since its last report, and how many calls had none.

    `bars_missing` as in Signs.
    """

    answers_ms: tuple[int, ...] = ()
    unanswered: int = 0
    failing: bool = False
    bars_missing: int | None = None


Rule = Callable[[Signs, Limits], str | None]


def _unanswered(signs: Signs, limits: Limits) -> str | None:
    if signs.failing_for is None or signs.failing_for < limits.down:
        return None
    return f"no call was answered for {_seconds(signs.failing_for)}"


def _silent(signs: Signs, limits: Limits) -> str | None:
    return None if signs.silent_for < limits.down else f"the bot has not reported for {_seconds(signs.silent_for)}"


def _no_data(signs: Signs, limits: Limits) -> str | None:
    missing = signs.bars_missing or 0
    return None if missing < STALE_DOWN * limits.stale_bars else _without_bars(missing)


def _failing(signs: Signs, limits: Limits) -> str | None:
    if signs.failing_for is None or signs.failing_for < limits.late:
        return None
    return f"no call was answered for {_seconds(signs.failing_for)}"


def _late(signs: Signs, limits: Limits) -> str | None:
    return None if signs.silent_for < limits.late else f"the bot has not reported for {_seconds(signs.silent_for)}"


def _stale(signs: Signs, limits: Limits) -> str | None:
    missing = signs.bars_missing or 0
    return None if missing < limits.stale_bars else _without_bars(missing)


def _errors(signs: Signs, limits: Limits) -> str | None:
    if signs.failed < ERRORS_MIN or signs.failed * _PER_CENT < limits.errors_pct * signs.calls:
        return None
    return f"{signs.failed} of {counted(signs.calls, 'call')} in {_seconds(limits.window)} had no answer"


def _slow(signs: Signs, limits: Limits) -> str | None:
    if signs.p95_ms is None or signs.p95_ms < limits.latency_ms:
        return None
    return f"one answer in twenty takes {signs.p95_ms} ms or longer"


DOWN_RULES: tuple[Rule, ...] = (_unanswered, _silent, _no_data)
DEGRADED_RULES: tuple[Rule, ...] = (_failing, _late, _stale, _errors, _slow)
_WORSE = {ApiHealth.HEALTHY: 0, ApiHealth.UNKNOWN: 1, ApiHealth.DEGRADED: 2, ApiHealth.DOWN: 3}


def assess(signs: Signs, limits: Limits) -> tuple[ApiHealth, str]:
    """What a moment looks like by itself, and why: the first rule that says something against it."""
    for health, rules in ((ApiHealth.DOWN, DOWN_RULES), (ApiHealth.DEGRADED, DEGRADED_RULES if signs.heard else ())):
        reason = next((found for rule in rules if (found := rule(signs, limits)) is not None), None)
        if reason is not None:
            return health, reason
    return (ApiHealth.HEALTHY, "") if signs.heard else (ApiHealth.UNKNOWN, "the bot has not reported yet")


def p95(latencies_ms: Iterable[int]) -> int | None:
    """The latency that 95 of 100 answers do not exceed (nearest rank); None of too few to tell."""
    ordered = sorted(latencies_ms)
    return ordered[-(-95 * len(ordered) // _PER_CENT) - 1] if len(ordered) >= LATENCIES_MIN else None


class Watchdog:
    """Keeps the calls of the window and the judgement; all times are wall time, handed in."""

    def __init__(self, limits: Limits, now: datetime) -> None:
        self.limits = limits
        self.judgement = Judgement(ApiHealth.UNKNOWN, "the bot has not reported yet", now)
        self._calls: deque[tuple[datetime, int | None]] = deque(maxlen=CALLS_MAX)
        self._better_since: datetime | None = None
        self._good_probes = 0
        self.expect(now)

    def expect(self, now: datetime) -> None:
        """A bot comes up anew: what the one before reported is no longer true of now."""
        self._calls.clear()
        self._heard_at, self._heard = now, False
        self._failing_since: datetime | None = None
        self._bars_missing: int | None = None

    def report(self, report: Report, now: datetime) -> None:
        """Take note of what the bot says."""
        self._heard_at, self._heard = now, True
        self._calls += [(now, latency_ms) for latency_ms in report.answers_ms]
        self._calls += [(now, None)] * report.unanswered
        self._failing_since = (self._failing_since or now) if report.failing else None
        self._bars_missing = report.bars_missing

    def probed(self, *, answered: bool) -> None:
        """Take note of a probe; one without an answer makes the counting begin again."""
        self._good_probes = self._good_probes + 1 if answered else 0

    def judge(self, now: datetime) -> Judgement:
        """Judge anew and return the judgement in force."""
        signs = self._signs(now)
        health, reason = assess(signs, self.limits)
        present = self.judgement
        if health is present.health or _WORSE[health] > _WORSE[present.health]:
            self._better_since = None
            taken = True
        else:
            self._better_since = self._better_since or now
            taken = self._may_improve(present.health, now)
        if taken and health is not present.health:
            present = Judgement(health, reason, now)
            self._better_since, self._good_probes = None, 0
        elif taken:
            present = replace(present, reason=reason)
        elif present.health is ApiHealth.DOWN:
            present = replace(present, reason=f"it answers again, {self._good_probes} of {self.limits.probes} probes")
        answers = [latency_ms for _, latency_ms in self._calls if latency_ms is not None]
        self.judgement = replace(present, p95_ms=signs.p95_ms, last_ms=answers[-1] if answers else None)
        return self.judgement

    def _may_improve(self, present: ApiHealth, now: datetime) -> bool:
        if present is ApiHealth.DOWN:
            return self._heard and self._good_probes >= self.limits.probes
        if present is ApiHealth.UNKNOWN or not self._heard:
            return True
        return self._better_since is not None and now - self._better_since >= self.limits.calm

    def _signs(self, now: datetime) -> Signs:
        while self._calls and now - self._calls[0][0] > self.limits.window:
            self._calls.popleft()
        answers = [latency_ms for _, latency_ms in self._calls if latency_ms is not None]
        return Signs(
            heard=self._heard,
            silent_for=now - self._heard_at,
            failing_for=None if self._failing_since is None else now - self._failing_since,
            calls=len(self._calls),
            failed=len(self._calls) - len(answers),
            p95_ms=p95(answers),
            bars_missing=self._bars_missing,
        )


def _seconds(length: timedelta) -> str:
    return f"{length // timedelta(seconds=1)} s"


def _without_bars(missing: int) -> str:
    return f"the market is open and no bar has come for {counted(missing, 'minute')}"
