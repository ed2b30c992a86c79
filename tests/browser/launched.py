"""Everything started as a person starts it, and a browser that looks at it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import psutil
from playwright.sync_api import Browser, sync_playwright

from tests.support.running import REPOSITORY, wait_for

LAUNCHER = (sys.executable, "-m", "tbot_bot.control.launch")
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-quic"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Launched:
    """The launcher on a home and port of its own; `lines` are what the terminal showed.

    `command` is another way to start it, in `folder`: `make run` in a clone.
    """

    def __init__(self, home: Path, *, command: Sequence[str] = LAUNCHER, folder: Path = REPOSITORY) -> None:
        self.home = home
        self.port = free_port()
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"TBOT_HOME": str(home), "TBOT_WEB_PORT": str(self.port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.lines.append(line.decode().rstrip())

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def setup_address(self) -> str:
        """The address that the terminal printed."""

        def printed() -> str | None:
            found = re.search(r"http://\S+/configuration\?setup=\S+", "\n".join(self.lines))
            return found and found.group(0)

        return wait_for(printed, 60, lambda: "\n".join(self.lines))

    def ready(self) -> None:
        """Wait until portal and runner answer."""

        def answers() -> bool:
            with closing(HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection, suppress(OSError):
                connection.request("GET", "/readyz")
                return connection.getresponse().status == HTTPStatus.OK
            return False

        wait_for(answers, 60, lambda: "\n".join(self.lines))

    def child(self, module: str) -> psutil.Process:
        """The running child that was started as `python -m module`."""

        def found() -> psutil.Process | None:
            for child in psutil.Process(self.process.pid).children():
                if module in child.cmdline():
                    return child
            return None

        return wait_for(found, 30, lambda: f"no {module} under the launcher")

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """Within, the launcher starts nothing again: what was killed stays down."""
        launcher = psutil.Process(self.process.pid)
        launcher.suspend()
        try:
            yield
        finally:
            launcher.resume()

    def end(self, number: int = signal.SIGTERM) -> int:
        os.killpg(self.process.pid, number)  # `make` is above the launcher, its children are in other groups
        code = self.process.wait(40)
        self._reader.join(5)
        return code


@contextmanager
def launched(running: Launched) -> Iterator[Launched]:
    """End it afterwards, if it has not ended."""
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end()


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
