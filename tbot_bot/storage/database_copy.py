"""Copies of SQLite databases that are in use, taken so that no writer ever waits; and what a copy says of itself."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

#: One step of a copy, and the pause after it in which the disk belongs to whoever trades.
PAGES_PER_STEP = 256
PAUSE_S = 0.005
#: What SQLite says when not the file but the disk is at fault.
_DISK = {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_IOERR: errno.EIO}


class DatabaseUnreadableError(Exception):
    """A file that SQLite cannot read as a database; the message says what it found."""


def copy_database(source: Path, target: Path, pause: Callable[[float], object]) -> None:
    """Write one consistent moment of `source` to the new file `target`, which needs no log beside it.

    `pause` waits so many seconds between two steps. Raises DatabaseUnreadableError.
    """
    with opened_read_only(source) as reading, _wrapped(), closing(sqlite3.connect(target, isolation_level=None)) as to:
        # Holding the moment from the first page on, so that a busy writer never makes the copy begin again.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
        reading.backup(to, pages=PAGES_PER_STEP, progress=lambda *_: pause(PAUSE_S))
        to.execute("PRAGMA journal_mode=DELETE")


def fault_of(path: Path) -> str | None:
    """What SQLite finds wrong in a copy that nobody writes; None if it is sound."""
    try:
        with opened_copy(path) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(1)")]
    except DatabaseUnreadableError as error:
        return str(error)
    return None if found == ["ok"] else found[0]


@contextmanager
def opened_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """A database that others may be writing."""
    with _opened(f"{path.absolute().as_uri()}?mode=ro") as connection:
        yield connection


@contextmanager
def opened_copy(path: Path) -> Iterator[sqlite3.Connection]:
    """A database that nobody writes: nothing is locked, and nothing is made beside it."""
    with _opened(f"{path.absolute().as_uri()}?mode=ro&immutable=1") as connection:
        yield connection


@contextmanager
def _opened(address: str) -> Iterator[sqlite3.Connection]:
    with _wrapped(), closing(sqlite3.connect(address, uri=True, timeout=10.0, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


@contextmanager
def _wrapped() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        trouble = _DISK.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        if trouble:
            raise OSError(trouble, os.strerror(trouble)) from error
        raise DatabaseUnreadableError(str(error)) from error
