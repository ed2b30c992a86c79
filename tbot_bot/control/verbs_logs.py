"""Verbs of the logs: which there are, their lines, and the errors since the start. Opening a log is audited."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

from tbot_bot.api.errors import ApiError
from tbot_bot.api.logs import AskLog, ErrorEntries, ErrorEntry, LogName, LogNames, LogPage
from tbot_bot.api.model import Message
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.domain.audit import AuditPhase, AuditResult
from tbot_bot.monitoring.log_book import LogBook
from tbot_bot.monitoring.log_reader import read_log

#: A person's opening of a log is one record; paging through it within this time is not another.
LOG_READ_NOTED_FOR = timedelta(minutes=10)
#: Name for people, and what the log holds.
LOGS = {
    "system": ("System", "everything that every process says, in the order of its arrival"),
    "open": ("Strategy open", "decisions, orders, fills and trades of the opening range breakout"),
    "mid": ("Strategy mid", "decisions, orders, fills and trades of the return to the session's average"),
    "close": ("Strategy close", "decisions, orders, fills and trades of the session's last hours"),
    "error_tracebacks": (
        "Error tracebacks",
        "each error, whole when it first comes, and how often it came since",
    ),
    "state_changes": (
        "State changes",
        "each change of state, severity, kill switch, pause and defense mode that the status showed, for nine days",
    ),
    "unresolved_orders": ("Unresolved orders", "orders of which it is not known what became of them"),
}


class LogVerbs:
    """The handlers."""

    def __init__(self, foundation: Foundation, log_book: LogBook) -> None:
        self._foundation = foundation
        self._log_book = log_book
        self._reads: dict[tuple[str, str], datetime] = {}

    def handlers(self) -> dict[str, Handler]:
        """The verbs answered here."""
        return {"logs.names": self._names, "logs.read": self._read, "logs.errors": self._errors}

    def _names(self, _caller: Caller, _nothing: Message) -> LogNames:
        return LogNames(
            items=[
                LogName(
                    name=name,
                    title=LOGS[name][0],
                    holds=LOGS[name][1],
                    size_bytes=path.stat().st_size if path.exists() else 0,
                )
                for name, path in self._log_book.paths().items()
            ]
        )

    def _read(self, caller: Caller, asked: AskLog) -> LogPage:
        path = self._log_book.paths().get(asked.name)
        if path is None:
            raise ApiError.of(404, "no_such_log", "There is no such log", asked.name, "Choose one from the list.")
        if asked.after is None:  # following the end of a log that was opened is not opening it again
            self._note(caller, asked.name)
        return read_log(path, asked)

    def _errors(self, caller: Caller, _nothing: Message) -> ErrorEntries:
        self._note(caller, "error_tracebacks")
        return ErrorEntries(items=[ErrorEntry(**asdict(one)) for one in self._log_book.errors()])

    def _note(self, caller: Caller, name: str) -> None:
        now, key = self._foundation.clock.now(), (caller.actor, name)
        self._reads = {known: at for known, at in self._reads.items() if now - at < LOG_READ_NOTED_FOR}
        if key in self._reads:
            return
        self._reads[key] = now
        self._foundation.audit.record(
            verb="logs.open",
            phase=AuditPhase.EVENT,
            actor=caller.actor,
            role=caller.verdict.role or "",
            address=caller.address,
            target=name,
            result=AuditResult.OK,
            generation=self._foundation.generation,
        )
