"""The status document against a trivial route behind the same login, on the same server and workers."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from bench.measurement import Measurement
from bench.portal import TRIVIAL
from bench.system import set_up, signed_in
from tests.browser.launched import free_port
from tests.support.running import REPOSITORY, wait_for

CLIENTS = 4
TURN_S = 1.0


def main(*, quick: bool) -> list[Measurement]:
    """Requests a second of each, in turns, by four connections that are kept."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, set_up(Path(folder) / "home") as running:
        environment = os.environ | {"TBOT_HOME": str(running.home), "TBOT_WEB_PORT": str(port)}
        portal = subprocess.Popen(
            [sys.executable, "-m", "bench.portal"],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            with signed_in(running) as browser:
                headers = {"Cookie": f"tbot_session={browser.cookies()['tbot_session']}", "X-Poll": "1"}
            wait_for(lambda: answers(port, headers), 30)
            rates: dict[str, list[float]] = {"/status/api": [], TRIVIAL: []}
            for _ in range(5 if quick else 15):
                for path, found in rates.items():
                    found.append(rate(port, path, headers))
        finally:
            portal.terminate()
            portal.communicate(timeout=20)
    ours, trivial = (median(found) for found in rates.values())
    return [
        Measurement(
            "status document against a trivial route, requests a second",
            ours / trivial,
            "x",
            goal_min=0.5,
            ours=f"{ours:.0f}/s",
            other=f"{trivial:.0f}/s",
        )
    ]


def answers(port: int, headers: dict[str, str]) -> bool:
    """Whether the server is up and takes the session."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", TRIVIAL, headers=headers)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def rate(port: int, path: str, headers: dict[str, str]) -> float:
    """Answers a second over one turn."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(lambda _: requests_done(port, path, headers), range(CLIENTS))) / TURN_S


def requests_done(port: int, path: str, headers: dict[str, str]) -> int:
    """How many answers one connection gets in a turn."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    count, until = 0, time.perf_counter() + TURN_S
    while time.perf_counter() < until:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
        count += 1
    connection.close()
    return count
