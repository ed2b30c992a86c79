"""A change of the configuration as a browser sees it: from the request until the page names the new generation."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from bench.measurement import Measurement
from bench.system import set_up, signed_in
from tests.unit.web.pages import Browser

PORTS = ("465", "2525")


def main(*, quick: bool) -> list[Measurement]:
    """Change the mail port again and again (`quick`: five times) while everything runs."""
    with (
        tempfile.TemporaryDirectory() as folder,
        set_up(Path(folder) / "home") as running,
        signed_in(running) as browser,
    ):
        token = browser.token("/configuration")
        taken = [change(browser, token, PORTS[turn % 2]) for turn in range(5 if quick else 30)]
    slowest = f"slowest of {len(taken)}: {max(taken):.2f} s"
    name = "a change in the browser until its generation is shown"
    return [Measurement(name, median(taken), "s", goal_max=1, other=slowest)]


def change(browser: Browser, token: str, port: str) -> float:
    """Seconds that one change took; it must have made the next generation."""
    version = browser.get("/configuration/api/smtp").headers["ETag"]
    began = time.perf_counter()
    answer = browser.http.put(
        "/configuration/api/smtp",
        json={"values": {"SMTP_PORT": port}},
        headers={"X-CSRFToken": token, "If-Match": version},
    )
    answer.raise_for_status()
    page = browser.get("/configuration").text
    taken = time.perf_counter() - began
    if f"Generation {answer.json()['generation']}" not in page:
        raise RuntimeError("the page does not show the generation that the change made")
    return taken
