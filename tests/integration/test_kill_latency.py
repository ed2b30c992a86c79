"""From the rename that kills to the last order that is not of the closing: under a second, however busy trading is."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.conftest import Rounds
from tests.integration.evidence import IDENTITY, assert_books_are_sound, ledger_rows, venue_rows
from tests.integration.homes import copy_of, running, set_up_home, start_trading
from tests.support.busy import change_settings, write_bars
from tests.support.running import PASSWORD, RunningHome, wait_for

#: A session takes 26 s.
SPEED = "900"
LATEST_S = 1.0
#: Signed in again for a reset after so many.
STEP_UP_EVERY = 50


class Watch:
    """Sees orders as they stand in the market's journal, with the moment when each was first seen."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._over = threading.Event()
        self.seen: dict[str, float] = {}

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Look every millisecond until the block is over."""
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _look(self) -> None:
        with closing(sqlite3.connect(f"file:{self._journal}?mode=ro", uri=True, timeout=10)) as connection:
            last = 0
            while not self._over.wait(0.001):
                rows = connection.execute("SELECT number, client_order_id FROM orders WHERE number > ?", (last,))
                now = time.monotonic()
                for number, name in rows:
                    last = max(last, number)
                    self.seen.setdefault(name, now)


def kill_at_some_moment(home: RunningHome, watch: Watch, dice: Random) -> float:
    """Kill while orders come in; the moment before the switch was pulled."""
    known = len(watch.seen)
    wait_for(lambda: len(watch.seen) > known, 60, lambda: str(home.status()["bots"][0]))
    time.sleep(dice.random() * dice.choice((0.005, 0.05, 1.0)))
    at = time.monotonic()
    (home.home.flags / "kill_armed").rename(home.home.flags / "control_kill.flag")
    return at


def late_orders(home: RunningHome, watch: Watch, since: float) -> dict[str, float]:
    """Orders seen after the switch was pulled that the closing did not send, and how long after."""
    rows = ledger_rows(home.home, "SELECT client_order_id FROM trade_order WHERE role = 'exit' AND why = 'kill'")
    of_closing = {row[0] for row in rows}
    return {name: at - since for name, at in watch.seen.items() if at > since and name not in of_closing}


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_no_order_follows_a_kill(tmp_path: Path, rounds: Rounds, seed: int) -> None:
    count = rounds(10 if seed == 0 else 0, 100)
    if not count:
        pytest.skip("one home is enough for the short form")
    dice, longest_s, followed = Random(seed), 0.0, 0
    bars = write_bars(tmp_path / "bars", 60, 4 + count // 3)
    values = {"SIM_FEED": "replay", "SIM_REPLAY_DIR": str(bars), "SIM_SPEED": SPEED, "SIM_STARTING_CASH": "1000000"}
    made = set_up_home(tmp_path, values)
    change_settings(RunningHome(made).home)
    home = copy_of(made, tmp_path / "home")
    home.module = "tests.support.hasty_runner"
    watch = Watch(home.home.venue / "venue.db")
    with running(home):
        start_trading(home)
        with watch.at_work():
            for number in range(count):
                if number:
                    start_trading(home)
                pulled = kill_at_some_moment(home, watch, dice)
                wait_for(lambda: home.state() == "stopped", 60, lambda: str(home.ask("control.state")["closing"]))
                late = late_orders(home, watch, pulled)
                longest_s, followed = max(longest_s, *late.values(), 0.0), followed + bool(late)
                assert longest_s < LATEST_S, late
                assert venue_rows(home.home, "SELECT client_order_id FROM orders WHERE is_final = 0") == []
                assert ledger_rows(home.home, "SELECT symbol FROM trade WHERE closed_us IS NULL") == []
                if number % STEP_UP_EVERY == 0:
                    home.session = home.ask_sealed("session.step_up", {"password": PASSWORD})["session"]
                home.ask("control.reset", typed=str(IDENTITY), reason="again")
    print(f"{count} kills, {followed} with an order on its way; the latest {longest_s * 1000:.1f} ms after it")
    assert_books_are_sound(home.home)
