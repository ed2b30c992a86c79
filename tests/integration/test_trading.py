"""Sessions traded from open to close: broker, books and ledger agree after each."""

from __future__ import annotations

from tbot_bot.config.paths import Home
from tests.integration.conftest import SPEED_MAX, HomeMaker
from tests.integration.evidence import (
    assert_audit_is_whole,
    assert_books_are_sound,
    booked,
    ledger_rows,
    reconciliations,
)
from tests.integration.homes import running, start_trading
from tests.support.running import wait_for


def closed_sessions(home: Home) -> list[str]:
    """The days whose close was reconciled, in order."""
    return [row["session_day"] for row in reconciliations(home) if row["started_by"] == "session close"]


def assert_every_reconciliation_is_clean(home: Home) -> None:
    found = reconciliations(home)
    assert [row for row in found if not row["is_clean"]] == []


def test_several_sessions_of_the_synthetic_market(new_home: HomeMaker) -> None:
    home = new_home(SIM_SPEED=SPEED_MAX)
    with running(home):
        start_trading(home)
        wait_for(lambda: len(closed_sessions(home.home)) >= 4, 60, lambda: str(home.status()["bots"][0]))
        bot = home.status()["bots"][0]
        assert (bot["tied_out"], bot["trial_balance_ok"]) == (True, True)
    assert_every_reconciliation_is_clean(home.home)
    assert len(booked(home.home)) >= 4
    assert len(ledger_rows(home.home, "SELECT 1 FROM session_result WHERE equity_at_close IS NOT NULL")) >= 4
    assert_books_are_sound(home.home)
    assert_audit_is_whole(home.home)
