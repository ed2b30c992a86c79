"""The audit chain in its SQLite file. A write is on the disk when its method returns (synchronous=FULL)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from tbot_bot.domain.audit import (
    KEY_VERBS,
    NO_HASH,
    Addition,
    AuditFilter,
    AuditRow,
    AuditUnavailableError,
    Checkpoint,
    Head,
)
from tbot_bot.domain.time import from_micros, to_micros
from tbot_bot.storage.database_file import DatabaseFile
from tbot_bot.storage.engine import reading

SUBJECT = "Audit trail"
_ROWS = "SELECT seq, CAST(body AS BLOB) AS body, hash, seal FROM entry "
_CHECKPOINTS = "SELECT seq, hash, at_us, previous, key_id, signature FROM checkpoint "
_LAST_ROW = text(_ROWS + "ORDER BY seq DESC LIMIT 1")
_LAST_CHECKPOINT = text(_CHECKPOINTS + "ORDER BY seq DESC LIMIT 1")
_KEY_ROWS = text(_ROWS + "WHERE verb IN (:genesis, :key) ORDER BY seq")
_LAST_KEY_ROW = text(_ROWS + "WHERE verb IN (:genesis, :key) ORDER BY seq DESC LIMIT 1")
_KEY_PARAMETERS = dict(zip(("genesis", "key"), KEY_VERBS, strict=True))
_ROWS_AFTER = text(_ROWS + "WHERE seq > :after ORDER BY seq LIMIT :limit")
_OTHERS = text("PRAGMA data_version")
_CHECKPOINTS_AFTER = text(_CHECKPOINTS + "WHERE seq > :after ORDER BY seq")
_ADD_ROW = text("INSERT INTO entry (seq, body, hash, seal) VALUES (:seq, :body, :hash, :seal)")
_ADD_CHECKPOINT = text(
    "INSERT INTO checkpoint (seq, hash, at_us, previous, key_id, signature) "
    "VALUES (:seq, :hash, :at_us, :previous, :key_id, :signature)"
)
#: The one condition that each field of a filter stands for.
_CONDITIONS = {
    "actor": "actor = :actor",
    "verb": "verb = :verb",
    "phase": "phase = :phase",
    "result": "result = :result",
    "request_id": "request_id = :request_id",
    # what is computed from a body is costly to look at in each row, so an index is gone through first
    "target": "seq IN (SELECT seq FROM entry WHERE instr(lower(target), lower(:target)) > 0)",
    "since": "at_us >= :since",
    "until": "at_us < :until AND seq <= (SELECT max(seq) FROM entry WHERE at_us < :until)",
    "before": "seq < :before",
}


class SqliteAuditStore:
    """Implements `domain.audit.AuditStore` on the database that `migrate(engine, "audit")` made."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._file: DatabaseFile | None = None
        # One connection writes, so that its `data_version` moves only when someone else wrote. SQLite counts so.
        self._writer: Connection | None = None
        self._others: int | None = None
        self._written_by_others = False

    def inspect(self) -> None:
        """See that the schema is right and the file the one of the first look; raises TamperedError.

        The entries are `audit.verification`'s.
        """
        if self._file is None:
            self._file = DatabaseFile(self._engine, "audit", SUBJECT)
        with _available(), self._file.read():
            pass

    def close(self) -> None:
        """Let go of the file; another use opens it again."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._engine.dispose()

    def written_by_others(self) -> bool:
        """Whether any other connection has written to the file since this was last asked."""
        with _available(), self._writing():
            found, self._written_by_others = self._written_by_others, False
        return found

    def append(self, build: Callable[[Head], Addition]) -> Addition:
        with _available(), self._writing() as connection:
            addition = build(_head(connection))
            for row in addition.rows:
                connection.execute(_ADD_ROW, {**asdict(row), "body": row.body.decode()})
            if addition.checkpoint is not None:
                connection.execute(_ADD_CHECKPOINT, _checkpoint_values(addition.checkpoint))
        return addition

    def head(self) -> Head:
        with self._snapshot() as connection:
            return _head(connection)

    def rows(self, after: int, limit: int) -> Sequence[AuditRow]:
        with self._snapshot() as connection:
            return [AuditRow(*row) for row in connection.execute(_ROWS_AFTER, {"after": after, "limit": limit})]

    def checkpoints(self, after: int) -> Sequence[Checkpoint]:
        with self._snapshot() as connection:
            return [_checkpoint(row) for row in connection.execute(_CHECKPOINTS_AFTER, {"after": after})]

    def key_rows(self) -> Sequence[AuditRow]:
        with self._snapshot() as connection:
            return [AuditRow(*row) for row in connection.execute(_KEY_ROWS, _KEY_PARAMETERS)]

    def newest(self, where: AuditFilter, before: int | None, limit: int) -> Sequence[AuditRow]:
        values: dict[str, Any] = {
            "actor": where.actor,
            "verb": where.verb,
            "phase": where.phase,
            "result": where.result,
            "request_id": where.request_id,
            "target": where.target,
            "since": None if where.since is None else to_micros(where.since),
            "until": None if where.until is None else to_micros(where.until),
            "before": before,
        }
        given = {name: value for name, value in values.items() if value is not None}
        conditions = " AND ".join(_CONDITIONS[name] for name in given) or "1"
        statement = text(f"{_ROWS} WHERE {conditions} ORDER BY seq DESC LIMIT :limit")
        with self._snapshot() as connection:
            return [AuditRow(*row) for row in connection.execute(statement, {**given, "limit": limit})]

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self._writer is None:
            self._writer = self._engine.connect()
        with self._writer.begin():
            others = self._writer.execute(_OTHERS).scalar_one()
            self._written_by_others |= self._others not in (None, others)
            self._others = others
            yield self._writer

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        with _available(), self._reader.connect() as connection:
            yield connection


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise AuditUnavailableError(str(error.__cause__ or error)) from error


def _head(connection: Connection) -> Head:
    row = connection.execute(_LAST_ROW).one_or_none()
    checkpoint = connection.execute(_LAST_CHECKPOINT).one_or_none()
    key_row = connection.execute(_LAST_KEY_ROW, _KEY_PARAMETERS).one_or_none()
    return Head(
        seq=row.seq if row else 0,
        hash=row.hash if row else NO_HASH,
        checkpoint=_checkpoint(checkpoint) if checkpoint else None,
        key_row=AuditRow(*key_row) if key_row else None,
    )


def _checkpoint(row: Any) -> Checkpoint:
    return Checkpoint(row.seq, row.hash, from_micros(row.at_us), row.previous, row.key_id, row.signature)


def _checkpoint_values(checkpoint: Checkpoint) -> dict[str, object]:
    return {
        "seq": checkpoint.seq,
        "hash": checkpoint.hash,
        "at_us": to_micros(checkpoint.at),
        "previous": checkpoint.previous,
        "key_id": checkpoint.key_id,
        "signature": checkpoint.signature,
    }
