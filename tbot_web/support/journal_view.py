"""The ledger's journal as the page shows it."""

from __future__ import annotations

from tbot_bot.api.journal import JournalRow
from tbot_bot.domain.money import Money, total
from tbot_web.support import figures
from tbot_web.support.figures import Shown

BOOKS = {"strategy": "Strategy", "holdings": "Holdings"}


def debit(value: str) -> Shown | None:
    """The value on the debit side, if it stands there."""
    return figures.money(value, places=4) if Money.of(value).sign > 0 else None


def credit(value: str) -> Shown | None:
    """The value on the credit side, if it stands there."""
    return figures.money(str(-Money.of(value)), places=4) if Money.of(value).sign < 0 else None


def sums(row: JournalRow) -> tuple[Shown | None, Shown | None, bool]:
    """Debits, credits, and whether they are equal."""
    amounts = [Money.of(entry.value) for entry in row.entries]
    debit_sum = total(amount for amount in amounts if amount.sign > 0)
    credit_sum = total(-amount for amount in amounts if amount.sign < 0)
    return figures.money(str(debit_sum), places=4), figures.money(str(credit_sum), places=4), debit_sum == credit_sum
