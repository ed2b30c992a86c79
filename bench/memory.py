"""What each process keeps in memory after a while of fast trading."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from bench.measurement import Measurement
from bench.system import set_up, signed_in, start_trading
from tests.browser.launched import Launched

MIB = 1024 * 1024
#: The processes by the module they run, and what each may keep.
GOALS_MIB = {
    "web": ("tbot_web.py.run_web", 100),
    "runner": ("tbot_bot.control.main", 250),
    "bot": ("tbot_bot.control.bot", 150),
    "venue": ("tbot_bot.venue.main", 150),
}


def main(*, quick: bool) -> list[Measurement]:
    """Trade at 600 times the wall's speed for three minutes (`quick`: 15 seconds) and look."""
    with tempfile.TemporaryDirectory() as folder, set_up(Path(folder) / "home", SIM_SPEED="600") as running:
        with signed_in(running) as browser:
            start_trading(browser)
            until = time.monotonic() + (15 if quick else 180)
            while time.monotonic() < until:
                for path in ("/", "/status/", "/trades/", "/logs/"):
                    browser.get(path)
                time.sleep(1)
        return [measure(running, name, module, goal) for name, (module, goal) in GOALS_MIB.items()]


def measure(running: Launched, name: str, module: str, goal_mib: int) -> Measurement:
    """Resident memory, with the parts that are shared in proportion and its own alone."""
    found = processes(running, module)
    shares = ""
    with suppress(psutil.AccessDenied):  # the shares are for root alone to see
        full = [one.memory_full_info() for one in found]
        shares = f"; PSS {sum(one.pss for one in full) / MIB:.0f}, USS {sum(one.uss for one in full) / MIB:.0f} MiB"
    resident = resident_mib(running, module)
    return Measurement(f"memory of {name} ({len(found)} processes{shares})", resident, "MiB", goal_max=goal_mib)


def resident_mib(running: Launched, module: str) -> float:
    """Resident memory of a module's processes."""
    return sum(one.memory_info().rss for one in processes(running, module)) / MIB


def processes(running: Launched, module: str) -> list[psutil.Process]:
    """The processes of this system that run the module, workers included."""
    below = psutil.Process(running.process.pid).children(recursive=True)
    found = [one for one in below if module in one.cmdline()]
    if not found:
        raise RuntimeError(f"{module} does not run")
    return found
