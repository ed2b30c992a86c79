"""A disk that is full while the bot trades: what is refused says so, nothing acknowledged is lost, Kill still works."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.conftest import SPEED, HomeMaker
from tests.integration.evidence import (
    IDENTITY,
    assert_audit_is_whole,
    assert_books_are_sound,
    booked,
    ledger_rows,
    states,
    venue_rows,
)
from tests.integration.homes import (
    TRADING,
    copy_of,
    open_positions,
    running,
    set_up_home,
    start_trading,
    with_positions,
)
from tests.support.running import PASSWORD, Refused, RunningHome, wait_for


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 24 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("a small disk can only be mounted by root")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    """Take every byte that is left."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as stream:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    stream.write(b"x" * size)
            except OSError:
                continue
    return filler


def entries_sent(home: RunningHome) -> int:
    return int(ledger_rows(home.home, "SELECT count(*) FROM trade_order WHERE role = 'entry'")[0][0])


def elsewhere(folder: Path, place: Path) -> None:
    """Let a folder of the home lie on another disk: a broker keeps its books there."""
    shutil.move(folder, place)
    folder.symlink_to(place)


def held_at_market(home: RunningHome) -> list[str]:
    """Symbols in which the market has a position."""
    query = "SELECT symbol FROM executions GROUP BY 1 HAVING sum(CASE side WHEN 'buy' THEN 1 ELSE -1 END * quantity)"
    return [row[0] for row in venue_rows(home.home, query)]


def test_a_kill_while_someone_else_holds_the_ledger_closes_at_the_market(new_home: HomeMaker) -> None:
    home = new_home()
    with running(home):
        start_trading(home)
        with_positions(home)
        with closing(sqlite3.connect(home.home.ledger_database(IDENTITY), timeout=30)) as other:
            other.execute("BEGIN IMMEDIATE")
            (home.home.flags / "kill_armed").rename(home.home.flags / "control_kill.flag")
            wait_for(lambda: not held_at_market(home), 60, lambda: f"{held_at_market(home)} {home.said()[-2000:]}")
            other.rollback()
        wait_for(lambda: home.state() == "stopped", 60, lambda: f"{states(home.home)[-3:]} {home.said()[-2000:]}")
    assert_books_are_sound(home.home)
    assert_audit_is_whole(home.home)


def test_trading_on_a_disk_that_fills_up(small_disk: Path, tmp_path: Path, template_base: Path) -> None:
    home = copy_of(set_up_home(template_base, {"SIM_SPEED": SPEED}), small_disk / "home")
    elsewhere(home.home.venue, tmp_path / "venue")
    with running(home):
        start_trading(home)
        with_positions(home)
        acknowledged = booked(home.home)
        filler = fill(small_disk)

        with pytest.raises(Refused) as refused:
            home.ask_sealed("session.step_up", {"password": PASSWORD})
        assert refused.value.problem["status"] == 503
        assert "space" in refused.value.problem["detail"] + refused.value.problem["next_step"]
        assert home.process is not None
        assert home.process.poll() is None

        (home.home.flags / "kill_armed").rename(home.home.flags / "control_kill.flag")  # works without a byte
        wait_for(lambda: home.ask("control.state")["kill_triggered"], 10)
        assert not home.ask("control.state")["kill_armed"]
        entries = entries_sent(home)
        wait_for(lambda: not held_at_market(home), 40, lambda: f"{held_at_market(home)} {home.said()[-2000:]}")
        assert home.state() != "stopped"  # it is closed, and not booked yet

        filler.unlink()
        wait_for(lambda: home.state() == "stopped", 60, lambda: f"{states(home.home)[-3:]} {home.said()[-2000:]}")
        wait_for(lambda: open_positions(home) == 0, 5)
        assert entries_sent(home) == entries
        assert acknowledged.items() <= booked(home.home).items()
        assert home.process.poll() is None
    assert "emergency_closing_positions" in [state for state, _ in states(home.home)]
    assert "Traceback" not in home.said_at_the_end
    assert_books_are_sound(home.home)
    assert_audit_is_whole(home.home)


def test_a_start_on_a_full_disk_says_so_and_a_later_one_goes_on(small_disk: Path, template_base: Path) -> None:
    home = copy_of(set_up_home(template_base, {"SIM_SPEED": SPEED}), small_disk / "home")
    filler = fill(small_disk)
    home.start(wait=False)
    assert home.process is not None
    assert home.process.wait(30) in (1, 78)
    assert home.said().startswith("Cannot start: ")
    assert "pace" in home.said()
    assert "Traceback" not in home.said()
    home.ended()
    filler.unlink()
    with running(home):
        assert home.state() == "stopped"
        start_trading(home)
        assert home.state() in TRADING
    assert_books_are_sound(home.home)
