"""`python -m tbot_bot.control.launch` on a home that is set up, as `make run` starts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

import psutil

from tests.browser.launched import Launched
from tests.integration.homes import all_gone, processes_of
from tests.support.running import RunningHome, wait_for


def is_up(launch: Launched) -> bool:
    """Whether the portal answers and reaches the runner."""
    connection = HTTPConnection("127.0.0.1", launch.port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@contextmanager
def launched(home: RunningHome) -> Iterator[Launched]:
    """Everything up; whatever is left at the end is killed, and that fails the test."""
    launch = Launched(home.home.root)
    try:
        wait_for(lambda: is_up(launch), 60, lambda: "\n".join(launch.lines))
        yield launch
    finally:
        home.hang_up()
        if launch.process.poll() is None:
            launch.end()
        try:
            all_gone(home.home.root)
        finally:
            for left in processes_of(home.home.root).values():
                left.kill()


def said(launch: Launched, text: str) -> bool:
    return any(text in line for line in launch.lines)


def kill(home: RunningHome, name: str) -> psutil.Process:
    """Kill one process of the home outright; what it was."""
    process = processes_of(home.home.root)[name]
    process.kill()
    process.wait(10)
    return process
