"""The real server process: two workers, its lifeline, its log, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tbot_web.support.binding import Binding, CannotListenError, is_loopback
from tbot_web.support.wall_clock import WallClock
from tests.unit.web.canned import SETUP_SESSION, TOKEN, CannedRunner
from tests.unit.web.conftest import free_port

DEADLINE_S = 20.0


class Process:
    """`run_web` with both ends of its lifeline and log."""

    def __init__(self, home: Path, port: int, *arguments: str) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.log = home / "web.log"
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "tbot_web.py.run_web", *arguments],
                env={**os.environ, "TBOT_HOME": str(home), "TBOT_WEB_PORT": str(port)},
                stdin=subprocess.PIPE,
                stderr=log,
            )

    def get(self, path: str) -> httpx2.Response:
        cookies = {"tbot_setup": SETUP_SESSION}
        return httpx2.get(self.address + path, cookies=cookies, trust_env=False, timeout=DEADLINE_S)

    def end(self) -> int:
        """Let go of the lifeline and wait for the end."""
        if self.child.stdin is not None:
            self.child.stdin.close()
        return self.child.wait(DEADLINE_S)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.05)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[CannedRunner]:
    canned = CannedRunner(tmp_path, WallClock())
    canned.publish("initialize")
    with canned:
        yield canned


def answers(process: Process) -> bool:
    try:
        return process.get("/healthz").status_code == 200
    except httpx2.TransportError:
        return False


def test_two_workers_follow_the_state_and_end_with_their_parent(home: CannedRunner) -> None:
    process = Process(home.root, free_port(), "--workers", "2")
    try:
        until(lambda: answers(process))
        for state, phase in (("registration", "registration"), ("idle", "main"), ("initialize", "configuration")):
            home.publish(state)
            assert {process.get("/healthz").json()["phase"] for _ in range(20)} == {phase}
        process.get(f"/configuration?setup={TOKEN}")
        home.stop()
        assert process.get("/configuration").status_code == 503
        home.start()
        until(lambda: process.get("/configuration").status_code == 200)
    finally:
        code = process.end()
    assert code == 0
    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    assert {"request", "listening", "lifeline ended"} <= {line["event"] for line in lines}
    assert len([line for line in lines if line["event"].startswith("Booting worker")]) == 2
    assert all(line["source"] == "web" and line["at"].endswith("Z") for line in lines)
    assert TOKEN not in process.log.read_text()


def test_a_busy_port_is_said_plainly(tmp_path: Path) -> None:
    taken = Binding("127.0.0.1", 0).listen()
    with taken:
        process = Process(tmp_path, taken.getsockname()[1])
        assert process.end() == os.EX_CONFIG
    assert "is not free" in process.log.read_text()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TBOT_WEB_HOST": "0.0.0.0"}, "plain HTTP"),  # noqa: S104 - refused, which is the point
        ({"TBOT_WEB_HOST": "192.168.1.5"}, "plain HTTP"),
        ({"TBOT_WEB_HOST": "console.example.org"}, "plain HTTP"),
        ({"TBOT_WEB_PORT": "http"}, "must be a port number"),
        ({"TBOT_WEB_PORT": "65536"}, "must be a port number"),
        ({"TBOT_WEB_PORT": "-1"}, "must be a port number"),
    ],
)
def test_what_would_not_be_safe_is_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(CannotListenError, match=message):
        Binding.from_environment(environment)


def test_the_defaults_are_this_machine_only() -> None:
    assert Binding.from_environment({}) == Binding("127.0.0.1", 8080)
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.1.2.3", "::1"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "example.org"))  # noqa: S104 - not loopback
