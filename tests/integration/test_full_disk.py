"""A disk that is full while the bot trades: what is refused says so, nothing acknowledged is lost, Kill still works."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import SPEED
from tests.integration.evidence import assert_audit_is_whole, assert_books_are_sound, booked, ledger_rows, states
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


def test_trading_on_a_disk_that_fills_up(small_disk: Path, template_base: Path) -> None:
    home = copy_of(set_up_home(template_base, {"SIM_SPEED": SPEED}), small_disk / "home")
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
