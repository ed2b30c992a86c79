"""The runner killed at random moments while it trades: what it acknowledged is there, once, and the chains hold."""

from __future__ import annotations

import random
import time

import pytest

from tests.integration.conftest import HomeMaker
from tests.integration.evidence import (
    assert_audit_is_whole,
    assert_books_are_sound,
    booked,
    filled,
    ledger_rows,
    reconciliations,
)
from tests.integration.homes import TRADING, all_gone, running, start_trading
from tests.support.running import RunningHome, wait_for

ROUNDS = 3


def kill_at_a_random_moment(home: RunningHome, dice: random.Random) -> dict[str, object]:
    """Kill at a moment that nobody chose, most often while orders are worked; what had been acknowledged by then."""
    until = time.monotonic() + 0.5 + dice.random() * 2.5
    acknowledged: dict[str, object] = {}
    while time.monotonic() < until:
        acknowledged = dict(booked(home.home))
    home.end(9)
    return acknowledged


@pytest.mark.parametrize("seed", [11])
def test_no_acknowledged_execution_is_lost_or_doubled(new_home: HomeMaker, seed: int) -> None:
    dice = random.Random(seed)
    home = new_home(SIM_SPEED="3600")
    with running(home):
        start_trading(home)
        acknowledged = kill_at_a_random_moment(home, dice)
    for _ in range(ROUNDS - 1):
        all_gone(home.home.root)
        assert acknowledged.items() <= dict(booked(home.home)).items()
        assert booked(home.home).items() <= filled(home.home).items()
        with running(home):
            wait_for(lambda: home.state() in TRADING, 40, lambda: str(home.status()["bots"][0]))
            acknowledged = kill_at_a_random_moment(home, dice)
    with running(home):
        wait_for(lambda: home.state() in TRADING, 40)
        home.raise_flag("control_stop.flag")
        wait_for(lambda: home.state() == "stopped", 60, lambda: str(home.ask("control.state")["closing"]))
    assert acknowledged.items() <= dict(booked(home.home)).items()
    assert booked(home.home)
    assert [row for row in reconciliations(home.home) if not row["is_clean"]] == []
    assert ledger_rows(home.home, "SELECT 1 FROM quarantined_execution") == []
    assert_books_are_sound(home.home)
    assert_audit_is_whole(home.home)
