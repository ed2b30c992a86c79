"""The ledger: durable posting against a bare commit, what the counters cost, and reads as the history grows."""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

from sqlalchemy import Connection

from bench.measurement import Measurement, in_turns
from tbot_bot.accounting.coa_utils_ledger import create_chart
from tbot_bot.accounting.ledger import Ledger
from tbot_bot.domain.accounts import CASH_FLOAT, INTEREST_RECEIVED
from tbot_bot.domain.canonical import canonical_json
from tbot_bot.domain.entries import Draft, Entry, EventDraft, Posted, Posting
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Book, Execution, OrderRequest, OrderRole, OrderType, Side, client_order_id
from tbot_bot.domain.trades import Result
from tbot_bot.storage.ledger_database import LedgerDatabase
from tbot_bot.storage.ledger_store import append, keep_balances, read_head
from tbot_bot.trading.trade_logger import TradeLogger

SIZES = (1_000, 100_000, 1_000_000)
TURNS = 60
EACH = 5
TRADES_A_DAY = 250
AT = datetime(2013, 10, 4, 14, 0, tzinfo=UTC)
DAY = AT.date()
POSTING = Posting(
    Book.STRATEGY,
    AT,
    "interest",
    (Entry(CASH_FLOAT, Money.of("12.50")), Entry(INTEREST_RECEIVED, Money.of("-12.50"))),
)
RESULT = Result(Money.of("12.50"), Money.of("1"), 1, 1)

#: A post as plain SQLite would do it with the same durability: no hash chain, no triggers, no checks.
BARE = """
    PRAGMA journal_mode=WAL;
    PRAGMA synchronous=FULL;
    CREATE TABLE row (id INTEGER PRIMARY KEY);
    CREATE TABLE event (seq INTEGER PRIMARY KEY, idempotency_key TEXT NOT NULL UNIQUE, payload TEXT NOT NULL);
    CREATE TABLE txn (id INTEGER PRIMARY KEY, event_seq INTEGER NOT NULL, effective_us INTEGER NOT NULL);
    CREATE INDEX txn_effective ON txn (effective_us);
    CREATE TABLE entry (txn_id INTEGER, line INTEGER, account TEXT, value INTEGER, PRIMARY KEY (txn_id, line))
        WITHOUT ROWID;
    CREATE INDEX entry_account ON entry (account, txn_id);
    CREATE TABLE balance (account TEXT PRIMARY KEY, value INTEGER NOT NULL);
    INSERT INTO balance VALUES ('a', 0), ('b', 0);
"""
PAYLOAD = canonical_json(POSTING.facts()).decode()

#: Round trips written straight into the tables; 250 a day from 2010-01-01 on, every third one a loss.
HISTORY = (
    """
    INSERT INTO trade
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :trades)
    SELECT printf('T-%s-%04d', strftime('%Y%m%d', '2010-01-01', '+' || (i / :a_day) || ' days'), i % :a_day + 1),
           date('2010-01-01', '+' || (i / :a_day) || ' days'), i % :a_day + 1, 'SPY', 'open', 'buy',
           i * 60000000, 10000000000, 100000000000, 10000000000, 100500000000,
           CASE WHEN i % 3 = 0 THEN -500000000 ELSE 500000000 END, 100000000, NULL, NULL,
           i * 60000000 + 30000000, date('2010-01-01', '+' || (i / :a_day) || ' days'), 'exit', i + 10
    FROM n
    """,
    """
    INSERT INTO session_result (day, realised, fees, trades_closed, wins)
    SELECT closed_day, sum(realised), sum(fees), count(*), sum(realised > fees) FROM trade GROUP BY closed_day
    """,
    """
    UPDATE lifetime_result SET (realised, fees, trades_closed, wins) =
        (SELECT sum(realised), sum(fees), sum(trades_closed), sum(wins) FROM session_result)
    """,
)


class WallClock:
    """The time of recording, standing: the benchmark is about writes."""

    def now(self) -> datetime:
        return AT


def main(sizes: Sequence[int] = SIZES) -> list[Measurement]:
    """Run everything; `sizes` are numbers of closed trades for the reads."""
    with tempfile.TemporaryDirectory() as folder:
        return [*posting(Path(folder)), *counters(Path(folder)), *reads(Path(folder), sizes)]


def posting(folder: Path) -> list[Measurement]:
    """Posts and fills, one durable commit each, beside a one-row commit of plain SQLite with the same settings."""
    database = fresh(folder / "posting.db")
    ledger, trades = Ledger(database, WallClock()), TradeLogger(database)
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    bare.executescript(BARE)
    numbers = count(1)

    def commit() -> None:
        bare.execute("BEGIN IMMEDIATE")
        bare.execute("INSERT INTO row DEFAULT VALUES")
        bare.execute("COMMIT")

    def rows() -> None:
        number = next(numbers)
        bare.execute("BEGIN IMMEDIATE")
        bare.execute("INSERT INTO event VALUES (?, ?, ?)", (number, f"k{number}", PAYLOAD))
        bare.execute("INSERT INTO txn VALUES (?, ?, ?)", (number, number, number))
        bare.executemany("INSERT INTO entry VALUES (?, ?, ?, ?)", [(number, 0, "a", 1), (number, 1, "b", -1)])
        bare.executemany("UPDATE balance SET value = value + ? WHERE account = ?", [(1, "a"), (-1, "b")])
        bare.execute("COMMIT")

    def post() -> None:
        key = f"k{next(numbers)}"
        ledger.post(POSTING, kind="journal", source="bench", idempotency_key=key, actor="bench")

    fill = filler(trades)
    bare_s, rows_s, post_s, fill_s = in_turns([commit, rows, post, fill], turns=TURNS, each=EACH)
    bare.close()
    database.close()
    return [
        Measurement("bare SQLite commit, synchronous FULL", 1 / bare_s, "/s"),
        Measurement("bare SQLite post: event, transaction, two entries, two balances", 1 / rows_s, "/s"),
        Measurement("durable post", 1 / post_s, "/s"),
        Measurement("durable post against the bare post", rows_s / post_s, "x", goal_min=0.5),
        Measurement("durable post against the bare commit", bare_s / post_s, "x"),
        Measurement("fill with postings, lots, trade and results in one commit", 1 / fill_s, "/s"),
    ]


def filler(trades: TradeLogger) -> Callable[[], None]:
    """Book one fill after another: a buy, then the sale that closes it. Orders are recorded beforehand."""
    orders = []
    for number in range(TURNS * EACH):
        side, role = (Side.SELL, OrderRole.EXIT) if number % 2 else (Side.BUY, OrderRole.ENTRY)
        order_id = client_order_id(Book.STRATEGY, "open", "SPY", DAY, number, role)
        request = OrderRequest(order_id, Book.STRATEGY, "SPY", side, Quantity.of(10), OrderType.MARKET)
        trades.record_intent(request, strategy="open", at=AT, recorded_at=AT)
        orders.append(request)
    left = iter(enumerate(orders, 1))

    def fill() -> None:
        number, order = next(left)
        execution = Execution(
            f"X{number}",
            number,
            order.client_order_id,
            order.symbol,
            order.side,
            order.quantity,
            Price.of("100.25"),
            Money.of("0.35"),
            AT,
        )
        trades.apply_execution(execution, session_day=DAY, recorded_at=AT)

    return fill


def counters(folder: Path) -> list[Measurement]:
    """The same post with and without the kept balances, and with the kept results on top."""
    plain, balances, results = (fresh(folder / f"{name}.db") for name in ("plain", "balances", "results"))
    numbers = count(1)

    def draft() -> EventDraft:
        return EventDraft("journal", "bench", f"k{next(numbers)}", "bench", POSTING.facts())

    def write(connection: Connection) -> Posted:
        event = draft()
        return append(connection, read_head(connection, event.idempotency_key), event, [Draft(POSTING)], AT)

    def without() -> None:
        with plain.engine.begin() as connection:
            write(connection)

    def with_balances() -> None:
        with balances.engine.begin() as connection:
            keep_balances(connection, write(connection).transactions)

    def with_results() -> None:
        with results.transaction() as unit:
            unit.ledger.post(draft(), [Draft(POSTING)], AT)
            unit.results.add_result(DAY, RESULT)

    plain_s, balances_s, results_s = in_turns([without, with_balances, with_results], turns=TURNS, each=EACH)
    for database in (plain, balances, results):
        database.close()
    return [
        Measurement("post with kept balances against without", balances_s / plain_s, "x", goal_max=1.3),
        Measurement(
            "post with kept balances and results against kept balances", results_s / balances_s, "x", goal_max=1.3
        ),
    ]


def reads(folder: Path, sizes: Sequence[int]) -> list[Measurement]:
    """Result, win rate and the newest page of trades, in turns over histories of each size."""
    databases = [history(folder / f"history{size}.db", size) for size in sizes]
    loggers = [TradeLogger(database) for database in databases]
    last_days = [logger.session_results(1)[0].day for logger in loggers]
    session_s = in_turns([reader(logger, day) for logger, day in zip(loggers, last_days, strict=True)], turns=200)
    page_s = in_turns([page_reader(logger) for logger in loggers], turns=200)
    for database in databases:
        database.close()
    found = []
    for name, seconds in (("result and win rate", session_s), ("newest 50 trades", page_s)):
        found += [
            Measurement(f"{name} at {size:,} trades", taken * 1000, "ms")
            for size, taken in zip(sizes, seconds, strict=True)
        ]
        found.append(Measurement(f"{name}, largest against smallest", seconds[-1] / seconds[0], "x", goal_max=1.5))
    return found


def reader(logger: TradeLogger, day: date) -> Callable[[], object]:
    return lambda: (logger.results(day).result.win_rate_pct, logger.lifetime().result.win_rate_pct)


def page_reader(logger: TradeLogger) -> Callable[[], object]:
    return lambda: logger.closed_trades(50)


def fresh(path: Path) -> LedgerDatabase:
    """A new ledger with the default chart."""
    database = LedgerDatabase.open(path)
    create_chart(database, WallClock(), entity="BENCH", jurisdiction="US")
    return database


def history(path: Path, trades: int) -> LedgerDatabase:
    """A ledger that holds `trades` closed round trips and the results they add up to."""
    fresh(path).close()
    with sqlite3.connect(path) as connection:
        for statement in HISTORY:
            connection.execute(statement, {"trades": trades, "a_day": TRADES_A_DAY} if ":trades" in statement else {})
    connection.close()
    return LedgerDatabase.open(path)


if __name__ == "__main__":
    for measurement in main([int(size) for size in sys.argv[1:]] or SIZES):
        print(measurement)
