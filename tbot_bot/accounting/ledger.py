"""The posting service, and what the ledger says: balances, journal, proofs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from tbot_bot.accounting.coa_utils_ledger import ChartMissingError
from tbot_bot.domain.accounts import (
    CASH_FLOAT,
    CONTRIBUTED_CAPITAL,
    CONTROLLED,
    POSITIONS_OF,
    Account,
    Chart,
)
from tbot_bot.domain.entries import (
    GENESIS_HASH,
    Balance,
    Draft,
    Entry,
    Event,
    EventDraft,
    Facts,
    Page,
    Posted,
    Posting,
    PostingRefusedError,
    ReversalRefusedError,
    Transaction,
    event_hash,
    posting_errors,
    postings_digest,
    sha256_hex,
)
from tbot_bot.domain.ledger_port import KeptDifference, LedgerRows, LedgerStore
from tbot_bot.domain.money import Money, Quantity, total
from tbot_bot.domain.orders import Book
from tbot_bot.domain.time import Clock, to_rfc3339


@dataclass(frozen=True, slots=True)
class TrialLine:
    """One account's balance: debit positive, credit negative."""

    account: Account
    balance: Money


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """Every account that was ever moved, by effective time up to `as_of` (None: everything posted)."""

    as_of: datetime | None
    lines: tuple[TrialLine, ...]
    debit: Money
    credit: Money

    @property
    def balanced(self) -> bool:
        """Whether debits equal credits."""
        return self.debit == self.credit


@dataclass(frozen=True, slots=True)
class ChainReport:
    """Outcome of a check of the event chain; `broken_at` is the first event that is not what was written."""

    events: int
    head_hash: str
    broken_at: int | None = None
    reason: str | None = None

    @property
    def is_intact(self) -> bool:
        """Whether every event and entry is what was written."""
        return self.reason is None


class Ledger:
    """Posts and reads; every posting is durable when the call returns."""

    def __init__(self, store: LedgerStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def post(
        self,
        posting: Posting,
        *,
        kind: str,
        source: str,
        idempotency_key: str,
        actor: str,
        external_id: str | None = None,
    ) -> Posted:
        """Post one transaction; the same key with the same input returns what is there.

        Raises IdempotencyConflictError for other input, PostingRefusedError if the posting is unbalanced, names an
        account that takes no postings, or one that stands for open lots, which fills alone move.
        """
        draft = EventDraft(kind, source, idempotency_key, actor, posting.facts(), external_id)
        _require_sound(posting)
        with self._store.transaction() as unit:
            return unit.ledger.post(draft, [Draft(posting)], self._clock.now())

    def post_opening_balance(self, cash: Money, at: datetime, external_id: str) -> Posted:
        """Take in the cash that the account at the broker starts with; `external_id` names that account."""
        posting = Posting(
            book=Book.STRATEGY,
            effective_at=at,
            memo="Opening balance",
            entries=(Entry(CASH_FLOAT, cash), Entry(CONTRIBUTED_CAPITAL, -cash)),
        )
        return self.post(
            posting,
            kind="opening",
            source="broker",
            idempotency_key=f"opening:{external_id}",
            actor="system",
            external_id=external_id,
        )

    def reverse(self, transaction_id: int, *, effective_at: datetime, idempotency_key: str, actor: str) -> Posted:
        """Undo a transaction by its mirror image. Raises ReversalRefusedError, IdempotencyConflictError."""
        facts: Facts = {"reverses": transaction_id, "effective_at": to_rfc3339(effective_at)}
        draft = EventDraft("reversal", "ledger", idempotency_key, actor, facts)
        return self._replace(draft, transaction_id, effective_at, None)

    def correct(
        self, transaction_id: int, posting: Posting, *, effective_at: datetime, idempotency_key: str, actor: str
    ) -> Posted:
        """Reverse a transaction as of `effective_at` and post its new version, together.

        Raises ReversalRefusedError, PostingRefusedError, IdempotencyConflictError.
        """
        facts: Facts = {
            "reverses": transaction_id,
            "effective_at": to_rfc3339(effective_at),
            "posting": posting.facts(),
        }
        draft = EventDraft("correction", "ledger", idempotency_key, actor, facts)
        return self._replace(draft, transaction_id, effective_at, posting)

    def transaction(self, transaction_id: int) -> Transaction | None:
        """Return one transaction."""
        with self._store.snapshot() as unit:
            return unit.ledger.transaction(transaction_id)

    def entries(self, limit: int, *, account: str | None = None, before: int | None = None) -> Page[Transaction]:
        """Return transactions with their entries, the last posted first; `before` is the `next` of the page before."""
        with self._store.snapshot() as unit:
            return unit.ledger.page(account, before, limit)

    def balances(self, as_of: datetime | None = None) -> tuple[Balance, ...]:
        """Return every balance by account and commodity, now or by effective time up to and including `as_of`."""
        with self._store.snapshot() as unit:
            return tuple(unit.ledger.balances(as_of))

    def trial_balance(self, as_of: datetime | None = None) -> TrialBalance:
        """Return the balance of every account, and the proof that they sum to zero."""
        with self._store.snapshot() as unit:
            chart = _chart(unit.ledger)
            values: dict[str, Money] = defaultdict(Money.zero)
            for balance in unit.ledger.balances(as_of):
                values[balance.account] += balance.value
        lines = tuple(TrialLine(account, values[account.code]) for account in chart.accounts if account.code in values)
        return TrialBalance(
            as_of=as_of,
            lines=lines,
            debit=total(line.balance for line in lines if line.balance.sign > 0),
            credit=total(-line.balance for line in lines if line.balance.sign < 0),
        )

    def ledger_cash(self) -> Money:
        """Return the cash that the ledger says the broker holds: the float and every reserve."""
        with self._store.snapshot() as unit:
            held = {account.code for account in _chart(unit.ledger).accounts if account.at_broker}
            return total(balance.value for balance in unit.ledger.balances(None) if balance.account in held)

    def ledger_positions(self) -> dict[tuple[Book, str], Quantity]:
        """Return the quantity of each book and symbol from entries; flat ones are absent."""
        books = {account: book for book, account in POSITIONS_OF.items()}
        with self._store.snapshot() as unit:
            return {
                (books[balance.account], balance.commodity): balance.quantity
                for balance in unit.ledger.balances(None)
                if balance.account in books and balance.quantity
            }

    def verify_chain(self) -> ChainReport:
        """Check that every event follows its predecessor and that it and its entries are what was written."""
        count, transactions, head = 0, 0, GENESIS_HASH
        with self._store.snapshot() as unit:
            for event, posted in unit.ledger.events():
                reason = _break(event, posted, count + 1, head)
                if reason is not None:
                    return ChainReport(count, head, event.seq, reason)
                count, transactions, head = event.seq, transactions + len(posted), event.hash
            if unit.ledger.transaction_count() != transactions:
                return ChainReport(count, head, None, "there are transactions that no event posted")
        return ChainReport(count, head)

    def recompute(self) -> tuple[KeptDifference, ...]:
        """Compare every kept balance with the sum of its entries; empty when all agree."""
        with self._store.snapshot() as unit:
            return tuple(unit.ledger.differences())

    def _replace(
        self, draft: EventDraft, transaction_id: int, effective_at: datetime, posting: Posting | None
    ) -> Posted:
        with self._store.transaction() as unit:
            if unit.ledger.find_event(draft.idempotency_key) is not None:
                return unit.ledger.post(draft, (), self._clock.now())
            original = _reversible(unit.ledger, transaction_id, effective_at)
            drafts = [_reversal(original, effective_at)]
            if posting is not None:
                _require_sound(posting)
                drafts.append(Draft(posting, original.version_of, original.version_no + 1))
            return unit.ledger.post(draft, drafts, self._clock.now())


def _chart(rows: LedgerRows) -> Chart:
    chart = rows.chart()
    if chart is None:
        raise ChartMissingError
    return chart


def _require_sound(posting: Posting) -> None:
    errors = posting_errors(posting)
    if errors:
        raise PostingRefusedError(" ".join([*errors, "Nothing was written."]))


def _reversible(rows: LedgerRows, transaction_id: int, effective_at: datetime) -> Transaction:
    original = rows.transaction(transaction_id)
    if original is None:
        raise ReversalRefusedError(f"There is no transaction {transaction_id}.")
    by = rows.reversal_of(transaction_id)
    if by is not None:
        raise ReversalRefusedError(f"Transaction {transaction_id} was reversed by {by}; correct its newest version.")
    if original.reverses is not None:
        raise ReversalRefusedError(f"Transaction {transaction_id} is itself a reversal; post the amount again instead.")
    if effective_at < original.effective_at:
        raise ReversalRefusedError(f"A reversal cannot take effect before {to_rfc3339(original.effective_at)}.")
    if any(entry.account in CONTROLLED for entry in original.entries):
        raise ReversalRefusedError(f"Transaction {transaction_id} is a fill: the broker's fills stand, reconcile them.")
    return original


def _reversal(original: Transaction, effective_at: datetime) -> Draft:
    posting = Posting(
        book=original.book,
        effective_at=effective_at,
        memo=f"Reversal of {original.id}: {original.memo}",
        entries=tuple(entry.reversed() for entry in original.entries),
    )
    return Draft(posting, original.version_of, original.version_no, reverses=original.id)


def _break(event: Event, posted: tuple[Transaction, ...], seq: int, head: str) -> str | None:
    if event.seq != seq or event.prev_hash != head:
        return "it does not follow the event before it"
    if sha256_hex(event.payload.encode()) != event.input_sha256:
        return "its payload was changed"
    if postings_digest(posted) != event.postings_sha256:
        return "its transactions or entries were changed"
    if event_hash(event) != event.hash:
        return "its record was changed"
    return None
