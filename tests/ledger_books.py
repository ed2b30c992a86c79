"""A ledger database for tests, and the text in which tests write and read it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from tbot_bot.accounting.coa_utils_ledger import create_chart
from tbot_bot.accounting.ledger import Ledger
from tbot_bot.domain.entries import Entry, Posting, Transaction
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import (
    Book,
    Execution,
    OrderRequest,
    OrderRole,
    OrderType,
    Side,
    client_order_id,
)
from tbot_bot.domain.trades import AppliedExecution
from tbot_bot.storage.ledger_database import LedgerDatabase
from tbot_bot.trading.trade_logger import TradeLogger

OPEN_AT = datetime(2013, 10, 4, 13, 30, tzinfo=UTC)
DAY = date(2013, 10, 4)
WALL = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@dataclass
class StandingClock:
    """A clock that moves when told."""

    at: datetime = WALL

    def now(self) -> datetime:
        return self.at


@dataclass
class Books:
    """One ledger database with its two services, and fills by number."""

    database: LedgerDatabase
    ledger: Ledger
    trades: TradeLogger
    clock: StandingClock
    fills: int = field(default=0)

    def fill(
        self,
        side: str,
        quantity: str,
        price: str,
        fee: str = "0",
        *,
        symbol: str = "SPY",
        book: Book = Book.STRATEGY,
        role: OrderRole = OrderRole.ENTRY,
        day: date = DAY,
        reason: str = "",
    ) -> AppliedExecution:
        """Record an order and fill it whole, a minute after the one before."""
        self.fills += 1
        at = datetime(day.year, day.month, day.day, 13, 30, tzinfo=UTC) + timedelta(minutes=self.fills)
        request = self.intent(side, quantity, symbol=symbol, book=book, role=role, at=at, why=reason)
        return self.trades.apply_execution(
            execution(self.fills, request, price, fee, at=at), session_day=day, recorded_at=WALL
        )

    def intent(
        self,
        side: str,
        quantity: str,
        *,
        symbol: str = "SPY",
        book: Book = Book.STRATEGY,
        role: OrderRole = OrderRole.ENTRY,
        at: datetime = OPEN_AT,
        bracket: Sequence[OrderRequest] = (),
        why: str = "",
    ) -> OrderRequest:
        """Put an order on record."""
        made = request(self.fills or 1, side, quantity, symbol=symbol, book=book, role=role, bracket=bracket)
        self.trades.record_intent(made, strategy="open", at=at, recorded_at=WALL, why=why)
        return made


def request(
    number: int,
    side: str,
    quantity: str,
    *,
    symbol: str = "SPY",
    book: Book = Book.STRATEGY,
    role: OrderRole = OrderRole.ENTRY,
    bracket: Sequence[OrderRequest] = (),
    **prices: str,
) -> OrderRequest:
    """A request with its derived id; `limit_price` or `stop_price` make it a limit or stop order."""
    kind = (
        OrderType.LIMIT if "limit_price" in prices else OrderType.STOP if "stop_price" in prices else OrderType.MARKET
    )
    return OrderRequest(
        client_order_id=client_order_id(book, "open", symbol, DAY, number, role),
        book=book,
        symbol=symbol,
        side=Side(side),
        quantity=Quantity.of(quantity),
        type=kind,
        bracket=tuple(bracket),
        **{name: Price.of(price) for name, price in prices.items()},
    )


def execution(
    number: int,
    order: OrderRequest,
    price: str,
    fee: str = "0",
    *,
    quantity: str | None = None,
    at: datetime = OPEN_AT,
) -> Execution:
    """A fill of an order, the whole of it unless `quantity` says less."""
    return Execution(
        execution_id=f"X{number}",
        sequence=number,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity if quantity is None else Quantity.of(quantity),
        price=Price.of(price),
        fee=Money.of(fee),
        at=at,
    )


def posting(lines: str, *, at: datetime = OPEN_AT, memo: str = "by hand") -> Posting:
    """Parse lines of account and signed value."""
    entries = [
        Entry(account, Money.of(value)) for account, value in (line.split() for line in lines.strip().splitlines())
    ]
    return Posting(Book.STRATEGY, at, memo, tuple(entries))


def written(transaction: Transaction) -> str:
    """Entries as text: account, value, and commodity and quantity where a quantity moved."""
    lines = []
    for entry in transaction.entries:
        moved = f" {entry.commodity} {entry.quantity}" if entry.quantity else ""
        lines.append(f"{entry.account} {entry.value}{moved}")
    return "\n".join(lines)


def lines(text: str) -> str:
    """Text of a table in a test, without its indentation."""
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


@contextmanager
def books(folder: Path, opening: str | None = "100000") -> Iterator[Books]:
    """Open a fresh ledger in `folder` with the default chart and, unless None, opening cash."""
    path = folder / "LEDGER.db"
    shutil.copy(template(), path)
    database = LedgerDatabase.open(path)
    clock = StandingClock()
    made = Books(database, Ledger(database, clock), TradeLogger(database), clock)
    if opening is not None:
        made.ledger.post_opening_balance(Money.of(opening), OPEN_AT, "SIM")
    try:
        yield made
    finally:
        database.close()


@cache
def template() -> Path:
    """A migrated file with the default chart, made once for each test process."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "LEDGER.db"
    database = LedgerDatabase.open(path)
    create_chart(database, StandingClock(), entity="RIGD", jurisdiction="US")
    database.close()
    return path
