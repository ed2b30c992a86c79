"""Databases: how a SQLite file is opened, and how its schema is brought up to date."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

MIGRATIONS = Path(__file__).with_name("migrations")
#: What SQLite says of a file that is not what it was; any other code is about the disk, the lock or the rights.
_DAMAGE_CODES = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,  # a table or a column is gone
        sqlite3.SQLITE_SCHEMA,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
    }
)


def open_sqlite(path: Path, *, pooled: bool = True) -> Engine:
    """Open a SQLite file for one writing process: WAL, full sync, foreign keys, BEGIN IMMEDIATE for each write.

    `engine.begin()` takes the write lock at once; `engine.connect()` reads and must not write. Without `pooled` each
    connection is a new one.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pool = QueuePool if pooled else NullPool
    engine = create_engine(f"sqlite:///{path}", poolclass=pool, connect_args={"timeout": 10.0}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are ours, not the driver's
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql("BEGIN" if options.get("read_only") else "BEGIN IMMEDIATE")

    if not path.exists():
        path.touch(mode=0o600)
    return engine


def open_copy(path: Path) -> Engine:
    """Open a SQLite file that nobody writes, for reading only; nothing is locked or made beside it."""
    return _open_for_reading(path, "mode=ro&immutable=1")


def open_beside(path: Path) -> Engine:
    """Open a SQLite file that another process writes, for reading only."""
    return _open_for_reading(path, "mode=ro")


def _open_for_reading(path: Path, how: str) -> Engine:
    engine = create_engine(
        f"sqlite:///{path.absolute().as_uri()}?{how}&uri=true", poolclass=NullPool, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are ours, not the driver's

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def reading(engine: Engine) -> Engine:
    """The same database for reads: a snapshot that never waits for, nor blocks, the writer."""
    return engine.execution_options(read_only=True)


def migrate(engine: Engine, name: str) -> None:
    """Bring the schema of the database called `name` (a folder under migrations/) to the newest version."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS / name).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_damage(error: SQLAlchemyError) -> bool:
    """Whether the database's content is to blame, rather than a disk that is full, fails or may not be used."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGE_CODES
