"""The database that holds ledger and trading records, so that a fill and its postings are one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from tbot_bot.storage.engine import migrate, open_sqlite, reading
from tbot_bot.storage.ledger_store import SqlLedger
from tbot_bot.storage.result_store import SqlResults
from tbot_bot.storage.strategy_store import SqlStrategies
from tbot_bot.storage.trading_store import SqlOrders, SqlTrades
from tbot_bot.storage.unresolved_store import SqlUnresolved


class SqlUnit:
    """Everything in the database, inside one of its transactions."""

    def __init__(self, connection: Connection) -> None:
        self.ledger = SqlLedger(connection)
        self.orders = SqlOrders(connection)
        self.trades = SqlTrades(connection)
        self.results = SqlResults(connection)
        self.strategies = SqlStrategies(connection)
        self.unresolved = SqlUnresolved(connection)


class LedgerDatabase:
    """Ledger and trading records in one file; implements the ports of accounting and trading."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, path: Path) -> LedgerDatabase:
        """Open the file, making it and bringing its schema up to date if need be."""
        engine = open_sqlite(path)
        migrate(engine, "ledger")
        return cls(engine)

    @contextmanager
    def transaction(self) -> Iterator[SqlUnit]:
        """Hold the write lock: everything inside is written together, durably, or not at all."""
        with self.engine.begin() as connection:
            yield SqlUnit(connection)

    @contextmanager
    def snapshot(self) -> Iterator[SqlUnit]:
        """Read one consistent moment without waiting for a writer."""
        with reading(self.engine).connect() as connection:
            yield SqlUnit(connection)

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()
