"""A damaged home, from its start to a normal one: the desk, its token, a restore from a snapshot, the record of it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tbot_bot.config.paths import Home
from tests.browser.launched import Launched, launched
from tests.integration.conftest import HomeMaker
from tests.integration.evidence import IDENTITY, assert_audit_is_whole, assert_books_are_sound, audited
from tests.integration.homes import running
from tests.integration.launches import said
from tests.support.damages import (
    EVERYTHING,
    GARBAGE,
    flip_a_secret,
    lose_all_but_the_backups,
    roll_the_generation_back,
    without_log,
)
from tests.support.running import PASSWORD, Refused, RunningHome, wait_for


@pytest.mark.parametrize("damage", [flip_a_secret, lose_all_but_the_backups], ids=lambda damage: damage.__name__)
def test_from_damage_back_to_a_normal_start(new_home: HomeMaker, damage: Callable[[Home], None]) -> None:
    home, snapshot = with_a_snapshot(new_home)
    damage(home.home)
    with home:
        home.start()
        assert home.said().startswith(f"The home {home.home.root} is damaged and was not opened:\n  - ")
        at_the_desk(home)
        restored = restore(home, snapshot, EVERYTHING)
        assert restored["restarts"]
        home.ended()
    back_to_normal(home, snapshot)


def test_killed_at_the_desk_nothing_is_lost(new_home: HomeMaker) -> None:
    """With the token used, the next start is at the desk again; with the restore accepted, it is carried out."""
    home, snapshot = with_a_snapshot(new_home)
    flip_a_secret(home.home)
    for step in (1, 2):
        with home:
            home.start()
            assert home.state() == "error"
            at_the_desk(home)
            if step > 1:
                restore(home, snapshot, EVERYTHING)
            home.end(signal.SIGKILL)
    back_to_normal(home, snapshot)


def test_the_launcher_stays_up_and_prints_the_way_back(new_home: HomeMaker) -> None:
    home, snapshot = with_a_snapshot(new_home)
    roll_the_generation_back(home.home)
    with launched(Launched(home.home.root)) as launch:
        wait_for(lambda: said(launch, "/recovery/?setup="), 60, lambda: "\n".join(launch.lines))
        token = next(line for line in launch.lines if "setup=" in line).rpartition("setup=")[2]
        assert said(launch, "is damaged and was not opened")
        assert said(launch, "Keys and secrets:")
        home.setup_session = home.ask("setup.exchange", token=token)["setup_session"]
        restore(home, snapshot, EVERYTHING)
        home.hang_up()
        wait_for(lambda: said(launch, "RIGD TradeBot is up"), 60, lambda: "\n".join(launch.lines))
        assert launch.process.poll() is None
        wait_for(lambda: home.state() in {"stopped", "error"})
        home.log_in()
    home.hang_up()


def test_a_damaged_ledger_is_restored_by_the_administrator(new_home: HomeMaker) -> None:
    home, snapshot = with_a_snapshot(new_home)
    ledger = home.home.ledger_database(IDENTITY)
    without_log(ledger)
    for spoil in (lambda: ledger.write_bytes(GARBAGE), ledger.unlink):
        with suppress(FileNotFoundError):
            spoil()
        with running(home):
            assert home.state() == "error"
            home.log_in()
            state = home.ask("control.state")
            assert [one["subject"] for one in state["findings"]] == ["Ledger"]
            assert not state["recovery"]
            assert state["error"].startswith("Ledger: ")
            assert "reset" not in state["acts"]
            with pytest.raises(Refused) as refused:
                home.ask("recovery.view")
            assert refused.value.problem["code"] == "no_setup_session"
    with home:
        home.start()
        home.log_in()
        home.session = home.ask_sealed("session.step_up", {"password": PASSWORD})["session"]
        preview = home.ask("backups.preview", id=snapshot, parts=["ledger"])
        home.ask("backups.restore", id=snapshot, parts=["ledger"], digest=preview["digest"], reason="it was garbage")
        home.ended()
    back_to_normal(home, snapshot)
    assert_books_are_sound(home.home)


# the steps


def with_a_snapshot(new_home: HomeMaker) -> tuple[RunningHome, str]:
    """A stopped home with a snapshot, and with a rotation after it."""
    home = new_home()
    with running(home):
        snapshot = home.ask("backups.make", reason="before the damage")["id"]
        home.ask_sealed("account.change_password", {"current": PASSWORD, "new": PASSWORD + "!"})
        home.ask_sealed("account.change_password", {"current": PASSWORD + "!", "new": PASSWORD})
    return home, snapshot


def at_the_desk(home: RunningHome) -> None:
    """Nobody gets in but by the token, once; then the findings are told."""
    assert home.state() == "error"
    home.setup_session = None
    with pytest.raises(Refused) as refused:
        home.ask("recovery.view")
    assert refused.value.problem["code"] == "no_setup_session"
    with pytest.raises(Refused) as refused:
        home.log_in()
    assert refused.value.problem["code"] == "home_damaged"
    token = home.home.setup_token.read_text().strip()
    home.setup_session = home.ask("setup.exchange", token=token)["setup_session"]
    with pytest.raises(Refused) as refused:
        home.ask("setup.exchange", token=token)
    assert refused.value.problem["code"] == "setup_token_refused"
    assert home.ask("recovery.view")["findings"]


def restore(home: RunningHome, snapshot: str, parts: list[str]) -> dict[str, Any]:
    assert home.ask("recovery.verify", id=snapshot)["health"] == "whole"
    preview = home.ask("recovery.preview", id=snapshot, parts=parts)
    assert preview["refusal"] == ""
    assert [one["part"] for one in preview["parts"]] == parts
    return home.ask("recovery.restore", id=snapshot, parts=parts, digest=preview["digest"], reason="a test of it")


def back_to_normal(home: RunningHome, snapshot: str) -> None:
    """The next start opens the home: the administrator signs in, and the trail shows what was done."""
    with running(home):
        assert home.state() in {"stopped", "error"}, home.said()
        home.log_in()
        assert not home.home.setup_token.exists()
        assert not home.ask("control.state")["recovery"]
        (record,) = audited(home.home, "restore.commit")
        assert record["target"] == snapshot
        counts = [one for one in home.ask("backups.list")["items"] if one["counts"]]
        assert len(counts) == 1
    assert_audit_is_whole(home.home)
