"""The ledger as an auditor reads it: its journal, each transaction traced to what caused it, and its trial balance."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tbot_bot.api.model import Message, Page

_DAY = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"


class AskJournal(Message):
    """A page of the transactions that match."""

    account: str | None = Field(
        default=None, pattern=r"^[0-9]{1,4}([.][0-9]{1,4}){0,5}$", description="Only with this account or one below it."
    )
    book: Literal["strategy", "holdings"] | None = Field(default=None, description="Only of this book.")
    from_day: str | None = Field(default=None, pattern=_DAY, description="Only effective on this day, UTC, or later.")
    to_day: str | None = Field(default=None, pattern=_DAY, description="Only effective on this day, UTC, or before.")
    cursor: str | None = Field(default=None, pattern=r"^[0-9]{1,18}$", description="Where the page before ended.")
    limit: int = Field(default=50, ge=1, le=200, description="Most transactions on the page.")


class JournalEntry(Message):
    """One entry of a transaction."""

    account: str = Field(description="Code of the account.")
    account_name: str = Field(description="Name of the account.")
    value: str = Field(description="Signed value: debit above zero, credit below.")
    commodity: str = Field(description="What is held: the currency, or a symbol.")
    quantity: str | None = Field(description="Signed units; null for an amount of money alone.")
    lot: str | None = Field(description="The lot, where the entry belongs to one.")


class JournalRow(Message):
    """One posted transaction with the event that caused it; its entries sum to zero."""

    txn_id: int = Field(description="Number of the transaction.")
    event_seq: int = Field(description="Number of its event in the ledger's chain.")
    kind: str = Field(description="Kind of the event.")
    source: str = Field(description="Where the event came from.")
    external_id: str | None = Field(description="Its id at the source; null where it has none.")
    actor: str = Field(description="Who caused it.")
    hash: str = Field(description="Hash of the event, over all events before it.")
    book: str = Field(description="strategy or holdings.")
    effective_at: str = Field(description="When it takes effect, market time.")
    recorded_at: str = Field(description="When it was recorded, UTC.")
    version_of: int = Field(description="The transaction that this is a version of; itself for the first.")
    version_no: int = Field(description="Number of the version.")
    reverses: int | None = Field(description="The transaction that it reverses; null where it reverses none.")
    memo: str = Field(description="What it is for.")
    execution_id: str | None = Field(description="The fill behind it; null where there is none.")
    trade_id: str | None = Field(description="The trade of that fill; null where there is none.")
    entries: list[JournalEntry] = Field(description="Its entries.")


class JournalPage(Page):
    """Transactions, the last posted first."""

    items: list[JournalRow] = Field(description="The transactions.")


class TrialRow(Message):
    """The balance of one account, on the side where it stands."""

    account: str = Field(description="Code of the account.")
    account_name: str = Field(description="Name of the account.")
    debit: str | None = Field(description="The balance, if it is a debit.")
    credit: str | None = Field(description="The balance, if it is a credit.")


class TrialBalance(Message):
    """Every account that was ever moved, and the proof that debits equal credits."""

    items: list[TrialRow] = Field(description="The accounts, by code.")
    next: str | None = Field(default=None, description="Always null: the list is whole.")
    debit: str = Field(description="Sum of the debits.")
    credit: str = Field(description="Sum of the credits.")
    balanced: bool = Field(description="Whether both are equal.")
    transactions: int = Field(description="How many transactions were posted.")
