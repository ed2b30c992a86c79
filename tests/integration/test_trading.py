"""Sessions traded from open to close: broker, books and ledger agree after each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tbot_bot.config.paths import Home
from tests.integration.conftest import SPEED_FAST, HomeMaker
from tests.integration.evidence import (
    assert_audit_is_whole,
    assert_books_are_sound,
    booked,
    ledger_rows,
    reconciliations,
    states,
)
from tests.integration.homes import running, start_trading, with_positions
from tests.integration.replays import DAYS, SYMBOLS, write_csv, write_zips
from tests.support.running import REPOSITORY, RunningHome, wait_for

RECORDED_BARS = REPOSITORY.parent / "shared" / "data" / "bars"


def closed_sessions(home: Home) -> list[str]:
    """The days whose close was reconciled, in order."""
    return [row["session_day"] for row in reconciliations(home) if row["started_by"] == "session close"]


def assert_traded_and_sound(home: Home) -> None:
    assert [row for row in reconciliations(home) if not row["is_clean"]] == []
    assert_books_are_sound(home)
    assert_audit_is_whole(home)


def play_to_the_end(home: RunningHome) -> dict[str, object]:
    """Trade until the market ends by itself; the bot's status then."""
    with running(home):
        start_trading(home)
        wait_for(lambda: home.status()["bots"][0]["state"] == "stopped", 60, lambda: str(home.status()["bots"][0]))
        return home.status()["bots"][0]


def test_several_sessions_of_the_synthetic_market(new_home: HomeMaker) -> None:
    home = new_home(SIM_SPEED=SPEED_FAST)
    with running(home):
        start_trading(home)
        wait_for(lambda: len(closed_sessions(home.home)) >= 3, 60, lambda: str(home.status()["bots"][0]))
        bot = home.status()["bots"][0]
        assert (bot["tied_out"], bot["trial_balance_ok"]) == (True, True)
    assert len(booked(home.home)) >= 4
    assert len(ledger_rows(home.home, "SELECT 1 FROM session_result WHERE equity_at_close IS NOT NULL")) >= 3
    assert_traded_and_sound(home.home)


def test_the_speed_does_not_change_what_is_traded(new_home: HomeMaker) -> None:
    first, second = (traded_at(new_home(speed, SIM_SPEED=speed)) for speed in ("5000", "36000"))
    assert len(first) >= 3
    assert first == second


def traded_at(home: RunningHome) -> list[tuple[object, ...]]:
    """Every trade of the first session, to the microsecond of market time."""
    with running(home):
        start_trading(home)
        wait_for(lambda: bool(closed_sessions(home.home)), 60, lambda: str(home.status()["bots"][0]))
        (day, *_) = closed_sessions(home.home)
    trades = ledger_rows(home.home, "SELECT * FROM trade ORDER BY trade_id")
    return [tuple(row) for row in trades if row["session_day"] == day]


@pytest.mark.parametrize("write", [write_zips, write_csv])
def test_a_replay_is_traded_to_its_end(new_home: HomeMaker, tmp_path: Path, write: Callable[[Path], Path]) -> None:
    bot = play_to_the_end(new_home(SIM_SPEED="2400", SIM_FEED="replay", SIM_REPLAY_DIR=str(write(tmp_path / "bars"))))
    home = Home(tmp_path / "home")
    assert bot["market_note"] == f"the replay has no session after {DAYS[-1]}"
    closed, last = closed_sessions(home), DAYS[-1].isoformat()
    assert closed in ([day.isoformat() for day in DAYS], [last])  # a busy machine may come up after the first close
    assert ("graceful_closing_positions", bot["market_note"]) in states(home)
    traded = {row[0] for row in ledger_rows(home, "SELECT DISTINCT symbol FROM trade")}
    assert traded == set(SYMBOLS)
    assert bot["open_positions"] == 0
    assert_traded_and_sound(home)


@pytest.mark.skipif(not RECORDED_BARS.is_dir(), reason="no recorded bars beside the checkout")
def test_recorded_days_are_traded_and_tied_out(new_home: HomeMaker, tmp_path: Path) -> None:
    bot = play_to_the_end(new_home(SIM_SPEED="3600", SIM_FEED="replay", SIM_REPLAY_DIR=str(RECORDED_BARS.resolve())))
    home = Home(tmp_path / "home")
    assert closed_sessions(home) == ["2013-10-04", "2013-10-07", "2013-10-08", "2013-10-09"]
    assert int(str(bot["trades_ever"])) >= 2
    assert_traded_and_sound(home)


def test_positions_taken_over_by_a_new_process_do_not_stand_in_the_way_of_the_next_day(
    new_home: HomeMaker, tmp_path: Path
) -> None:
    days = (*DAYS, date(2013, 10, 8), date(2013, 10, 9))
    bars = write_csv(tmp_path / "bars", days, is_flat=True)
    home = new_home(SIM_SPEED="1800", SIM_FEED="replay", SIM_REPLAY_DIR=str(bars))
    with running(home):
        start_trading(home)
        with_positions(home, len(SYMBOLS))
        home.end()
    held = traded_on(home.home)
    with running(home):  # what is open is closed by time, and the next session is entered as if nothing had been
        wait_for(lambda: traded_on(home.home) > held, 60, lambda: str(home.status()["bots"][0]))
        with_positions(home, len(SYMBOLS))
    assert_traded_and_sound(home.home)


def traded_on(home: Home) -> str:
    """The last session day with a trade."""
    return str(ledger_rows(home, "SELECT max(session_day) FROM trade")[0][0])
