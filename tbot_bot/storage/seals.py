"""Databases whose rows carry a keyed digest, and one seal over all of them, so that only the runner can write them.

A row's digest covers what the row means: a changed one is found when it is used. The seal counts the changes and covers
the digests of all rows: one that was added, removed or put back is found at the next write and at each check. An older
copy of the whole file is sealed rightly; its count gives it away to whoever remembers a newer one.

    row  = HMAC-SHA256(key, "tbot-row-v1"  || 0 || database || 0 || table || 0 || canonical JSON of the values)
    seal = HMAC-SHA256(key, "tbot-seal-v1" || 0 || database || 0 || version || 0 || digests of all rows, sorted)
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, text

from tbot_bot.domain.canonical import canonical_json
from tbot_bot.domain.integrity import TamperedError
from tbot_bot.storage.database_file import DatabaseFile
from tbot_bot.storage.engine import reading

_REMEMBERED_MAX = 20_000
_SEAL = text("SELECT version, mac FROM seal")
_WHOLE = text("PRAGMA integrity_check(1)")
_PUT_SEAL = text("UPDATE seal SET version = :version, mac = :mac")


@dataclass(frozen=True, slots=True)
class SealedTable:
    """A table with a column `mac`; the digest covers `columns`, the `key` columns among them find a row."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    table: SealedTable
    values: tuple[Any, ...]
    mac: bytes


class SealedDatabase:
    """Checks and seals the rows of `tables` in one database; `name` and `subject` say which it is."""

    def __init__(self, engine: Engine, key: bytes, name: str, subject: str, tables: Sequence[SealedTable]) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._key = key
        self._name = name
        self._subject = subject
        self._tables = {table.name: table for table in tables}
        self._select = {
            table.name: text(f"SELECT {', '.join(table.columns)}, mac FROM {table.name}")  # noqa: S608 - our own names
            for table in tables
        }
        self._update = {
            table.name: text(
                f"UPDATE {table.name} SET mac = :mac WHERE "  # noqa: S608 - our own names
                + " AND ".join(f"{one} = :{one}" for one in table.key)
            )
            for table in tables
        }
        self._digests: dict[tuple[str, tuple[Any, ...]], bytes] = {}
        self._file = DatabaseFile(engine, name, subject)
        self._version = 0

    @property
    def version(self) -> int:
        """How many changes the newest state has that was seen here; durable."""
        return self._version

    def genuine(self, table: str, row: Any) -> Any:
        """Return the row if its digest is right; raises TamperedError."""
        columns = self._tables[table].columns
        self._require(_Row(self._tables[table], tuple(getattr(row, one) for one in columns), row.mac))
        return row

    def close(self) -> None:
        """Let go of the file; another use opens it again."""
        self._engine.dispose()

    def check(self) -> int:
        """See that every row and the seal are as they were written, and return the version; raises TamperedError."""
        seen = self._version  # before the snapshot is taken: what is written meanwhile is newer, not older
        with self._reader.connect() as connection:
            return self._check(connection, seen)[0]

    @contextmanager
    def inspecting(self) -> Iterator[Connection]:
        """`check` as a new reader of the file would, schema and indexes too; more can be read in the block."""
        seen = self._version
        with self._file.read() as connection:
            self._check(connection, seen)
            found = connection.execute(_WHOLE).scalar_one()
            if found != "ok":
                raise TamperedError(self._subject, f"the file is damaged inside: {found}")
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One durable change: what is there is checked first, what is left is sealed. Raises TamperedError."""
        seen = self._version
        with self._engine.begin() as connection:
            version, before = self._check(connection, seen)
            yield connection
            version = self._seal(connection, version, before)
        self._version = max(self._version, version)

    def advance(self, version: int) -> None:
        """Go on counting after `version`: what was restored is newer than all that went before."""
        with self._engine.begin() as connection:
            present, macs = self._check(connection, 0)
            self._put_seal(connection, max(present, version) + 1, macs)
        self._version = max(present, version) + 1

    def _check(self, connection: Connection, seen: int) -> tuple[int, list[bytes]]:
        rows = self._rows(connection)
        for row in rows:
            self._require(row)
        seal = connection.execute(_SEAL).one_or_none()
        if seal is None:
            raise TamperedError(self._subject, "its seal is missing")
        macs = sorted(row.mac for row in rows)
        untouched = not (seal.version or seal.mac or rows)  # as the schema made it
        if not untouched and not hmac.compare_digest(seal.mac, self._whole(seal.version, macs)):
            raise TamperedError(self._subject, "rows were added, removed or put back")
        if seal.version < seen:
            what = f"an older state was put in its place: change {seal.version}, but change {seen} was made"
            raise TamperedError(self._subject, what)
        self._version = max(self._version, seal.version)
        return seal.version, macs

    def _seal(self, connection: Connection, version: int, before: list[bytes]) -> int:
        macs = []
        for row in self._rows(connection):
            mac = self._digest(row)
            if mac != row.mac:
                named = dict(zip(row.table.columns, row.values, strict=True))
                values = {one: named[one] for one in row.table.key}
                connection.execute(self._update[row.table.name], {**values, "mac": mac})
            macs.append(mac)
        macs.sort()
        if macs == before:
            return version
        self._put_seal(connection, version + 1, macs)
        return version + 1

    def _put_seal(self, connection: Connection, version: int, macs: list[bytes]) -> None:
        connection.execute(_PUT_SEAL, {"version": version, "mac": self._whole(version, macs)})

    def _rows(self, connection: Connection) -> list[_Row]:
        return [
            _Row(table, tuple(row[:-1]), row[-1])
            for table in self._tables.values()
            for row in connection.execute(self._select[table.name])
        ]

    def _require(self, row: _Row) -> None:
        if not hmac.compare_digest(row.mac, self._digest(row)):
            name = row.values[row.table.columns.index(row.table.key[0])]
            raise TamperedError(self._subject, f"the row {name} of {row.table.name} is not what was written there")

    def _digest(self, row: _Row) -> bytes:
        known = self._digests.get((row.table.name, row.values))
        if known is not None:
            return known
        start = b"\0".join((b"tbot-row-v1", self._name.encode(), row.table.name.encode(), b""))
        digest = hmac.digest(self._key, start + canonical_json(row.values), "sha256")
        if len(self._digests) >= _REMEMBERED_MAX:
            self._digests.clear()
        self._digests[row.table.name, row.values] = digest
        return digest

    def _whole(self, version: int, macs: list[bytes]) -> bytes:
        start = b"\0".join((b"tbot-seal-v1", self._name.encode(), str(version).encode(), b""))
        return hmac.digest(self._key, start + b"".join(macs), "sha256")
