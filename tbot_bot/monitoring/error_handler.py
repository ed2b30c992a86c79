"""The last error event and how many alerts there were, from the records that the log book hears."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from tbot_bot.api.status import ErrorEvent
from tbot_bot.monitoring.tracebacks import kind_of

ALERT_LEVELS = ("warning", "error", "critical")
EVENT_LEVELS = ("error", "critical")
MESSAGE_LENGTH_MAX = 300


class ErrorHandler:
    """Counts alerts by level since the start and remembers the last error; `remember` makes it durable."""

    def __init__(self, last: ErrorEvent | None, remember: Callable[[ErrorEvent], None]) -> None:
        self._last = last
        self._remember = remember
        self._counts: Counter[str] = Counter()
        self._day: date | None = None
        self._before: Counter[str] = Counter()
        self._lock = threading.Lock()

    def hear(self, record: Mapping[str, Any]) -> None:
        """Take note of one log record."""
        level = str(record.get("level", ""))
        if level not in ALERT_LEVELS:
            return
        with self._lock:
            self._counts[level] += 1
        if level in EVENT_LEVELS:
            message = str(record.get("event", ""))[:MESSAGE_LENGTH_MAX]
            self._last = ErrorEvent(at=str(record.get("at", "")), kind=_kind(record), message=message)
            self._remember(self._last)

    @property
    def last(self) -> ErrorEvent | None:
        """The last critical warning or exception, None if there never was one."""
        return self._last

    def counts(self) -> dict[str, int]:
        """Alerts by level since the start."""
        with self._lock:
            return {level: self._counts[level] for level in ALERT_LEVELS}

    def session_counts(self, day: date | None) -> dict[str, int] | None:
        """Alerts by level since the exchange session of `day` was first asked for; None where there is no session."""
        with self._lock:
            if day != self._day:
                self._day, self._before = day, self._counts.copy()
            return None if day is None else {level: self._counts[level] - self._before[level] for level in ALERT_LEVELS}


def _kind(record: Mapping[str, Any]) -> str:
    """The exception's name if there was one, else where the record came from."""
    return kind_of(str(record.get("exception") or "")) or str(record.get("error_kind") or record.get("source", ""))
