"""Who is behind the current request, as the runner judges it.

The runner owns the sessions. A verdict is reused for a moment while nothing moved: at most 20 s, never past the
session's end, and not across a change of the epoch, which the runner bumps when a session or a role changes.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Flask, current_app, g, request

from tbot_bot.api.sessions import AskVerdict, SessionStatus, Verdict
from tbot_bot.domain.time import Clock, from_rfc3339
from tbot_web.support import cookies
from tbot_web.support.home import Home
from tbot_web.support.requests import is_navigation
from tbot_web.support.runner_client import runner

REUSED_FOR = timedelta(seconds=20)
#: A person's act is told to the runner at most this often; it writes the time down no more often itself.
TOUCHED_EVERY = timedelta(seconds=15)
#: How long a verified session may still pull the kill switch when the runner is gone.
RECENT = timedelta(minutes=15)
_KEPT_MAX = 1000
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_NOBODY = Verdict(status=SessionStatus.NONE)

_Ids = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class _Judged:
    """A verdict with the epoch and time it was given at."""

    verdict: Verdict
    epoch: str | None
    at: datetime
    touched_at: datetime | None

    def is_fresh(self, epoch: str | None, now: datetime, *, touch: bool) -> bool:
        """Whether the verdict still stands; an epoch that cannot be read never vouches for one."""
        if epoch is None or epoch != self.epoch or not timedelta() <= now - self.at < REUSED_FOR:
            return False
        if touch and (self.touched_at is None or now - self.touched_at >= TOUCHED_EVERY):
            return False
        return not self.has_ended(now)

    def has_ended(self, now: datetime) -> bool:
        ends = (self.verdict.expires_at, self.verdict.absolute_expires_at)
        return any(end is not None and now >= from_rfc3339(end) for end in ends)


class Verdicts:
    """The verdicts of this process by session; threads share it."""

    def __init__(self, home: Home, clock: Clock) -> None:
        self._home = home
        self._clock = clock
        self._lock = threading.Lock()
        self._judged: dict[_Ids, _Judged] = {}

    def judge(self, ids: _Ids, *, touch: bool, timeout_s: float | None = None) -> Verdict:
        """Return the runner's verdict, a remembered one if it still stands; raises ApiError when there is no answer."""
        epoch, now = self._home.epoch(), self._clock.now()
        known = self._judged.get(ids)
        if known is not None and known.is_fresh(epoch, now, touch=touch):
            return known.verdict
        verdict: Verdict = runner().call("session.verdict", AskVerdict(touch=touch), timeout_s=timeout_s)
        touched_at = now if touch else (known.touched_at if known else None)
        self._remember(ids, _Judged(verdict, epoch, now, touched_at))
        return verdict

    def recent(self, ids: _Ids) -> Verdict | None:
        """The last verdict on a session that was active within 15 minutes and has not reached its end since."""
        known, now = self._judged.get(ids), self._clock.now()
        if known is None or known.verdict.status is not SessionStatus.ACTIVE:
            return None
        recent = timedelta() <= now - known.at <= RECENT and not known.has_ended(now)
        return known.verdict if recent else None

    def forget(self, ids: _Ids) -> None:
        """Ask the runner again next time."""
        with self._lock:
            self._judged.pop(ids, None)

    def _remember(self, ids: _Ids, judged: _Judged) -> None:
        with self._lock:
            self._judged.pop(ids, None)
            self._judged[ids] = judged
            while len(self._judged) > _KEPT_MAX:
                del self._judged[next(iter(self._judged))]


def install(app: Flask, verdicts: Verdicts) -> None:
    """Give the app its memory of verdicts, and the templates `viewer`: the verdict if this request asked for one."""
    app.extensions["verdicts"] = verdicts
    app.context_processor(lambda: {"viewer": g.get("caller", _NOBODY)})


def caller(timeout_s: float | None = None) -> Verdict:
    """The verdict on whoever is behind the request, asked for once; raises ApiError when the runner is silent."""
    if "caller" not in g:
        ids = _ids()
        g.caller = _verdicts().judge(ids, touch=_is_touch(), timeout_s=timeout_s) if any(ids) else _NOBODY
    verdict: Verdict = g.caller
    return verdict


def verified_recently() -> Verdict | None:
    """The verdict on a session that the runner confirmed within 15 minutes, for acts that must work without it."""
    return _verdicts().recent(_ids())


def forget_caller() -> None:
    """The request changed its own session: neither this request nor the next may rely on the old verdict."""
    g.pop("caller", None)
    _verdicts().forget(_ids())


def _verdicts() -> Verdicts:
    verdicts: Verdicts = current_app.extensions["verdicts"]
    return verdicts


def _ids() -> _Ids:
    return cookies.read(cookies.SESSION), cookies.read(cookies.SETUP)


def _is_touch() -> bool:
    """Whether a person did this: a change or a navigation, not a page that refreshes itself."""
    if request.headers.get("X-Poll") == "1":
        return False
    return request.method not in _SAFE_METHODS or is_navigation()
