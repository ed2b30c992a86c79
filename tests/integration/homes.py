"""Homes that are set up once and copied for each test that needs one."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.running import RunningHome, wait_for

TRADING = frozenset({"idle", "analyzing", "trading", "monitoring"})


def set_up_home(base: Path, values: dict[str, str]) -> Path:
    """A stopped home with an administrator, `ada`, who is signed in; made once for these values by whoever is first."""
    name = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
    made = base / f"home-{name}"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            building = base / f"building-{name}"
            running = RunningHome(building)
            with running:
                running.start()
                running.configure(**values)
                running.register()
                running.log_in()
            assert running.session is not None
            (building / "session").write_text(running.session)
            building.rename(made)
    return made


def copy_of(made: Path, root: Path) -> RunningHome:
    """A home of one's own, as `set_up_home` left it, with its session."""
    shutil.copytree(made, root, symlinks=True)
    home = RunningHome(root)
    home.session = (root / "session").read_text()
    return home


def start_trading(home: RunningHome) -> None:
    """Start, and wait until the strategies may trade."""
    home.start_trading()
    wait_for(lambda: home.state() in TRADING, 30, lambda: str(home.status()["summary"]))


def open_positions(home: RunningHome) -> int:
    return int(home.status()["bots"][0]["open_positions"])


def with_positions(home: RunningHome, at_least: int = 1) -> None:
    """Wait until so many positions are open."""
    wait_for(lambda: open_positions(home) >= at_least, 40, lambda: str(home.status()["bots"][0]))


MODULES = {
    "tbot_bot.control.main": "runner",
    "tbot_bot.venue.main": "venue",
    "tbot_bot.control.bot": "bot",
    "tbot_web.py.run_web": "web",
    "tbot_bot.control.launch": "launcher",
}


_homes: dict[psutil.Process, str] = {}


def home_of(process: psutil.Process) -> str | None:
    """The home that a process works for; of one that shows itself to nobody, whoever started it knows."""
    known = _homes.get(process)
    if known is not None:
        return known
    try:
        found = process.environ().get("TBOT_HOME")
    except psutil.AccessDenied:
        parent, started = process.parent(), RunningHome.started.get(process.pid)
        found = str(started) if started else parent and home_of(parent)
    if found is not None:
        _homes[process] = found  # its parent may be gone when it is asked for again
    return found


def processes_of(root: Path) -> dict[str, psutil.Process]:
    """The living processes of a home by name; workers of the portal are `web worker` and orphans among them too."""
    found: dict[str, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            line, parent = process.cmdline(), process.parent()
            if process.status() == psutil.STATUS_ZOMBIE or home_of(process) != str(root):
                continue
            name = next((name for module, name in MODULES.items() if module in line), None)
            is_master = parent is not None and "tbot_bot.control.launch" in parent.cmdline()
        except psutil.Error:
            continue  # it ended meanwhile
        if name is not None:
            found["web worker" if name == "web" and not is_master else name] = process
    return found


def all_gone(root: Path, timeout_s: float = 20.0) -> None:
    """Wait until no process of the home is left."""
    wait_for(lambda: not processes_of(root), timeout_s, lambda: str(processes_of(root)))


@contextmanager
def running(home: RunningHome) -> Iterator[RunningHome]:
    """Started, and ended however the test ends."""
    with home:
        yield home.start()
    all_gone(home.home.root)
