"""The runner's own record: lifecycle, one-use requests, set-up steps, exchange calendar, single facts, the outbox.

Sealed against other hands: whatever reads or changes a row that is not what was written raises
`domain.integrity.TamperedError`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from tbot_bot.domain.canonical import canonical_json
from tbot_bot.domain.integrity import TamperedError
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.market import Session
from tbot_bot.domain.time import from_micros, to_micros
from tbot_bot.storage.engine import migrate, reading
from tbot_bot.storage.outbox import NOTICE_TABLES, Outbox
from tbot_bot.storage.seals import SealedDatabase, SealedTable

SUBJECT = "Control record"
#: As much of the state's history is kept here; the audit trail has all of it.
HISTORY_KEPT = 200
#: A request that expired this long ago is forgotten.
REQUESTS_KEPT = timedelta(hours=1)
_TABLES = (
    SealedTable("lifecycle", ("seq",), ("seq", "state", "reason", "actor", "at_us")),
    SealedTable("request", ("request_id",), ("request_id", "verb", "actor", "issued_us", "expires_us", "used_us")),
    SealedTable("step", ("name",), ("name", "position", "title", "status", "detail", "started_us", "ended_us")),
    SealedTable("fact", ("name",), ("name", "value")),
    *NOTICE_TABLES,
)
#: The fact that holds the hash of the exchange calendar, whose thousands of rows are sealed by it.
_CALENDAR = "calendar_sha256"
_PUT_FACT = text(
    "INSERT INTO fact (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_FORGET_FACT = text("DELETE FROM fact WHERE name = :name")
_SESSIONS = text("SELECT day, open_us, close_us FROM calendar_session ORDER BY day")


@dataclass(frozen=True, slots=True)
class LifecycleRecord:
    """One entry of the state's history."""

    state: State
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of the set-up; `status` is waiting, running, done or failed."""

    name: str
    title: str
    status: str
    detail: str
    started_at: datetime | None
    ended_at: datetime | None


class ControlStore:
    """Durable: each method that writes is one transaction, synced before it returns.

    One store has the record: facts are read once, and from then on told from memory.
    """

    def __init__(self, engine: Engine, key: bytes) -> None:
        """`key` seals the rows."""
        migrate(engine, "control")
        self._reader = reading(engine)
        self.seal = SealedDatabase(engine, key, "control", SUBJECT, _TABLES)
        self.outbox = Outbox(self.seal, self._reader)
        self._lock = threading.Lock()
        self.inspect()
        with self._reader.connect() as connection:
            rows = connection.execute(text("SELECT * FROM fact")).all()
        self._facts = {row.name: str(self.seal.genuine("fact", row).value) for row in rows}

    def inspect(self) -> None:
        """See that everything in the file is as it was written; raises TamperedError."""
        with self.seal.inspecting() as connection:
            _require_calendar(connection)

    # lifecycle
    def lifecycle(self) -> LifecycleRecord | None:
        """Return the newest record, None on an empty home."""
        records = self.lifecycle_history(1)
        return records[0] if records else None

    def lifecycle_history(self, limit: int) -> Sequence[LifecycleRecord]:
        """Return the newest `limit` records, newest first."""
        query = text("SELECT * FROM lifecycle ORDER BY seq DESC LIMIT :limit")
        with self._reader.connect() as connection:
            rows = connection.execute(query, {"limit": limit}).all()
        for row in rows:
            self.seal.genuine("lifecycle", row)
        return [LifecycleRecord(State(row.state), row.reason, row.actor, from_micros(row.at_us)) for row in rows]

    def append_lifecycle(self, record: LifecycleRecord) -> None:
        """Add a record; it is the state from now on."""
        query = text("INSERT INTO lifecycle (state, reason, actor, at_us) VALUES (:state, :reason, :actor, :at)")
        values = {"state": record.state, "reason": record.reason, "actor": record.actor, "at": to_micros(record.at)}
        old = text("DELETE FROM lifecycle WHERE seq <= (SELECT max(seq) FROM lifecycle) - :kept")
        with self.seal.writing() as connection:
            connection.execute(query, values)
            connection.execute(old, {"kept": HISTORY_KEPT})

    # one-use requests
    def issue_request(self, request_id: str, verb: str, actor: str, now: datetime, expires: datetime) -> None:
        """Remember that `actor` may do `verb` once until `expires`."""
        query = text(
            "INSERT INTO request (request_id, verb, actor, issued_us, expires_us)"
            " VALUES (:id, :verb, :actor, :now, :end)"
        )
        values = {"id": request_id, "verb": verb, "actor": actor, "now": to_micros(now), "end": to_micros(expires)}
        with self.seal.writing() as connection:
            connection.execute(
                text("DELETE FROM request WHERE expires_us < :old"), {"old": to_micros(now - REQUESTS_KEPT)}
            )
            connection.execute(query, values)

    def use_request(self, request_id: str, verb: str, now: datetime) -> str | None:
        """Use up a live request and return its actor; None when it is unknown, expired, used or for another verb."""
        query = text(
            "UPDATE request SET used_us = :now WHERE request_id = :id AND verb = :verb AND used_us IS NULL"
            " AND expires_us >= :now RETURNING actor"
        )
        with self.seal.writing() as connection:
            row = connection.execute(query, {"id": request_id, "verb": verb, "now": to_micros(now)}).first()
        return None if row is None else str(row.actor)

    # set-up steps
    def steps(self) -> Sequence[StepRecord]:
        """Return the steps in their order."""
        with self._reader.connect() as connection:
            rows = connection.execute(text("SELECT * FROM step ORDER BY position")).all()
        for row in rows:
            self.seal.genuine("step", row)
        return [
            StepRecord(row.name, row.title, row.status, row.detail, _moment(row.started_us), _moment(row.ended_us))
            for row in rows
        ]

    def plan_steps(self, steps: Sequence[tuple[str, str]]) -> None:
        """Write down the steps (name, title) as waiting; a step already there keeps what it has."""
        query = text(
            "INSERT INTO step (name, position, title, status, detail) VALUES (:name, :position, :title, 'waiting', '')"
            " ON CONFLICT (name) DO NOTHING"
        )
        with self.seal.writing() as connection:
            for position, (name, title) in enumerate(steps):
                connection.execute(query, {"name": name, "position": position, "title": title})

    def mark_step(self, name: str, status: str, detail: str, now: datetime) -> None:
        """Record where a step stands; `running` starts its time, anything else ends it."""
        query = text(
            "UPDATE step SET status = :status, detail = :detail,"
            " started_us = CASE WHEN :status = 'running' THEN :now ELSE started_us END,"
            " ended_us = CASE WHEN :status = 'running' THEN NULL ELSE :now END WHERE name = :name"
        )
        with self.seal.writing() as connection:
            connection.execute(query, {"status": status, "detail": detail, "now": to_micros(now), "name": name})

    # the exchange calendar
    def calendar(self) -> Sequence[Session]:
        """Return every known session, oldest first."""
        with self._reader.connect() as connection:
            rows = _require_calendar(connection)
        return [
            Session(date.fromisoformat(row.day), from_micros(row.open_us), from_micros(row.close_us)) for row in rows
        ]

    def replace_calendar(self, sessions: Sequence[Session]) -> None:
        """Keep exactly these sessions."""
        rows = [
            {"day": one.day.isoformat(), "open": to_micros(one.open_at), "close": to_micros(one.close_at)}
            for one in sessions
        ]
        with self.seal.writing() as connection:
            connection.execute(text("DELETE FROM calendar_session"))
            connection.execute(text("INSERT INTO calendar_session VALUES (:day, :open, :close)"), rows)
            connection.execute(_PUT_FACT, {"name": _CALENDAR, "value": _hash_of(connection.execute(_SESSIONS).all())})

    # facts
    def fact(self, name: str) -> str | None:
        """Return the value of a fact, None when it is not set."""
        return self._facts.get(name)

    def set_fact(self, name: str, value: str | None) -> None:
        """Set a fact; None forgets it."""
        with self._lock:
            with self.seal.writing() as connection:
                connection.execute(_FORGET_FACT if value is None else _PUT_FACT, {"name": name, "value": value})
            if value is None:
                self._facts.pop(name, None)
            else:
                self._facts[name] = value


def _require_calendar(connection: Connection) -> Sequence[Any]:
    """The rows of the exchange calendar; raises TamperedError if they are not those that were put there."""
    rows = connection.execute(_SESSIONS).all()
    kept = connection.execute(
        text("SELECT value FROM fact WHERE name = :name"), {"name": _CALENDAR}
    ).scalar_one_or_none()
    if kept != (_hash_of(rows) if rows else None):
        raise TamperedError(SUBJECT, "the exchange calendar is not the one that was built")
    return rows


def _hash_of(rows: Sequence[Any]) -> str:
    return hashlib.sha256(canonical_json([list(row) for row in rows])).hexdigest()


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
