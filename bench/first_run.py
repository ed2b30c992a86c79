"""The way of a newcomer: clone, `make run`, configure, start, first trade."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from bench.measurement import Measurement
from bench.system import configure, holds_positions, signed_in, start_trading
from tests.browser.launched import Launched, launched
from tests.support.running import REPOSITORY, wait_for


def main(*, quick: bool) -> list[Measurement]:
    """Measure each leg once. The packages come from the installer's cache; `quick` takes the installed ones."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        if quick:
            return legs(Launched(Path(folder) / "home"), began, "start to the configuration page", 10)
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", REPOSITORY, clone], check=True)
        running = Launched(Path(folder) / "home", command=["make", "run"], folder=clone)
        return legs(running, began, "clone and make run to the configuration page", 60)


def legs(running: Launched, began: float, first: str, goal_s: float) -> list[Measurement]:
    """The seconds of each leg from `began` on, at the default speed of the market."""
    with launched(running):
        running.setup_address()
        served_s = time.perf_counter() - began
        configured_s = configure(running)
        with signed_in(running) as browser:
            start_trading(browser)
            started = time.perf_counter()
            wait_for(lambda: holds_positions(browser), 300)
            traded_s = time.perf_counter() - started
    return [
        Measurement(first, served_s, "s", goal_max=goal_s),
        Measurement("configuration saved to the register page", configured_s, "s", goal_max=10),
        Measurement("Start to the first trade on the dashboard, default speed", traded_s, "s", goal_max=120),
    ]
