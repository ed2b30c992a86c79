"""The chart of accounts: a tree of codes, what each is for, and the chart a trading entity starts with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tbot_bot.domain.orders import Book

#: The one currency in which a home keeps its books; other cash is a commodity.
FUNCTIONAL_CURRENCY = "USD"

CODE = re.compile(r"[1-5](\.\d\d)*")


class ChartError(ValueError):
    """A chart that breaks its own rules; the message names the account."""


class AccountType(StrEnum):
    """What an account is in the accounting equation; the first digit of its code."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"


_TYPE_OF_DIGIT = dict(zip("12345", AccountType, strict=True))


@dataclass(frozen=True, slots=True)
class Account:
    """One account; its code says where it stands: `1.10.20` is below `1.10`, which is below `1`.

    `at_broker` marks cash that the broker holds for us, so that it counts when cash is compared with the broker's.
    """

    code: str
    name: str
    at_broker: bool = False

    @property
    def parent(self) -> str | None:
        """The code one level up; None at the top."""
        return self.code.rpartition(".")[0] or None

    @property
    def type(self) -> AccountType:
        """Follows from the top of the tree, so it is always the parent's."""
        return _TYPE_OF_DIGIT[self.code[0]]


@dataclass(frozen=True, slots=True)
class Chart:
    """The accounts in force from one version on, and whose they are."""

    version: int
    currency: str
    entity: str
    jurisdiction: str
    created_at: datetime
    updated_at: datetime
    accounts: tuple[Account, ...]

    def account(self, code: str) -> Account | None:
        """Return the account with this code, None if the chart has none."""
        return next((account for account in self.accounts if account.code == code), None)


CASH_FLOAT = "1.10.10"
CASH_TAX_RESERVE = "1.10.20"
CASH_PAYROLL_RESERVE = "1.10.30"
CASH_CLEARING = "1.10.40"
STRATEGY_POSITIONS = "1.20.10"
HOLDINGS_POSITIONS = "1.20.20"
SUSPENSE = "1.90.10"
CONTRIBUTED_CAPITAL = "3.10.10"
DISTRIBUTIONS = "3.10.20"
STRATEGY_RESULT = "4.10.10"
HOLDINGS_RESULT = "4.10.20"
DIVIDENDS = "4.20.10"
INTEREST_RECEIVED = "4.20.20"
STRATEGY_FEES = "5.10.10"
HOLDINGS_FEES = "5.10.20"
BROKER_CHARGES = "5.10.30"
INTEREST_PAID = "5.20.10"
WITHHOLDING_TAX = "5.30.10"
ROUNDING = "5.90.10"

#: Where the fills of each book go: positions at cost, realised result before fees, fees.
POSITIONS_OF = {Book.STRATEGY: STRATEGY_POSITIONS, Book.HOLDINGS: HOLDINGS_POSITIONS}
RESULT_OF = {Book.STRATEGY: STRATEGY_RESULT, Book.HOLDINGS: HOLDINGS_RESULT}
FEES_OF = {Book.STRATEGY: STRATEGY_FEES, Book.HOLDINGS: HOLDINGS_FEES}
#: Accounts that stand for the open lots: fills move them, nobody else.
CONTROLLED = frozenset(POSITIONS_OF.values())

DEFAULT_ACCOUNTS: tuple[Account, ...] = (
    Account("1", "Assets"),
    Account("1.10", "Cash"),
    Account(CASH_FLOAT, "Trading float", at_broker=True),
    Account(CASH_TAX_RESERVE, "Tax reserve", at_broker=True),
    Account(CASH_PAYROLL_RESERVE, "Payroll reserve", at_broker=True),
    Account(CASH_CLEARING, "Cash in transit"),
    Account("1.20", "Positions at cost"),
    Account(STRATEGY_POSITIONS, "Strategy positions"),
    Account(HOLDINGS_POSITIONS, "Holdings"),
    Account("1.90", "Unresolved"),
    Account(SUSPENSE, "Suspense"),
    Account("2", "Liabilities"),
    Account("2.10", "Payables"),
    Account("2.10.10", "Taxes payable"),
    Account("2.10.20", "Payroll payable"),
    Account("3", "Equity"),
    Account("3.10", "Capital"),
    Account(CONTRIBUTED_CAPITAL, "Contributed capital"),
    Account(DISTRIBUTIONS, "Distributions"),
    Account("4", "Income"),
    Account("4.10", "Realised results before fees"),
    Account(STRATEGY_RESULT, "Realised result, strategy"),
    Account(HOLDINGS_RESULT, "Realised result, holdings"),
    Account("4.20", "Investment income"),
    Account(DIVIDENDS, "Dividends"),
    Account(INTEREST_RECEIVED, "Interest received"),
    Account("5", "Expenses"),
    Account("5.10", "Trading costs"),
    Account(STRATEGY_FEES, "Commission and regulatory fees, strategy"),
    Account(HOLDINGS_FEES, "Commission and regulatory fees, holdings"),
    Account(BROKER_CHARGES, "Other broker charges"),
    Account("5.20", "Financing"),
    Account(INTEREST_PAID, "Interest and borrowing costs"),
    Account("5.30", "Taxes"),
    Account(WITHHOLDING_TAX, "Withholding tax"),
    Account("5.90", "Adjustments"),
    Account(ROUNDING, "Rounding differences"),
)


def chart_errors(accounts: Sequence[Account]) -> list[str]:
    """Say what is wrong with a chart, one sentence each; an empty list is a sound chart."""
    return [error for rule in _RULES for error in rule(accounts)]


def require_chart(accounts: Sequence[Account]) -> None:
    """Raise ChartError with every sentence of `chart_errors` unless the chart is sound."""
    errors = chart_errors(accounts)
    if errors:
        raise ChartError(" ".join(errors))


def leaves(accounts: Sequence[Account]) -> frozenset[str]:
    """Return the codes that take postings: those without an account below."""
    parents = {account.parent for account in accounts}
    return frozenset(account.code for account in accounts if account.code not in parents)


def _codes_are_well_formed(accounts: Sequence[Account]) -> list[str]:
    wrong = [account.code for account in accounts if not CODE.fullmatch(account.code)]
    return [f"Account code {code!r} is not like 1.10.20." for code in wrong]


def _codes_are_unique(accounts: Sequence[Account]) -> list[str]:
    codes = [account.code for account in accounts]
    return [f"Account code {code} is used twice." for code in sorted({code for code in codes if codes.count(code) > 1})]


def _parents_exist(accounts: Sequence[Account]) -> list[str]:
    codes = {account.code for account in accounts}
    orphans = [account for account in accounts if account.parent is not None and account.parent not in codes]
    return [f"Account {account.code} has no parent {account.parent}." for account in orphans]


def _names_are_given(accounts: Sequence[Account]) -> list[str]:
    return [f"Account {account.code} has no name." for account in accounts if not account.name.strip()]


def _own_accounts_take_postings(accounts: Sequence[Account]) -> list[str]:
    missing = _NEEDED - leaves(accounts)
    return [f"Account {code} must exist and have none below it: the bot posts to it." for code in sorted(missing)]


#: The accounts that the house itself posts to; a chart may rename them but not lose them.
_NEEDED = leaves(DEFAULT_ACCOUNTS)
_RULES = (
    _codes_are_well_formed,
    _codes_are_unique,
    _parents_exist,
    _names_are_given,
    _own_accounts_take_postings,
)
