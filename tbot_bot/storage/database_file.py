"""A database's file as it was opened: still the same file, with the schema that its migrations make."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import StaticPool

from tbot_bot.domain.integrity import TamperedError
from tbot_bot.storage.engine import migrate, open_sqlite, reading

_SCHEMA = text(
    "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1, 2"
)


class DatabaseFile:
    """The file behind `engine`, whose migrations are called `name`; `subject` says what is in it."""

    def __init__(self, engine: Engine, name: str, subject: str) -> None:
        self.path = Path(str(engine.url.database))
        self._name = name
        self._subject = subject
        self._identity = self._identify()
        self._fresh = reading(open_sqlite(self.path, pooled=False))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot through a connection of its own, which remembers no page of the file from before.

        Raises TamperedError when another file stands in this one's place, or its schema is another.
        """
        if self._identify() != self._identity:
            raise TamperedError(self._subject, f"another file was put in the place of {self.path.name}")
        with self._fresh.connect() as connection:
            if [tuple(row) for row in connection.execute(_SCHEMA)] != _expected_schema(self._name):
                raise TamperedError(self._subject, f"the tables, indexes or triggers of {self.path.name} were changed")
            yield connection

    def _identify(self) -> tuple[int, int]:
        try:
            status = self.path.lstat()
        except FileNotFoundError as error:
            raise TamperedError(self._subject, f"the file {self.path.name} is gone") from error
        return status.st_dev, status.st_ino


@cache
def _expected_schema(name: str) -> list[tuple[str, ...]]:
    """What the migrations of that name make."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    migrate(engine, name)
    with engine.connect() as connection:
        schema = [tuple(row) for row in connection.execute(_SCHEMA)]
    engine.dispose()
    return schema
