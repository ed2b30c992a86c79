"""The last error event and how many alerts there were, from the records that the log book hears."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from tbot_bot.api.status import ErrorEvent

ALERT_LEVELS = ("warning", "error", "critical")
EVENT_LEVELS = ("error", "critical")
MESSAGE_LENGTH_MAX = 300


class ErrorHandler:
    """Counts alerts by level since the start and remembers the last error; `remember` makes it durable."""

    def __init__(self, last: ErrorEvent | None, remember: Callable[[ErrorEvent], None]) -> None:
        self._last = last
        self._remember = remember
        self._counts: Counter[str] = Counter()
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


def _kind(record: Mapping[str, Any]) -> str:
    """The exception's name if there was one, else where the record came from."""
    lines = str(record.get("exception", "")).strip().splitlines()
    return lines[-1].partition(":")[0].rpartition(".")[2] if lines else str(record.get("source", ""))
