"""The ledger's journal for readers: transactions with their entries, event and fill. Never writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from tbot_bot.domain.entries import Page
from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.orders import Book
from tbot_bot.domain.time import from_micros, to_micros
from tbot_bot.storage.engine import reading

_TRANSACTIONS = text(
    "SELECT txn.id, txn.event_seq, txn.book, txn.effective_us, txn.recorded_us, txn.version_of, txn.version_no,"
    " txn.reverses, txn.memo, event.kind, event.source, event.external_id, event.actor, event.hash,"
    " execution.execution_id, coalesce(execution.trade_id, execution.closed_trade_id) AS trade_id"
    " FROM txn JOIN event ON event.seq = txn.event_seq LEFT JOIN execution ON execution.event_seq = event.seq"
    " WHERE txn.state = 'posted' AND (:before IS NULL OR txn.id < :before) AND (:book IS NULL OR txn.book = :book)"
    " AND (:since IS NULL OR txn.effective_us >= :since) AND (:until IS NULL OR txn.effective_us < :until)"
    " AND (:account IS NULL OR EXISTS (SELECT 1 FROM entry WHERE entry.txn_id = txn.id"
    " AND (entry.account = :account OR substr(entry.account, 1, length(:account) + 1) = :account || '.')))"
    " ORDER BY txn.id DESC LIMIT :limit"
)
_ENTRIES = text(
    "SELECT entry.account, account.name, entry.value, entry.commodity, entry.quantity, entry.lot FROM entry"
    " JOIN account ON account.code = entry.account WHERE entry.txn_id = :txn ORDER BY entry.line"
)


@dataclass(frozen=True, slots=True)
class JournalFilter:
    """Which transactions; None does not restrict. An account stands for those below it too; times are effective."""

    account: str | None = None
    book: Book | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One entry of a transaction."""

    account: str
    account_name: str
    value: Money
    commodity: str
    quantity: Quantity
    lot: str | None


@dataclass(frozen=True, slots=True)
class JournalTransaction:
    """One posted transaction; `hash` is that of its event in the ledger's chain."""

    txn_id: int
    event_seq: int
    kind: str
    source: str
    external_id: str | None
    actor: str
    hash: str
    book: str
    effective_at: datetime
    recorded_at: datetime
    version_of: int
    version_no: int
    reverses: int | None
    memo: str
    execution_id: str | None
    trade_id: str | None
    lines: tuple[JournalLine, ...]


class JournalReports:
    """Queries over the ledger's database."""

    def __init__(self, engine: Engine) -> None:
        self._reader = reading(engine)

    def page(self, where: JournalFilter, before: int | None, limit: int) -> Page[JournalTransaction]:
        """Transactions that match, the last posted first, below the number `before`."""
        values = {
            "account": where.account,
            "book": where.book,
            "since": None if where.since is None else to_micros(where.since),
            "until": None if where.until is None else to_micros(where.until),
            "before": before,
            "limit": limit + 1,
        }
        with self._reader.connect() as connection:
            rows = connection.execute(_TRANSACTIONS, values).all()
            found = tuple(_transaction(connection, row) for row in rows[:limit])
        return Page(found, found[-1].txn_id if len(rows) > limit else None)


def _transaction(connection: Connection, row: Any) -> JournalTransaction:
    lines = connection.execute(_ENTRIES, {"txn": row.id}).all()
    return JournalTransaction(
        txn_id=row.id,
        event_seq=row.event_seq,
        kind=row.kind,
        source=row.source,
        external_id=row.external_id,
        actor=row.actor,
        hash=row.hash,
        book=row.book,
        effective_at=from_micros(row.effective_us),
        recorded_at=from_micros(row.recorded_us),
        version_of=row.version_of,
        version_no=row.version_no,
        reverses=row.reverses,
        memo=row.memo,
        execution_id=row.execution_id,
        trade_id=row.trade_id,
        lines=tuple(
            JournalLine(one.account, one.name, Money(one.value), one.commodity, Quantity(one.quantity), one.lot)
            for one in lines
        ),
    )
