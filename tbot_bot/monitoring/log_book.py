"""Logs as JSON lines: the system's, each strategy's, errors, unresolved orders, changes of the state that is shown.

A record goes to `system.log` and, by what it carries, to others: a `strategy` to that strategy's log, an `exception`
that is news to `error_tracebacks.log`, `unresolved` true to `unresolved_orders.log`, `state_change` true to
`state_changes.log`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog

from tbot_bot.domain.time import Clock, from_micros, to_rfc3339
from tbot_bot.monitoring.tracebacks import TracebackEntry, Tracebacks, is_worth_telling

FILE_BYTES_MAX = 8 * 1024 * 1024
FILES_KEPT = 9
SYSTEM, ERRORS, UNRESOLVED, CHANGES = "system", "error_tracebacks", "unresolved_orders", "state_changes"
STRATEGY_LOGS = ("open", "mid", "close")
REDACTED = "[redacted]"
#: Loggers of libraries that tell too much: the HTTP client names each address that it calls, which may hold a secret.
TALKATIVE = ("alembic", "httpx2")
_SECRET_WORDS = ("password", "secret", "token", "recovery_code", "api_key", "cookie", "authorization")
#: A name that speaks of a secret and what it is set to: `password=...`, `"api_key": "..."`.
_NAMED_SECRET = re.compile(
    rf"""((?:{"|".join(_SECRET_WORDS)})\w*["']?\s*[=:]\s*["']?)(?:(?:bearer|basic)\s+)?[^\s"',;)}}]+""", re.IGNORECASE
)

Record = Mapping[str, Any]


class _Rotating(RotatingFileHandler):
    """Says once, on standard error, that it cannot write, and goes on: no log is worth ending for."""

    is_failing = False

    def emit(self, record: logging.LogRecord) -> None:
        was_failing, self.is_failing = self.is_failing, False
        super().emit(record)
        if self.is_failing and not was_failing:
            with contextlib.suppress(OSError):  # nobody reads us any more
                sys.stderr.write(f"The log {self.baseFilename} cannot be written: {self._why}. What happens goes on.\n")

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - the base class's name
        self.is_failing, self._why = True, sys.exception()


class _Daily(_Rotating):
    """Starts anew with each day in UTC, however much was written."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, backupCount=FILES_KEPT, encoding="utf-8", errors="backslashreplace")
        self._clock = clock
        written = path.stat()
        self._day = (from_micros(written.st_mtime_ns // 1000) if written.st_size else clock.now()).date()

    def shouldRollover(self, _record: logging.LogRecord) -> bool:  # noqa: N802 - the base class's name
        before, self._day = self._day, self._clock.now().date()
        return before != self._day


class RotatingLines:
    """A log file that starts anew at 8 MiB, or with a `daily` clock each day, and keeps nine predecessors."""

    def __init__(self, path: Path, *, daily: Clock | None = None) -> None:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._handler = (
            _Daily(path, daily)
            if daily
            else _Rotating(
                path, maxBytes=FILE_BYTES_MAX, backupCount=FILES_KEPT, encoding="utf-8", errors="backslashreplace"
            )
        )

    def append(self, line: str) -> None:
        """Add one line; line breaks inside it are made visible, so that nobody can forge a record."""
        text = line.replace("\r", "\\r").replace("\n", "\\n")
        self._handler.emit(logging.makeLogRecord({"msg": "%s", "args": (text,)}))

    def close(self) -> None:
        self._handler.close()


class LogBook:
    """Routes records to files; `on_record` hears each one (the error handler listens there)."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._folders = {SYSTEM: folder}
        self._files: dict[str, RotatingLines] = {}
        self._listeners: list[Callable[[Record], None]] = []
        self._bot_folder: Path | None = None
        self._tracebacks = Tracebacks()
        #: What every record carries beside its own, while it is so.
        self.tags: Mapping[str, Any] = {}

    def attach(self, bot_folder: Path) -> None:
        """From now on the bot's own logs go to this folder."""
        self._bot_folder = bot_folder

    def listen(self, listener: Callable[[Record], None]) -> None:
        """Tell `listener` each record from now on."""
        self._listeners.append(listener)

    def write(self, record: Record) -> None:
        """Append a record to every log that it belongs to."""
        with self._lock:
            record = self._tracebacks.take({**record, **self.tags})
            line = json.dumps(record, default=str, ensure_ascii=False)
            for name in self._names(record):
                self._file(name).append(line)
        for listener in self._listeners:
            listener(record)

    def write_line(self, source: str, line: str) -> None:
        """Append a line that a child wrote: a JSON record, or plain text taken as a warning."""
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            record = {"level": "warning", "event": line}
        told = {"at": to_rfc3339(self._clock.now()), "level": "info", **record, "source": source}
        self.write(redact(None, "", told))

    def errors(self) -> list[TracebackEntry]:
        """Every error with a traceback since the start, the one that came last first."""
        with self._lock:
            return self._tracebacks.entries()

    def paths(self) -> dict[str, Path]:
        """Every log there can be, by name, whether or not something was written yet."""
        names = [SYSTEM, *(STRATEGY_LOGS if self._bot_folder else ())]
        names += [ERRORS, UNRESOLVED, CHANGES] if self._bot_folder else []
        return {name: self._path(name) for name in names}

    def _names(self, record: Record) -> list[str]:
        names = [SYSTEM]
        if self._bot_folder is not None:
            names += [name for name in (record.get("strategy"),) if name in STRATEGY_LOGS]
            names += [ERRORS] if is_worth_telling(record) else []
            names += [UNRESOLVED] if record.get("unresolved") else []
            names += [CHANGES] if record.get("state_change") else []
        return names

    def _path(self, name: str) -> Path:
        folder = self._folders[SYSTEM] if name == SYSTEM or self._bot_folder is None else self._bot_folder
        return folder / f"{name}.log"

    def _file(self, name: str) -> RotatingLines:
        if name not in self._files:
            self._files[name] = RotatingLines(self._path(name), daily=self._clock if name == CHANGES else None)
        return self._files[name]


def redact(_logger: object, _method: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank every value whose name speaks of a secret, at any depth and in the text of an exception."""
    for name, value in record.items():
        secret = any(word in name.lower() for word in _SECRET_WORDS)
        record[name] = REDACTED if secret else _searched(value)
    if isinstance(record.get("exception"), str):
        record["exception"] = _NAMED_SECRET.sub(rf"\1{REDACTED}", record["exception"])
    return record


def _searched(value: Any) -> Any:
    if isinstance(value, dict):
        return redact(None, "", dict(value))
    if isinstance(value, list | tuple):
        return [_searched(one) for one in value]
    return value


def set_up(write: Callable[[Record], None], clock: Clock, source: str) -> None:
    """Configure structlog in this process: redacted records with time, level and source go to `write`."""

    def stamp(_logger: object, _method: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {"at": to_rfc3339(clock.now()), **record, "source": source}

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            stamp,
            structlog.processors.format_exc_info,
            redact,
            lambda _logger, _method, record: ((record,), {}),
        ],
        logger_factory=lambda *_names: _Sink(write),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.basicConfig(handlers=[_StandardLibrary()], level=logging.INFO, force=True)


class _StandardLibrary(logging.Handler):
    """Records of the standard library's loggers go the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        logger.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


class _Sink:
    """The end of the chain: hands the finished record over."""

    def __init__(self, write: Callable[[Record], None]) -> None:
        self.msg = write

    def __getattr__(self, _level: str) -> Callable[[Record], None]:
        return self.msg
