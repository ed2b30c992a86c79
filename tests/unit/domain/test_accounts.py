from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tbot_bot.domain.accounts import (
    CASH_FLOAT,
    CONTROLLED,
    DEFAULT_ACCOUNTS,
    Account,
    AccountType,
    Chart,
    ChartError,
    chart_errors,
    leaves,
    require_chart,
)

EXTRA = Account("1.10.10.10", "Below the float")


def test_the_default_chart_is_sound():
    require_chart(DEFAULT_ACCOUNTS)
    assert leaves(DEFAULT_ACCOUNTS) >= CONTROLLED


def test_type_and_parent_follow_from_the_code():
    account = Account("5.10.20", "Fees")
    assert (account.type, account.parent) == (AccountType.EXPENSE, "5.10")
    assert Account("1", "Assets").parent is None
    for below in DEFAULT_ACCOUNTS:
        above = next((account for account in DEFAULT_ACCOUNTS if account.code == below.parent), below)
        assert above.type is below.type


def test_only_accounts_without_others_below_take_postings():
    assert "1.10" not in leaves(DEFAULT_ACCOUNTS)
    assert CASH_FLOAT in leaves(DEFAULT_ACCOUNTS)
    assert leaves([*DEFAULT_ACCOUNTS, EXTRA]) >= {EXTRA.code}


@pytest.mark.parametrize(
    ("accounts", "sentence"),
    [
        ([*DEFAULT_ACCOUNTS, Account("9", "x")], "Account code '9' is not like 1.10.20."),
        ([*DEFAULT_ACCOUNTS, Account("1.1", "x")], "Account code '1.1' is not like 1.10.20."),
        ([*DEFAULT_ACCOUNTS, DEFAULT_ACCOUNTS[3]], f"Account code {DEFAULT_ACCOUNTS[3].code} is used twice."),
        ([*DEFAULT_ACCOUNTS, Account("4.77.10", "x")], "Account 4.77.10 has no parent 4.77."),
        ([*DEFAULT_ACCOUNTS, Account("4.77", " ")], "Account 4.77 has no name."),
        (
            [*DEFAULT_ACCOUNTS, EXTRA],
            f"Account {CASH_FLOAT} must exist and have none below it: the bot posts to it.",
        ),
        (
            [account for account in DEFAULT_ACCOUNTS if account.code != CASH_FLOAT],
            f"Account {CASH_FLOAT} must exist and have none below it: the bot posts to it.",
        ),
    ],
)
def test_each_rule_names_the_account_that_breaks_it(accounts, sentence):
    assert chart_errors(accounts) == [sentence]
    with pytest.raises(ChartError, match="Account"):
        require_chart(accounts)


def test_a_chart_finds_its_accounts():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    chart = Chart(1, "USD", "RIGD", "US", now, now, DEFAULT_ACCOUNTS)
    assert chart.account(CASH_FLOAT) == Account(CASH_FLOAT, "Trading float", at_broker=True)
    assert replace(chart, accounts=()).account(CASH_FLOAT) is None
