"""The ledger's SQL: one chain of events, their transactions and entries, and the balances kept beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import IntegrityError

from tbot_bot.domain.accounts import Account, Chart
from tbot_bot.domain.entries import (
    GENESIS_HASH,
    Balance,
    Draft,
    Entry,
    Event,
    EventDraft,
    LedgerCorruptError,
    Page,
    Posted,
    PostingRefusedError,
    Transaction,
    chain,
    postings_digest,
    require_same_input,
)
from tbot_bot.domain.ledger_port import KeptDifference
from tbot_bot.domain.money import UNITS_MAX, Money, Quantity
from tbot_bot.domain.orders import Book
from tbot_bot.domain.time import from_micros, to_micros

DAY_US = 86_400_000_000
#: Rows read at a time where all are read.
_BATCH = 2_000

_HEAD = text("""
    SELECT coalesce((SELECT max(seq) FROM event), 0) AS seq,
           (SELECT hash FROM event ORDER BY seq DESC LIMIT 1) AS hash,
           coalesce((SELECT max(id) FROM txn), 0) AS txn_id,
           coalesce((SELECT max(version) FROM chart), 0) AS chart_version,
           (SELECT seq FROM event WHERE idempotency_key = :key) AS known
""")
_EVENT_BY_KEY = text("SELECT * FROM event WHERE idempotency_key = :key")
_ADD_EVENT = text("""
    INSERT INTO event (seq, kind, source, external_id, idempotency_key, input_sha256, payload, postings_sha256,
                       prev_hash, hash, actor, recorded_us)
    VALUES (:seq, :kind, :source, :external_id, :idempotency_key, :input_sha256, :payload, :postings_sha256,
            :prev_hash, :hash, :actor, :recorded_us)
""")
_ADD_TRANSACTION = text("""
    INSERT INTO txn (id, event_seq, book, effective_us, recorded_us, version_of, version_no, reverses, state, memo,
                     chart_version)
    VALUES (:id, :event_seq, :book, :effective_us, :recorded_us, :version_of, :version_no, :reverses, 'draft', :memo,
            :chart_version)
""")
_ADD_ENTRY = text("""
    INSERT INTO entry (txn_id, line, account, value, commodity, quantity, lot)
    VALUES (:txn_id, :line, :account, :value, :commodity, :quantity, :lot)
""")
_POST = text("UPDATE txn SET state = 'posted' WHERE id = :id")
_KEEP = text("""
    INSERT INTO balance (account, commodity, debit, credit, quantity)
    VALUES (:account, :commodity, :debit, :credit, :quantity)
    ON CONFLICT (account, commodity) DO UPDATE SET
        debit = balance.debit + excluded.debit,
        credit = balance.credit + excluded.credit,
        quantity = balance.quantity + excluded.quantity
""")
_KEEP_DAY = text("""
    INSERT INTO balance_day (account, commodity, day, debit, credit, quantity)
    VALUES (:account, :commodity, :day, :debit, :credit, :quantity)
    ON CONFLICT (account, commodity, day) DO UPDATE SET
        debit = balance_day.debit + excluded.debit,
        credit = balance_day.credit + excluded.credit,
        quantity = balance_day.quantity + excluded.quantity
""")
_TRANSACTIONS_OF = text("SELECT * FROM txn WHERE event_seq BETWEEN :first AND :last AND state = 'posted' ORDER BY id")
_TRANSACTION = text("SELECT * FROM txn WHERE id = :id AND state = 'posted'")
_REVERSAL_OF = text("SELECT id FROM txn WHERE reverses = :id")
_PAGE = text("SELECT * FROM txn WHERE id < :before AND state = 'posted' ORDER BY id DESC LIMIT :limit")
_PAGE_OF_ACCOUNT = text("""
    SELECT * FROM txn WHERE state = 'posted' AND id IN (
        SELECT DISTINCT txn_id FROM entry WHERE account = :account AND txn_id < :before
        ORDER BY txn_id DESC LIMIT :limit
    ) ORDER BY id DESC
""")
_ENTRIES_OF = text("SELECT * FROM entry WHERE txn_id IN :ids ORDER BY txn_id, line").bindparams(
    bindparam("ids", expanding=True)
)
_BALANCES = text("SELECT * FROM balance ORDER BY account, commodity")
_SIGNED = """
    e.account AS account, e.commodity AS commodity,
    CASE WHEN e.value > 0 THEN e.value ELSE 0 END AS debit,
    CASE WHEN e.value < 0 THEN -e.value ELSE 0 END AS credit, e.quantity AS quantity
"""
_BALANCES_AS_OF = text(f"""
    SELECT account, commodity, sum(debit) AS debit, sum(credit) AS credit, sum(quantity) AS quantity FROM (
        SELECT account, commodity, debit, credit, quantity FROM balance_day WHERE day < :day
        UNION ALL
        SELECT {_SIGNED} FROM entry e JOIN txn t ON t.id = e.txn_id
        WHERE t.effective_us >= :day_us AND t.effective_us <= :as_of_us AND t.state = 'posted'
    ) AS movement GROUP BY account, commodity ORDER BY account, commodity
""")  # noqa: S608  # the inserted text is the constant above
_SUMMED = text(f"""
    SELECT account, commodity, day, sum(debit) AS debit, sum(credit) AS credit, sum(quantity) AS quantity FROM (
        SELECT {_SIGNED}, t.effective_us / {DAY_US} AS day
        FROM entry e JOIN txn t ON t.id = e.txn_id WHERE t.state = 'posted'
    ) AS movement GROUP BY account, commodity, day
""")  # noqa: S608  # the inserted texts are the constants above
_DAYS = text("SELECT * FROM balance_day")
_EVENTS = text("SELECT * FROM event WHERE seq > :after ORDER BY seq LIMIT :limit")
_COUNT = text("SELECT count(*) FROM txn")
_CHARTS = text("SELECT * FROM chart ORDER BY version")
_ACCOUNTS = text("SELECT * FROM account ORDER BY code")
_POSTABLE = text("""
    SELECT code FROM account a WHERE code IN :codes AND NOT EXISTS (SELECT 1 FROM account c WHERE c.parent = a.code)
""").bindparams(bindparam("codes", expanding=True))
_ADD_CHART = text("""
    INSERT INTO chart (version, event_seq, currency, entity, jurisdiction, recorded_us)
    VALUES (:version, :event_seq, :currency, :entity, :jurisdiction, :recorded_us)
""")
_ADD_ACCOUNT = text("""
    INSERT INTO account (code, parent, type, name, at_broker) VALUES (:code, :parent, :type, :name, :at_broker)
""")

_Sums = tuple[int, int, int]
_DayKey = tuple[str, str, int | None]


class SqlLedger:
    """The ledger inside one transaction of the database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def post(self, draft: EventDraft, transactions: Sequence[Draft], recorded_at: datetime) -> Posted:
        head = read_head(self._connection, draft.idempotency_key)
        if head.known is not None:
            known = self._posted(self._connection.execute(_EVENT_BY_KEY, {"key": draft.idempotency_key}).one())
            require_same_input(known.event, draft)
            return known
        try:
            posted = append(self._connection, head, draft, transactions, recorded_at)
            keep_balances(self._connection, posted.transactions)
        except IntegrityError as error:
            raise PostingRefusedError(self._refusal(error, transactions)) from error
        return posted

    def add_chart(self, draft: EventDraft, chart: Chart) -> Chart:
        posted = self.post(draft, (), chart.updated_at)
        if not posted.is_new:
            return self._existing_chart()
        self._connection.execute(
            _ADD_CHART,
            {
                "version": chart.version,
                "event_seq": posted.event.seq,
                "currency": chart.currency,
                "entity": chart.entity,
                "jurisdiction": chart.jurisdiction,
                "recorded_us": to_micros(chart.updated_at),
            },
        )
        self._connection.execute(_ADD_ACCOUNT, [_account_row(account) for account in chart.accounts])
        return chart

    def chart(self) -> Chart | None:
        versions = self._connection.execute(_CHARTS).all()
        if not versions:
            return None
        newest = versions[-1]
        return Chart(
            version=newest.version,
            currency=newest.currency,
            entity=newest.entity,
            jurisdiction=newest.jurisdiction,
            created_at=from_micros(versions[0].recorded_us),
            updated_at=from_micros(newest.recorded_us),
            accounts=tuple(
                Account(row.code, row.name, at_broker=bool(row.at_broker))
                for row in self._connection.execute(_ACCOUNTS)
            ),
        )

    def find_event(self, idempotency_key: str) -> Posted | None:
        row = self._connection.execute(_EVENT_BY_KEY, {"key": idempotency_key}).one_or_none()
        return None if row is None else self._posted(row)

    def transaction(self, transaction_id: int) -> Transaction | None:
        rows = self._connection.execute(_TRANSACTION, {"id": transaction_id}).all()
        return next(iter(self._transactions(rows)), None)

    def reversal_of(self, transaction_id: int) -> int | None:
        found: int | None = self._connection.execute(_REVERSAL_OF, {"id": transaction_id}).scalar_one_or_none()
        return found

    def page(self, account: str | None, before: int | None, limit: int) -> Page[Transaction]:
        values = {"before": UNITS_MAX if before is None else before, "limit": limit + 1}
        if account is None:
            rows = self._connection.execute(_PAGE, values).all()
        else:
            rows = self._connection.execute(_PAGE_OF_ACCOUNT, values | {"account": account}).all()
        items = self._transactions(rows[:limit])
        return Page(items, items[-1].id if len(rows) > limit else None)

    def balances(self, as_of: datetime | None) -> Sequence[Balance]:
        if as_of is None:
            return [_balance(row) for row in self._connection.execute(_BALANCES)]
        as_of_us = to_micros(as_of)
        day = as_of_us // DAY_US
        values = {"day": day, "day_us": day * DAY_US, "as_of_us": as_of_us}
        return [_balance(row) for row in self._connection.execute(_BALANCES_AS_OF, values)]

    def events(self) -> Iterator[tuple[Event, tuple[Transaction, ...]]]:
        after = 0
        while rows := self._connection.execute(_EVENTS, {"after": after, "limit": _BATCH}).all():
            after = rows[-1].seq
            found = self._connection.execute(_TRANSACTIONS_OF, {"first": rows[0].seq, "last": after}).all()
            of_event = defaultdict(list)
            for transaction in self._transactions(found):
                of_event[transaction.event_seq].append(transaction)
            for row in rows:
                yield _event(row), tuple(of_event[row.seq])

    def transaction_count(self) -> int:
        count: int = self._connection.execute(_COUNT).scalar_one()
        return count

    def differences(self) -> Sequence[KeptDifference]:
        days: dict[_DayKey, _Sums] = {
            (r.account, r.commodity, r.day): _sums(r) for r in self._connection.execute(_SUMMED)
        }
        running: dict[tuple[str, str], _Sums] = defaultdict(lambda: (0, 0, 0))
        for (account, commodity, _), sums in days.items():
            debit, credit, quantity = running[account, commodity]
            running[account, commodity] = (debit + sums[0], credit + sums[1], quantity + sums[2])
        summed: dict[_DayKey, _Sums] = {(*key, None): sums for key, sums in running.items()} | days
        kept: dict[_DayKey, _Sums] = {
            (r.account, r.commodity, None): _sums(r) for r in self._connection.execute(_BALANCES)
        }
        kept |= {(r.account, r.commodity, r.day): _sums(r) for r in self._connection.execute(_DAYS)}
        return [
            KeptDifference(key[0], key[1], key[2], kept.get(key), summed.get(key))
            for key in sorted(kept.keys() | summed.keys(), key=str)
            if kept.get(key) != summed.get(key)
        ]

    def _posted(self, event: Any) -> Posted:
        rows = self._connection.execute(_TRANSACTIONS_OF, {"first": event.seq, "last": event.seq}).all()
        return Posted(_event(event), self._transactions(rows), is_new=False)

    def _refusal(self, error: IntegrityError, transactions: Sequence[Draft]) -> str:
        named = {entry.account for item in transactions for entry in item.posting.entries}
        postable = {row.code for row in self._connection.execute(_POSTABLE, {"codes": sorted(named)})}
        strangers = [f"Account {code} does not exist or has others below it." for code in sorted(named - postable)]
        return " ".join([*(strangers or [f"The ledger refused the posting: {error.orig}."]), "Nothing was written."])

    def _existing_chart(self) -> Chart:
        chart = self.chart()
        if chart is None:
            raise LedgerCorruptError("The chart's event is there but its accounts are not: restore the ledger.")
        return chart

    def _transactions(self, rows: Sequence[Any]) -> tuple[Transaction, ...]:
        lines: dict[int, list[Entry]] = defaultdict(list)
        for start in range(0, len(rows), _BATCH):
            ids = [row.id for row in rows[start : start + _BATCH]]
            for row in self._connection.execute(_ENTRIES_OF, {"ids": ids}):
                lines[row.txn_id].append(_entry(row))
        return tuple(_transaction(row, tuple(lines[row.id])) for row in rows)


def read_head(connection: Connection, idempotency_key: str) -> Any:
    """The end of the chain: its seq and hash, the greatest transaction, the chart's version, the event of the key."""
    return connection.execute(_HEAD, {"key": idempotency_key}).one()


def append(
    connection: Connection, head: Any, draft: EventDraft, transactions: Sequence[Draft], recorded_at: datetime
) -> Posted:
    """Write an event and its transactions after `head`; the balances are the caller's to keep."""
    if transactions and not head.chart_version:
        raise PostingRefusedError("There is no chart of accounts yet. Nothing was written.")
    numbered = tuple(
        Transaction(
            id=number,
            event_seq=head.seq + 1,
            book=item.posting.book,
            effective_at=item.posting.effective_at,
            recorded_at=recorded_at,
            version_of=number if item.version_of is None else item.version_of,
            version_no=item.version_no,
            reverses=item.reverses,
            memo=item.posting.memo,
            chart_version=head.chart_version,
            entries=item.posting.entries,
        )
        for number, item in enumerate(transactions, head.txn_id + 1)
    )
    event = chain(draft, head.seq + 1, head.hash or GENESIS_HASH, postings_digest(numbered), recorded_at)
    connection.execute(_ADD_EVENT, _event_row(event))
    for transaction in numbered:
        connection.execute(_ADD_TRANSACTION, _transaction_row(transaction))
        rows = _entry_rows(transaction)
        if rows:
            connection.execute(_ADD_ENTRY, rows)
        connection.execute(_POST, {"id": transaction.id})
    return Posted(event, numbered, is_new=True)


def keep_balances(connection: Connection, transactions: Sequence[Transaction]) -> None:
    """Add transactions to the running and the day's balances, in account order."""
    sums: dict[tuple[str, str, int], _Sums] = defaultdict(lambda: (0, 0, 0))
    for transaction in transactions:
        day = to_micros(transaction.effective_at) // DAY_US
        for entry in transaction.entries:
            debit, credit, quantity = sums[entry.account, entry.commodity, day]
            units = entry.value.units
            sums[entry.account, entry.commodity, day] = (
                debit + max(units, 0),
                credit + max(-units, 0),
                quantity + entry.quantity.units,
            )
    rows = [
        {"account": account, "commodity": commodity, "day": day, "debit": debit, "credit": credit, "quantity": quantity}
        for (account, commodity, day), (debit, credit, quantity) in sorted(sums.items())
    ]
    if rows:
        connection.execute(_KEEP, rows)
        connection.execute(_KEEP_DAY, rows)


def _event_row(event: Event) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "kind": event.kind,
        "source": event.source,
        "external_id": event.external_id,
        "idempotency_key": event.idempotency_key,
        "input_sha256": event.input_sha256,
        "payload": event.payload,
        "postings_sha256": event.postings_sha256,
        "prev_hash": event.prev_hash,
        "hash": event.hash,
        "actor": event.actor,
        "recorded_us": to_micros(event.recorded_at),
    }


def _event(row: Any) -> Event:
    return Event(
        seq=row.seq,
        kind=row.kind,
        source=row.source,
        external_id=row.external_id,
        idempotency_key=row.idempotency_key,
        actor=row.actor,
        payload=row.payload,
        input_sha256=row.input_sha256,
        postings_sha256=row.postings_sha256,
        prev_hash=row.prev_hash,
        hash=row.hash,
        recorded_at=from_micros(row.recorded_us),
    )


def _transaction_row(transaction: Transaction) -> dict[str, Any]:
    return {
        "id": transaction.id,
        "event_seq": transaction.event_seq,
        "book": transaction.book.value,
        "effective_us": to_micros(transaction.effective_at),
        "recorded_us": to_micros(transaction.recorded_at),
        "version_of": transaction.version_of,
        "version_no": transaction.version_no,
        "reverses": transaction.reverses,
        "memo": transaction.memo,
        "chart_version": transaction.chart_version,
    }


def _transaction(row: Any, entries: tuple[Entry, ...]) -> Transaction:
    return Transaction(
        id=row.id,
        event_seq=row.event_seq,
        book=Book(row.book),
        effective_at=from_micros(row.effective_us),
        recorded_at=from_micros(row.recorded_us),
        version_of=row.version_of,
        version_no=row.version_no,
        reverses=row.reverses,
        memo=row.memo,
        chart_version=row.chart_version,
        entries=entries,
    )


def _entry_rows(transaction: Transaction) -> list[dict[str, Any]]:
    return [
        {
            "txn_id": transaction.id,
            "line": line,
            "account": entry.account,
            "value": entry.value.units,
            "commodity": entry.commodity,
            "quantity": entry.quantity.units,
            "lot": entry.lot,
        }
        for line, entry in enumerate(transaction.entries)
    ]


def _entry(row: Any) -> Entry:
    return Entry(row.account, Money(row.value), row.commodity, Quantity(row.quantity), row.lot)


def _account_row(account: Account) -> dict[str, Any]:
    return {
        "code": account.code,
        "parent": account.parent,
        "type": account.type.value,
        "name": account.name,
        "at_broker": int(account.at_broker),
    }


def _balance(row: Any) -> Balance:
    return Balance(row.account, row.commodity, Money(row.debit), Money(row.credit), Quantity(row.quantity))


def _sums(row: Any) -> _Sums:
    return row.debit, row.credit, row.quantity
