"""Backups of a system that runs: snapshots while it trades, restores that end in a bot that ties out and goes on."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tbot_bot.control.exit_codes import START_AGAIN
from tests.integration.conftest import HomeMaker
from tests.integration.evidence import (
    IDENTITY,
    assert_audit_is_whole,
    assert_books_are_sound,
    assert_every_fill_is_booked_once,
    audited,
    booked,
    reconciliations,
    states,
)
from tests.integration.homes import TRADING, all_gone, open_positions, running, start_trading, with_positions
from tests.integration.launches import is_up, launched, said
from tests.support.running import PASSWORD, Refused, RunningHome, wait_for


def step_up(home: RunningHome) -> None:
    home.session = home.ask_sealed("session.step_up", {"password": PASSWORD})["session"]


def stop(home: RunningHome) -> None:
    home.raise_flag("control_stop.flag")
    wait_for(lambda: home.state() == "stopped", 60, lambda: str(home.ask("control.state")))


def restore(home: RunningHome, name: str, *parts: str) -> dict[str, Any]:
    """Preview, step up, restore."""
    shown = home.ask("backups.preview", id=name, parts=parts)
    assert shown["refusal"] == ""
    step_up(home)
    return home.ask("backups.restore", id=name, parts=parts, digest=shown["digest"], reason="a test")


def ended_to_start_again(home: RunningHome) -> None:
    assert home.ended() == START_AGAIN
    all_gone(home.home.root)


def test_a_restored_ledger_catches_up_with_the_broker_and_every_fill_is_posted_once(new_home: HomeMaker) -> None:
    home = new_home()
    with running(home):
        start_trading(home)
        with_positions(home)
        made = home.ask("backups.make", reason="while trading")
        then = booked(home.home)
        wait_for(lambda: len(booked(home.home)) >= len(then) + 4, 60, lambda: str(home.status()["bots"][0]))
        stop(home)
        now = booked(home.home)
        assert home.ask("backups.verify", id=made["id"])["problem"] == ""
        answer = restore(home, made["id"], "ledger")
        assert answer["restarts"]
        ended_to_start_again(home)
    with running(home):
        assert home.state() == "error"
        home.log_in()
        assert "ledger was restored" in home.ask("control.state")["error"]
        step_up(home)
        home.ask("control.reset", typed=str(IDENTITY), reason="looked at it")
        start_trading(home)
        assert now.items() <= booked(home.home).items()
        assert_every_fill_is_booked_once(home.home)
        with_positions(home)
        stop(home)
        wait_for(lambda: open_positions(home) == 0, 10)
    assert reconciliations(home.home)[-1]["is_clean"]
    assert [state for state, _ in states(home.home)].count("error") == 1
    (record,) = audited(home.home, "restore.commit")
    assert record["detail"]["lost"]["ledger"]["seq"] > 0
    assert_books_are_sound(home.home)
    assert_audit_is_whole(home.home)


def test_all_of_a_snapshot_comes_back_under_the_launcher_at_once(new_home: HomeMaker) -> None:
    home = new_home()
    with launched(home) as launch:
        made = home.ask("backups.make", reason="before")
        before = home.ask("web.keys")["generation"]
        home.ask_sealed("account.change_password", {"current": PASSWORD, "new": "another fine password"})
        shown = home.ask("backups.preview", id=made["id"], parts=["secrets", "users", "audit", "control", "ledger"])
        home.session = home.ask_sealed("session.step_up", {"password": "another fine password"})["session"]
        began = time.monotonic()
        answer = home.ask(
            "backups.restore",
            id=made["id"],
            parts=["secrets", "users", "audit", "control", "ledger"],
            digest=shown["digest"],
            reason="all of it",
        )
        assert answer["generation"] == before + 2
        home.hang_up()
        wait_for(lambda: said(launch, "runner asked to be started again"), 20, lambda: "\n".join(launch.lines))
        wait_for(lambda: is_up(launch), 30)
        assert time.monotonic() - began < 60
        assert not said(launch, "next start in")
        with pytest.raises(Refused, match="not_signed_in"):
            home.ask("backups.list")
        home.log_in()  # with the password of then
        assert home.state() == "error"
        listed = home.ask("backups.list")["items"]
        assert listed[0]["generation"] == before + 2
        assert made["id"] in [one["id"] for one in listed]
        home.hang_up()
    (record,) = audited(home.home, "restore.commit")
    assert record["actor"] == "ada"
    assert record["detail"]["lost"].keys() == {"audit", "ledger"}
    assert_audit_is_whole(home.home)


def test_one_is_made_when_the_set_up_ends_and_none_while_it_trades_is_restored(new_home: HomeMaker) -> None:
    home = new_home()
    with running(home):
        (nightly,) = wait_for(lambda: [one for one in home.ask("backups.list")["items"] if one["kind"] == "snapshot"])
        assert (nightly["actor"], nightly["reason"]) == ("system", "nightly")
        assert home.ask("backups.verify", id=nightly["id"])["health"] == "whole"
        start_trading(home)
        assert home.state() in TRADING
        with pytest.raises(Refused, match="wrong_phase"):
            home.ask("backups.preview", id=nightly["id"], parts=["ledger"])
        with pytest.raises(Refused, match="wrong_phase"):
            home.ask("backups.restore", id=nightly["id"], parts=["ledger"], digest="", reason="no")
