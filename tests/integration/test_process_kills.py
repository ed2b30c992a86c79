"""Runner, bot, market and portal killed at random moments of busy trading: the same books after it, nothing doubled."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.conftest import Rounds
from tests.integration.evidence import booked
from tests.integration.homes import copy_of, set_up_home
from tests.integration.killed_processes import KilledHome
from tests.support.busy import change_settings, write_bars
from tests.support.running import RunningHome

SYMBOLS, DAYS = 60, 14
#: A session takes 39 s.
SPEED = "600"
#: After so many kills the books are compared to the last unit.
SETTLED_EVERY = 25


@pytest.fixture(scope="module")
def busy_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that is set up to trade much, stopped."""
    base = tmp_path_factory.mktemp("busy")
    bars = write_bars(base / "bars", SYMBOLS, DAYS)
    values = {"SIM_FEED": "replay", "SIM_REPLAY_DIR": str(bars), "SIM_SPEED": SPEED, "SIM_STARTING_CASH": "1000000"}
    made = set_up_home(base, values)
    change_settings(RunningHome(made).home)
    return made


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_kills_of_any_process_end_in_the_same_books(busy_home: Path, tmp_path: Path, rounds: Rounds, seed: int) -> None:
    count = rounds(4 if seed == 0 else 0, 100)
    if not count:
        pytest.skip("one home is enough for the short form")
    killed = KilledHome(copy_of(busy_home, tmp_path / "home"), Random(seed))
    try:
        for number in range(count):
            if number % SETTLED_EVERY == 0:
                killed.begin()
            killed.kill()
            if number % SETTLED_EVERY == SETTLED_EVERY - 1 or number == count - 1:
                killed.settle(stop=number % (2 * SETTLED_EVERY) >= SETTLED_EVERY)
    finally:
        killed.end()
    usual_s, longest_s = sorted(killed.recoveries_s)[count // 2], max(killed.recoveries_s)
    print(f"{count} kills; trading again after {usual_s:.1f} s, {longest_s:.1f} s at most")
    assert len(booked(killed.home.home)) >= count
