"""What the files of a home prove: read without the runner, and without changing anything."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tbot_bot.accounting.ledger import Ledger
from tbot_bot.config.paths import Home
from tbot_bot.control.clock import WallClock
from tbot_bot.control.foundation import Foundation
from tbot_bot.domain.ids import BotIdentity
from tbot_bot.domain.money import Money
from tbot_bot.domain.orders import Book
from tbot_bot.storage.ledger_database import LedgerDatabase
from tbot_bot.trading.trade_logger import TradeLogger

IDENTITY = BotIdentity("RIGD", "US", "SIM", "001")


@contextmanager
def rows_of(path: Path) -> Iterator[sqlite3.Connection]:
    """A SQLite file, for reading only, beside whoever writes it."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def ledger_rows(home: Home, query: str) -> list[sqlite3.Row]:
    with rows_of(home.ledger_database(IDENTITY)) as connection:
        return connection.execute(query).fetchall()


def venue_rows(home: Home, query: str) -> list[sqlite3.Row]:
    with rows_of(home.venue / "venue.db") as connection:
        return connection.execute(query).fetchall()


def booked(home: Home) -> dict[str, tuple[Any, ...]]:
    """Every execution in the trading records, by its id."""
    rows = ledger_rows(home, "SELECT execution_id, sequence, symbol, side, quantity, price, fee FROM execution")
    return {row[0]: tuple(row)[1:] for row in rows}


def filled(home: Home) -> dict[str, tuple[Any, ...]]:
    """Every execution in the market's own journal, by its id."""
    query = "SELECT execution_id, sequence, symbol, side, quantity, price, fee FROM executions"
    return {row[0]: tuple(row)[1:] for row in venue_rows(home, query)}


def reconciliations(home: Home) -> list[dict[str, Any]]:
    rows = ledger_rows(home, "SELECT session_day, started_by, is_clean, document FROM session_reconciliation")
    return [dict(row) | {"document": json.loads(row["document"])} for row in rows]


def states(home: Home) -> list[tuple[str, str]]:
    """The history of (state, reason), oldest first."""
    with rows_of(home.control_database) as connection:
        return [tuple(row) for row in connection.execute("SELECT state, reason FROM lifecycle ORDER BY seq")]


def audited(home: Home, verb: str) -> list[dict[str, Any]]:
    """The audit records of a verb, oldest first."""
    with rows_of(home.audit_database) as connection:
        bodies = [json.loads(row[0]) for row in connection.execute("SELECT body FROM entry ORDER BY seq")]
    return [body for body in bodies if body["verb"] == verb]


def logged(home: Home, event: str) -> list[dict[str, Any]]:
    """The records of the system log whose event contains a text."""
    lines = (home.system_logs / "system.log").read_text().splitlines()
    return [record for line in lines if event in (record := json.loads(line)).get("event", "")]


def assert_every_fill_is_booked_once(home: Home) -> None:
    """The market's journal and our books name the same executions, each posted by one event of its own."""
    assert booked(home) == filled(home)
    keys = ledger_rows(home, "SELECT external_id FROM event WHERE kind = 'fill'")
    posted = Counter(row[0] for row in keys)
    assert set(posted) == set(filled(home))
    assert set(posted.values()) <= {1}


def assert_books_are_sound(home: Home) -> None:
    """For a home without a runner: chain, balances, results, positions and cash agree among books and market."""
    database = LedgerDatabase.open(home.ledger_database(IDENTITY))
    try:
        ledger, trades = Ledger(database, WallClock()), TradeLogger(database)
        assert ledger.verify_chain().is_intact
        assert ledger.trial_balance().balanced
        assert ledger.recompute() == ()
        assert trades.verify_results() == ()
        assert ledger.ledger_positions() == trades.book_positions()
        held = {symbol: quantity.units for (_, symbol), quantity in trades.book_positions().items()}
        assert {book for book, _ in trades.book_positions()} <= {Book.STRATEGY}
        cash = ledger.ledger_cash()
    finally:
        database.close()
    assert_every_fill_is_booked_once(home)
    sums = venue_rows(
        home,
        "SELECT symbol, sum(CASE side WHEN 'buy' THEN quantity ELSE -quantity END) FROM executions GROUP BY 1",
    )
    assert held == {symbol: units for symbol, units in sums if units}
    at_venue = venue_rows(
        home, "SELECT starting_cash + (SELECT coalesce(sum(cash_effect), 0) FROM executions) FROM market"
    )
    assert cash == Money(at_venue[0][0])


def assert_audit_is_whole(home: Home) -> None:
    """For a home without a runner: opening it verifies secrets and audit, and the whole chain holds."""
    foundation = Foundation(home, WallClock(), state=str, password_cost=4)
    found = foundation.audit.verify()
    assert found.ok, found.what
