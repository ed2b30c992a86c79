"""Ledger vocabulary: entries that sum to zero, the events they come from, and the hash chain over the events.

LedgerError
+-- PostingRefusedError         unbalanced, empty, or an account that takes no such posting
+-- IdempotencyConflictError    the key was used before with other input
+-- ReversalRefusedError        already reversed, unknown, or before the original
+-- LedgerCorruptError          a stored row is not what was written: stop and restore
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from tbot_bot.domain.accounts import CONTROLLED, FUNCTIONAL_CURRENCY
from tbot_bot.domain.canonical import canonical_json
from tbot_bot.domain.money import Money, Quantity, total
from tbot_bot.domain.orders import Book
from tbot_bot.domain.time import to_micros, to_rfc3339

Item = TypeVar("Item")
JsonValue = str | int | bool | None | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
Facts = Mapping[str, JsonValue]

#: What the first event of a ledger names as its predecessor.
GENESIS_HASH = "0" * 64
_NO_UNITS = Quantity.zero()


class LedgerError(Exception):
    """The ledger refused or found something; the message is for a person."""


class PostingRefusedError(LedgerError):
    """A posting that the ledger does not take; nothing was written."""


class IdempotencyConflictError(LedgerError):
    """The same key came with other input; what was posted first stands."""

    def __init__(self, idempotency_key: str) -> None:
        super().__init__(
            f"{idempotency_key!r} was posted before with other content. What was posted first stands; "
            "send the change as a correction under a new key."
        )
        self.idempotency_key = idempotency_key


class ReversalRefusedError(LedgerError):
    """A transaction that cannot be reversed like this; nothing was written."""


class LedgerCorruptError(LedgerError):
    """A stored row is not what was written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a transaction: debit is positive, credit negative.

    `value` is in the functional currency. `quantity` counts units of any other commodity that moved with it; an
    amount of the functional currency is its own quantity, so there it stays zero.
    """

    account: str
    value: Money
    commodity: str = FUNCTIONAL_CURRENCY
    quantity: Quantity = _NO_UNITS
    lot: str | None = None

    def reversed(self) -> Entry:
        """Return the line that undoes this one."""
        return Entry(self.account, -self.value, self.commodity, -self.quantity, self.lot)


@dataclass(frozen=True, slots=True)
class Posting:
    """A transaction to be posted. `effective_at` is market time for what the market did, else wall time."""

    book: Book
    effective_at: datetime
    memo: str
    entries: tuple[Entry, ...]

    def facts(self) -> Facts:
        """The posting as JSON, amounts as text."""
        return {
            "book": self.book.value,
            "effective_at": to_rfc3339(self.effective_at),
            "memo": self.memo,
            "entries": [
                {
                    "account": entry.account,
                    "value": str(entry.value),
                    "commodity": entry.commodity,
                    "quantity": str(entry.quantity),
                    "lot": entry.lot,
                }
                for entry in self.entries
            ],
        }


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction on its way into the ledger: a posting and its place among versions.

    `version_of` is None for a first version. A reversal carries the version that it undoes.
    """

    posting: Posting
    version_of: int | None = None
    version_no: int = 1
    reverses: int | None = None


@dataclass(frozen=True, slots=True)
class EventDraft:
    """What happened, before it has a place in the chain; `facts` is the input that a repeat must match."""

    kind: str
    source: str
    idempotency_key: str
    actor: str
    facts: Facts
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, in its place in the chain."""

    seq: int
    kind: str
    source: str
    external_id: str | None
    idempotency_key: str
    actor: str
    payload: str
    input_sha256: str
    postings_sha256: str
    prev_hash: str
    hash: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Transaction:
    """A posted transaction; it never changes."""

    id: int
    event_seq: int
    book: Book
    effective_at: datetime
    recorded_at: datetime
    version_of: int
    version_no: int
    reverses: int | None
    memo: str
    chart_version: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Posted:
    """The event and its transactions; `is_new` is False when the key had been posted before and nothing was written."""

    event: Event
    transactions: tuple[Transaction, ...]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Balance:
    """What was debited and credited to one account in one commodity, apart, and the units held."""

    account: str
    commodity: str
    debit: Money
    credit: Money
    quantity: Quantity

    @property
    def value(self) -> Money:
        """Debit less credit."""
        return self.debit - self.credit


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A stretch of a list, and the cursor that continues it; None at the end."""

    items: tuple[Item, ...]
    next: int | None


def posting_errors(posting: Posting) -> list[str]:
    """Say why a person's posting cannot be posted, one sentence each; the store knows which accounts exist."""
    errors = []
    if not posting.entries:
        errors.append("A transaction needs at least one entry.")
    difference = total(entry.value for entry in posting.entries)
    if difference:
        errors.append(f"Debits and credits differ by {difference}; they must sum to zero.")
    if any(not entry.value and not entry.quantity for entry in posting.entries):
        errors.append("An entry needs a value or a quantity.")
    controlled = sorted({entry.account for entry in posting.entries} & CONTROLLED)
    errors += [f"Account {code} stands for open lots: fills move it, nothing else." for code in controlled]
    return errors


def sha256_hex(content: bytes) -> str:
    """SHA-256 as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def postings_digest(transactions: Sequence[Transaction]) -> str:
    """Digest of everything an event posted, so that the chain also covers its entries."""
    rows = [
        [
            transaction.id,
            transaction.book.value,
            to_micros(transaction.effective_at),
            transaction.version_of,
            transaction.version_no,
            transaction.reverses,
            transaction.memo,
            transaction.chart_version,
            [[e.account, e.value.units, e.commodity, e.quantity.units, e.lot] for e in transaction.entries],
        ]
        for transaction in transactions
    ]
    return sha256_hex(canonical_json(rows))


def event_hash(event: Event) -> str:
    """Return what `event.hash` must be.

    SHA-256 over the canonical JSON of previous hash, seq, kind, source, external id, key, actor, recorded
    microseconds, input digest and postings digest, in that order.
    """
    return sha256_hex(
        canonical_json(
            [
                event.prev_hash,
                event.seq,
                event.kind,
                event.source,
                event.external_id,
                event.idempotency_key,
                event.actor,
                to_micros(event.recorded_at),
                event.input_sha256,
                event.postings_sha256,
            ]
        )
    )


def chain(draft: EventDraft, seq: int, prev_hash: str, postings_sha256: str, recorded_at: datetime) -> Event:
    """Give an event its place after `prev_hash`."""
    payload = canonical_json(draft.facts)
    event = Event(
        seq=seq,
        kind=draft.kind,
        source=draft.source,
        external_id=draft.external_id,
        idempotency_key=draft.idempotency_key,
        actor=draft.actor,
        payload=payload.decode(),
        input_sha256=sha256_hex(payload),
        postings_sha256=postings_sha256,
        prev_hash=prev_hash,
        hash="",
        recorded_at=recorded_at,
    )
    return replace(event, hash=event_hash(event))


def require_same_input(event: Event, draft: EventDraft) -> None:
    """Raise IdempotencyConflictError unless a repeated key came with the input it was first posted with."""
    if sha256_hex(canonical_json(draft.facts)) != event.input_sha256:
        raise IdempotencyConflictError(draft.idempotency_key)
