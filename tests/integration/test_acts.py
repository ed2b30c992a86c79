"""Pause, Stop and Kill in a running market with open positions: what each does, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.conftest import HomeMaker
from tests.integration.evidence import (
    IDENTITY,
    assert_audit_is_whole,
    assert_books_are_sound,
    audited,
    ledger_rows,
    logged,
    reconciliations,
    states,
    venue_rows,
)
from tests.integration.homes import TRADING, open_positions, processes_of, running, start_trading, with_positions
from tests.support.running import PASSWORD, Refused, RunningHome, wait_for


def entries(home: RunningHome) -> int:
    """How many entries were ever sent."""
    sent = "SELECT count(*) FROM trade_order WHERE role = 'entry' AND broker_order_id <> ''"
    return int(ledger_rows(home.home, sent)[0][0])


def market_time(home: RunningHome) -> str:
    return str(home.status()["market_time"])


def refusal(do: Callable[[], object]) -> dict[str, object]:
    with pytest.raises(Refused) as refused:
        do()
    return refused.value.problem


def test_pause_resume_stop_and_a_closing_that_is_cancelled(new_home: HomeMaker) -> None:
    home = new_home()
    with running(home):
        assert refusal(lambda: home.ask("control.pause"))["code"] == "act_refused"
        start_trading(home)
        with_positions(home)
        home.ask("control.pause", reason="lunch")
        wait_for(lambda: home.status()["bots"][0]["pause_reason"] == "lunch", 5)
        before, until = entries(home), market_time(home)[:11] + "16:00:00Z"
        assert home.status()["bots"][0]["paused"]
        assert refusal(lambda: home.ask("control.pause"))["code"] == "act_refused"
        wait_for(lambda: market_time(home) > until or open_positions(home) == 0, 30)
        assert entries(home) == before  # nothing new was entered; what was open is managed
        assert home.ask("control.resume")["message"] == "Entries are allowed again."
        wait_for(lambda: not home.status()["bots"][0]["paused"], 5)
        with_positions(home)

        shown = home.ask("control.preview", act="stop")
        assert (shown["allowed"], len(shown["positions"])) == (True, open_positions(home))
        home.raise_flag("control_stop.flag")  # nobody is named: to stop is always allowed
        wait_for(lambda: home.state() == "graceful_closing_positions", 10)
        home.ask("control.cancel_closing", reason="changed my mind")
        wait_for(lambda: home.state() in TRADING, 10)
        assert refusal(lambda: home.ask("control.cancel_closing"))["code"] == "wrong_phase"

        wait_for(lambda: [row["started_by"] for row in reconciliations(home.home)].count("boot") >= 2, 20)
        home.raise_flag("control_stop.flag")
        wait_for(lambda: home.state() == "stopped", 30, lambda: str(home.ask("control.state")["closing"]))
        closing = home.ask("control.state")["closing"]
        assert (closing["kind"], closing["residuals"]) == ("stop", [])
        assert [step["status"] for step in closing["steps"]] == ["done"] * 5
        wait_for(lambda: open_positions(home) == 0, 5)
        assert venue_rows(home.home, "SELECT 1 FROM orders WHERE is_final = 0") == []
    assert [record["result"] for record in audited(home.home, "control.stop") if record["phase"] == "event"] == [
        "ok"
    ] * 2
    assert audited(home.home, "control.pause")[-1]["detail"] == {"reason": "lunch"}
    assert_books_are_sound(home.home)
    assert_audit_is_whole(home.home)


def test_kill_closes_everything_and_stays_until_an_administrator_resets_it(new_home: HomeMaker) -> None:
    home = new_home()
    switch, pulled = home.home.flags / "kill_armed", home.home.flags / "control_kill.flag"
    with running(home):
        assert switch.is_file()
        start_trading(home)
        with_positions(home, 2)
        switch.rename(pulled)
        wait_for(lambda: home.state() == "emergency_closing_positions", 10)
        wait_for(lambda: home.state() == "stopped", 30, lambda: str(home.ask("control.state")["closing"]))
        sent = entries(home)
        wait_for(lambda: open_positions(home) == 0, 5)
        assert venue_rows(home.home, "SELECT 1 FROM orders WHERE is_final = 0") == []
        summary = home.status()["summary"]
        assert (summary["overall_status"], summary["bots_in_kill_switch"]) == ("Critical", "1/1")

        assert refusal(lambda: home.ask("control.issue_start"))["code"] == "act_refused"
        pulled.unlink()  # taking the file away is no reset
        assert refusal(lambda: home.ask("control.issue_start"))["code"] == "act_refused"
        name = str(IDENTITY)
        assert "typed" in refusal(lambda: home.ask("control.reset", reason="done"))["fields"]
        assert "typed" in refusal(lambda: home.ask("control.reset", typed="RIGD", reason="done"))["fields"]
        assert "reason" in refusal(lambda: home.ask("control.reset", typed=name, reason="  "))["fields"]
        assert refusal(lambda: home.ask("control.reset", typed=name, reason="done"))["code"] == "step_up_needed"
        assert refusal(lambda: home.ask_sealed("session.step_up", {"password": "wrong"}))["status"] in (401, 409)
        home.session = home.ask_sealed("session.step_up", {"password": PASSWORD})["session"]
        early = refusal(lambda: home.ask("control.reset", typed=name, reason="done"))
        assert early["code"] == "reset_too_soon"
        assert 0 < int(str(early["retry_after_s"])) <= 60
    with running(home):
        assert home.state() == "stopped"
        assert home.ask("control.state")["kill_triggered"]
        assert refusal(lambda: home.ask("control.issue_start"))["code"] == "act_refused"
        assert entries(home) == sent
    assert [state for state, _ in states(home.home)].count("emergency_closing_positions") == 1
    assert logged(home.home, "state")
    assert_books_are_sound(home.home)
    assert_audit_is_whole(home.home)


def test_kill_while_the_runner_is_gone_is_obeyed_when_it_comes_back(new_home: HomeMaker) -> None:
    home = new_home()
    with running(home):
        start_trading(home)
        with_positions(home)
        home.end(9)
    (home.home.flags / "kill_armed").rename(home.home.flags / "control_kill.flag")
    with running(home):
        wait_for(lambda: home.state() == "stopped", 40, lambda: str(states(home.home)[-4:]))
        wait_for(lambda: open_positions(home) == 0, 5)
        assert home.ask("control.state")["kill_triggered"]
    history = [state for state, _ in states(home.home)]
    assert "emergency_closing_positions" in history
    assert not set(history[history.index("emergency_closing_positions") :]) & TRADING
    assert_books_are_sound(home.home)


def test_a_kill_closes_with_a_bot_that_hangs(new_home: HomeMaker) -> None:
    home = new_home()
    with running(home):
        start_trading(home)
        with_positions(home)
        bot = processes_of(home.home.root)["bot"]
        bot.suspend()
        try:
            (home.home.flags / "kill_armed").rename(home.home.flags / "control_kill.flag")
            wait_for(lambda: home.state() == "stopped", 40, lambda: str(home.ask("control.state")["closing"]))
            assert ledger_rows(home.home, "SELECT symbol FROM trade WHERE closed_us IS NULL") == []
        finally:
            bot.resume()
    assert_books_are_sound(home.home)


def test_stop_before_the_market_opens_with_nothing_open_stops(new_home: HomeMaker) -> None:
    home = new_home(SIM_SPEED="1")  # two minutes before the first open, and they take two minutes
    with running(home):
        start_trading(home)
        assert home.status()["bots"][0]["market_open"] is False
        home.raise_flag("control_stop.flag")
        wait_for(lambda: home.state() == "stopped", 20)
        start_trading(home)
