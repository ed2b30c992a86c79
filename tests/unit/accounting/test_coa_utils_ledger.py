import pytest

from tbot_bot.accounting.coa_utils_ledger import ChartMissingError, create_chart, load_chart
from tbot_bot.accounting.ledger import Ledger
from tbot_bot.domain.accounts import DEFAULT_ACCOUNTS, Account, ChartError
from tbot_bot.domain.entries import IdempotencyConflictError, PostingRefusedError
from tbot_bot.domain.money import Money
from tbot_bot.storage.ledger_database import LedgerDatabase
from tests.ledger_books import OPEN_AT, WALL, StandingClock


@pytest.fixture
def database(tmp_path):
    database = LedgerDatabase.open(tmp_path / "LEDGER.db")
    yield database
    database.close()


def test_the_chart_is_made_once_with_its_metadata(database):
    made = create_chart(database, StandingClock(), entity="RIGD", jurisdiction="US")
    again = create_chart(database, StandingClock(OPEN_AT), entity="RIGD", jurisdiction="US")
    assert made == again == load_chart(database)
    assert (made.version, made.currency, made.entity, made.jurisdiction) == (1, "USD", "RIGD", "US")
    assert made.created_at == made.updated_at == WALL
    assert set(made.accounts) == set(DEFAULT_ACCOUNTS)
    assert Ledger(database, StandingClock()).verify_chain().events == 1


def test_another_chart_over_the_first_is_refused(database):
    create_chart(database, StandingClock(), entity="RIGD", jurisdiction="US")
    with pytest.raises(IdempotencyConflictError):
        create_chart(database, StandingClock(), entity="OTHER", jurisdiction="US")


def test_an_unsound_chart_is_refused(database):
    with pytest.raises(ChartError, match="no parent"):
        create_chart(
            database,
            StandingClock(),
            entity="RIGD",
            jurisdiction="US",
            accounts=[*DEFAULT_ACCOUNTS, Account("2.77.10", "x")],
        )
    with pytest.raises(ChartMissingError):
        load_chart(database)


def test_without_a_chart_nothing_is_posted(database):
    ledger = Ledger(database, StandingClock())
    with pytest.raises(PostingRefusedError, match="no chart of accounts yet"):
        ledger.post_opening_balance(Money.of("1"), OPEN_AT, "SIM")
    with pytest.raises(ChartMissingError):
        ledger.trial_balance()
