"""The venue's own durable books: one SQLite file, one writer, every commit flushed to the disk.

JournalError   the books belong to another configuration, or cannot be read
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tbot_bot.brokers.sim.wire import WireError, decode, encode
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Execution, Order, Side
from tbot_bot.domain.time import from_micros, to_micros
from tbot_bot.venue.account import cash_effect
from tbot_bot.venue.faults import Faults, FaultState, Scenario
from tbot_bot.venue.records import EXECUTIONS_PER_CALL, Changes, OrderRecord, Snapshot

FORMAT = 1
_SCHEMA = """
CREATE TABLE market (
    one INTEGER PRIMARY KEY CHECK (one = 1), account_id TEXT NOT NULL, configuration TEXT NOT NULL,
    starting_cash INTEGER NOT NULL, now INTEGER, running INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE orders (
    number INTEGER PRIMARY KEY, client_order_id TEXT NOT NULL UNIQUE, is_final INTEGER NOT NULL, record TEXT NOT NULL
) STRICT;
CREATE INDEX open_orders ON orders (number) WHERE is_final = 0;
CREATE TABLE executions (
    sequence INTEGER PRIMARY KEY, execution_id TEXT NOT NULL UNIQUE, client_order_id TEXT NOT NULL,
    symbol TEXT NOT NULL, side TEXT NOT NULL, quantity INTEGER NOT NULL, price INTEGER NOT NULL, fee INTEGER NOT NULL,
    at INTEGER NOT NULL, cash_effect INTEGER NOT NULL
) STRICT;
"""
#: Written by scenarios of faults only.
_FAULTS = """
CREATE TABLE IF NOT EXISTS busts (execution_id TEXT PRIMARY KEY, busts TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS faults (
    one INTEGER PRIMARY KEY CHECK (one = 1), scenario TEXT NOT NULL, state TEXT
) STRICT;
"""
_SAVE_ORDER = """
INSERT INTO orders VALUES (?, ?, ?, ?)
ON CONFLICT (number) DO UPDATE SET is_final = excluded.is_final, record = excluded.record
"""


class JournalError(Exception):
    """The journal cannot be used as it is; the message says why and what to do."""


class Journal:
    """Every order and fill, the clock, and nothing that can be computed from them."""

    def __init__(self, path: Path, configuration: Mapping[str, str | int | None], starting_cash: Money) -> None:
        """Open the journal at `path`, or begin it; `configuration` must be the one that it began with."""
        self._path = path
        path.touch(mode=0o600)
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._prepare(dict(configuration), starting_cash)
        except sqlite3.DatabaseError as error:
            raise self._unreadable(error) from error

    @property
    def running(self) -> bool:
        """Whether the market's clock was ever started."""
        return bool(self._database.execute("SELECT running FROM market").fetchone()[0])

    def start(self) -> None:
        """Remember that the clock runs."""
        with self._transaction():
            self._database.execute("UPDATE market SET running = 1")

    def faults(self, scenario: Scenario) -> Faults:
        """Go on with a scenario where it stood at the last commit; another than the one before begins."""
        written = json.dumps(encode(scenario))
        row = self._database.execute("SELECT state FROM faults WHERE scenario = ?", (written,)).fetchone()
        if row is None:
            with self._transaction():
                self._database.execute("INSERT OR REPLACE INTO faults VALUES (1, ?, NULL)", (written,))
        state = None if row is None or row[0] is None else decode(FaultState, json.loads(row[0]))
        return Faults(scenario, state)

    def snapshot(self) -> Snapshot:
        """Return where the market stood at the last commit; cash and positions are the sum of the fills."""
        try:
            return self._read_snapshot()
        except (sqlite3.DatabaseError, WireError, TypeError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> JournalError:
        return JournalError(
            f"the market's journal {self._path} cannot be read as it was written: {error}. "
            "Put it back from a backup; until then nothing is traded."
        )

    def _read_snapshot(self) -> Snapshot:
        account_id, starting, now = self._database.execute(
            "SELECT account_id, starting_cash, now FROM market"
        ).fetchone()
        (effects, last_sequence) = self._database.execute(
            "SELECT coalesce(sum(cash_effect), 0), coalesce(max(sequence), 0) FROM executions"
        ).fetchone()
        last_number = self._database.execute("SELECT coalesce(max(number), 0) FROM orders").fetchone()[0]
        records = self._database.execute("SELECT record FROM orders WHERE is_final = 0 ORDER BY number")
        moment = None if now is None else from_micros(now)
        return Snapshot(
            account_id=account_id,
            cash=Money(starting + effects),
            now=moment,
            positions=self._sums("CASE side WHEN 'buy' THEN quantity ELSE -quantity END", None),
            open_orders=tuple(decode(OrderRecord, json.loads(record)) for (record,) in records),
            last_order_number=last_number,
            last_sequence=last_sequence,
            taken={} if moment is None else self._sums("quantity", moment.replace(second=0, microsecond=0)),
        )

    def save(self, changes: Changes) -> None:
        with self._transaction():
            self._database.executemany(_SAVE_ORDER, [_order_row(record) for record in changes.orders])
            self._database.executemany(
                "INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_execution_row(execution) for execution in changes.executions],
            )
            self._database.executemany(
                "INSERT INTO busts VALUES (?, ?)",
                [(one.execution_id, one.busts) for one in changes.executions if one.busts is not None],
            )
            self._database.execute("UPDATE market SET now = ?", (to_micros(changes.now),))
            if changes.faults is not None:
                self._database.execute("UPDATE faults SET state = ?", (json.dumps(encode(changes.faults)),))

    def order(self, client_order_id: str) -> Order | None:
        row = self._database.execute(
            "SELECT record FROM orders WHERE client_order_id = ?", (client_order_id,)
        ).fetchone()
        return None if row is None else decode(OrderRecord, json.loads(row[0])).order

    def executions(self, after_sequence: int) -> Sequence[Execution]:
        rows = self._database.execute(
            "SELECT executions.*, busts FROM executions LEFT JOIN busts USING (execution_id) "
            "WHERE sequence > ? ORDER BY sequence LIMIT ?",
            (after_sequence, EXECUTIONS_PER_CALL),
        )
        return [_execution(row) for row in rows]

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _prepare(self, configuration: dict[str, str | int | None], starting_cash: Money) -> None:
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            with self._transaction():
                for statement in _SCHEMA.split(";"):
                    self._database.execute(statement)
                self._database.execute(
                    "INSERT INTO market (one, account_id, configuration, starting_cash) VALUES (1, ?, ?, ?)",
                    (f"SIM-{secrets.token_hex(4)}", json.dumps(configuration), starting_cash.units),
                )
                self._database.execute(f"PRAGMA user_version = {FORMAT}")
        elif version != FORMAT:
            raise JournalError(f"the market's journal {self._path} has format {version}; this version reads {FORMAT}")
        for statement in _FAULTS.split(";"):
            self._database.execute(statement)
        began_with = json.loads(self._database.execute("SELECT configuration FROM market").fetchone()[0])
        for name, value in configuration.items():
            if began_with.get(name) != value:
                raise JournalError(
                    f"the simulated market began with {name} {began_with.get(name)!r} and cannot go on with {value!r}: "
                    "only the speed and a replay's folder may change. Put the old value back, or start a new home."
                )

    def _sums(self, what: str, since: datetime | None) -> dict[str, Quantity]:
        """Sum a column expression of the executions by symbol, leaving out what sums to nothing."""
        start = -(2**63) if since is None else to_micros(since)
        rows = self._database.execute(
            f"SELECT symbol, sum({what}) FROM executions WHERE at >= ? GROUP BY symbol",  # noqa: S608  ours, not input
            (start,),
        )
        return {symbol: Quantity(units) for symbol, units in rows if units}

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _order_row(record: OrderRecord) -> tuple[int, str, int, str]:
    order = record.order
    return (record.number, order.client_order_id, int(order.status.is_final), json.dumps(encode(record)))


def _execution_row(execution: Execution) -> tuple[int | str, ...]:
    return (
        execution.sequence,
        execution.execution_id,
        execution.client_order_id,
        execution.symbol,
        execution.side.value,
        execution.quantity.units,
        execution.price.units,
        execution.fee.units,
        to_micros(execution.at),
        cash_effect(execution).units,
    )


def _execution(row: Sequence[Any]) -> Execution:
    sequence, execution_id, client_order_id, symbol, side, quantity, price, fee, at, _effect, busts = row
    return Execution(
        execution_id=str(execution_id),
        sequence=int(sequence),
        client_order_id=str(client_order_id),
        symbol=str(symbol),
        side=Side(str(side)),
        quantity=Quantity(int(quantity)),
        price=Price(int(price)),
        fee=Money(int(fee)),
        at=from_micros(int(at)),
        busts=busts,
    )
