"""The port of the ledger: what accounting and trading need of whoever stores it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tbot_bot.domain.accounts import Chart
from tbot_bot.domain.entries import Balance, Draft, Event, EventDraft, Page, Posted, Transaction


@dataclass(frozen=True, slots=True)
class KeptDifference:
    """A kept balance that is not the sum of its entries; `day` is None for the running one, else days since 1970."""

    account: str
    commodity: str
    day: int | None
    kept: tuple[int, int, int] | None
    summed: tuple[int, int, int] | None


class LedgerRows(Protocol):
    """The ledger inside one transaction of the database."""

    def post(self, draft: EventDraft, transactions: Sequence[Draft], recorded_at: datetime) -> Posted:
        """Append an event with its transactions and keep the balances; a key seen before writes nothing.

        Raises IdempotencyConflictError, PostingRefusedError.
        """
        ...

    def add_chart(self, draft: EventDraft, chart: Chart) -> Chart:
        """Store a version of the chart with its event; one stored under the same key is returned unchanged.

        Raises IdempotencyConflictError.
        """
        ...

    def chart(self) -> Chart | None:
        """Return the chart in force, None before there is one."""
        ...

    def find_event(self, idempotency_key: str) -> Posted | None:
        """Return what was posted under a key."""
        ...

    def transaction(self, transaction_id: int) -> Transaction | None:
        """Return one transaction."""
        ...

    def reversal_of(self, transaction_id: int) -> int | None:
        """Return the id of the transaction that reverses this one."""
        ...

    def page(self, account: str | None, before: int | None, limit: int) -> Page[Transaction]:
        """Return transactions newest first, those of one account if it is named."""
        ...

    def balances(self, as_of: datetime | None) -> Sequence[Balance]:
        """Return every balance, now or by effective time up to and including `as_of`."""
        ...

    def events(self) -> Iterator[tuple[Event, tuple[Transaction, ...]]]:
        """Yield every event with its transactions, oldest first."""
        ...

    def transaction_count(self) -> int:
        """Count the transactions."""
        ...

    def differences(self) -> Sequence[KeptDifference]:
        """Compare every kept balance with the sum of its entries."""
        ...


class LedgerUnit(Protocol):
    """What one transaction of the database offers to accounting."""

    @property
    def ledger(self) -> LedgerRows: ...


class LedgerStore(Protocol):
    """Where the ledger lives."""

    def transaction(self) -> AbstractContextManager[LedgerUnit]:
        """Hold the write lock: everything inside is written together, durably, or not at all."""
        ...

    def snapshot(self) -> AbstractContextManager[LedgerUnit]:
        """Read one consistent moment without waiting for a writer."""
        ...
