"""The runner's own record: lifecycle, one-use requests, set-up steps, the exchange calendar and single facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Engine, text

from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.market import Session
from tbot_bot.domain.time import from_micros, to_micros
from tbot_bot.storage.engine import migrate, reading


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
    """Durable: each method that writes is one transaction, synced before it returns."""

    def __init__(self, engine: Engine) -> None:
        migrate(engine, "control")
        self._engine = engine
        self._reader = reading(engine)

    # lifecycle
    def lifecycle(self) -> LifecycleRecord | None:
        """Return the newest record, None on an empty home."""
        records = self.lifecycle_history(1)
        return records[0] if records else None

    def lifecycle_history(self, limit: int) -> Sequence[LifecycleRecord]:
        """Return the newest `limit` records, newest first."""
        query = text("SELECT state, reason, actor, at_us FROM lifecycle ORDER BY seq DESC LIMIT :limit")
        with self._reader.connect() as connection:
            rows = connection.execute(query, {"limit": limit}).all()
        return [LifecycleRecord(State(row.state), row.reason, row.actor, from_micros(row.at_us)) for row in rows]

    def append_lifecycle(self, record: LifecycleRecord) -> None:
        """Add a record; it is the state from now on."""
        query = text("INSERT INTO lifecycle (state, reason, actor, at_us) VALUES (:state, :reason, :actor, :at)")
        values = {"state": record.state, "reason": record.reason, "actor": record.actor, "at": to_micros(record.at)}
        with self._engine.begin() as connection:
            connection.execute(query, values)

    # one-use requests
    def issue_request(self, request_id: str, verb: str, actor: str, now: datetime, expires: datetime) -> None:
        """Remember that `actor` may do `verb` once until `expires`."""
        query = text(
            "INSERT INTO request (request_id, verb, actor, issued_us, expires_us)"
            " VALUES (:id, :verb, :actor, :now, :end)"
        )
        values = {"id": request_id, "verb": verb, "actor": actor, "now": to_micros(now), "end": to_micros(expires)}
        with self._engine.begin() as connection:
            connection.execute(query, values)

    def use_request(self, request_id: str, verb: str, now: datetime) -> str | None:
        """Use up a live request and return its actor; None when it is unknown, expired, used or for another verb."""
        query = text(
            "UPDATE request SET used_us = :now WHERE request_id = :id AND verb = :verb AND used_us IS NULL"
            " AND expires_us >= :now RETURNING actor"
        )
        with self._engine.begin() as connection:
            row = connection.execute(query, {"id": request_id, "verb": verb, "now": to_micros(now)}).first()
        return None if row is None else str(row.actor)

    # set-up steps
    def steps(self) -> Sequence[StepRecord]:
        """Return the steps in their order."""
        query = text("SELECT name, title, status, detail, started_us, ended_us FROM step ORDER BY position")
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
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
        with self._engine.begin() as connection:
            for position, (name, title) in enumerate(steps):
                connection.execute(query, {"name": name, "position": position, "title": title})

    def mark_step(self, name: str, status: str, detail: str, now: datetime) -> None:
        """Record where a step stands; `running` starts its time, anything else ends it."""
        query = text(
            "UPDATE step SET status = :status, detail = :detail,"
            " started_us = CASE WHEN :status = 'running' THEN :now ELSE started_us END,"
            " ended_us = CASE WHEN :status = 'running' THEN NULL ELSE :now END WHERE name = :name"
        )
        with self._engine.begin() as connection:
            connection.execute(query, {"status": status, "detail": detail, "now": to_micros(now), "name": name})

    # the exchange calendar
    def calendar(self) -> Sequence[Session]:
        """Return every known session, oldest first."""
        with self._reader.connect() as connection:
            rows = connection.execute(text("SELECT day, open_us, close_us FROM calendar_session ORDER BY day")).all()
        return [
            Session(date.fromisoformat(row.day), from_micros(row.open_us), from_micros(row.close_us)) for row in rows
        ]

    def replace_calendar(self, sessions: Sequence[Session]) -> None:
        """Keep exactly these sessions."""
        rows = [
            {"day": one.day.isoformat(), "open": to_micros(one.open_at), "close": to_micros(one.close_at)}
            for one in sessions
        ]
        with self._engine.begin() as connection:
            connection.execute(text("DELETE FROM calendar_session"))
            connection.execute(text("INSERT INTO calendar_session VALUES (:day, :open, :close)"), rows)

    # facts
    def fact(self, name: str) -> str | None:
        """Return the value of a fact, None when it is not set."""
        query = text("SELECT value FROM fact WHERE name = :name")
        with self._reader.connect() as connection:
            row = connection.execute(query, {"name": name}).first()
        return None if row is None else str(row.value)

    def set_fact(self, name: str, value: str | None) -> None:
        """Set a fact; None forgets it."""
        query = (
            text("DELETE FROM fact WHERE name = :name")
            if value is None
            else text("INSERT INTO fact VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
        )
        with self._engine.begin() as connection:
            connection.execute(query, {"name": name, "value": value})


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
