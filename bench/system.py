"""A whole running system for a benchmark to measure, set up over HTTP as a person's browser would."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser.launched import Launched, launched
from tests.support.running import PASSWORD, wait_for
from tests.unit.web.pages import Browser

USERNAME = "ada"


@contextmanager
def signed_in(running: Launched) -> Iterator[Browser]:
    """The administrator's browser at a system that has one."""
    running.ready()
    browser = Browser(running.base, {})
    browser.send("/login", {"username": USERNAME, "password": PASSWORD}, seen_on="/login")
    yield browser
    browser.close()


def configure(running: Launched, **values: str) -> float:
    """Send the configuration; return the seconds until the register page is there."""
    browser = Browser(running.base, {})
    browser.http.follow_redirects = True
    browser.get(running.setup_address())
    browser.http.follow_redirects = False
    began = time.perf_counter()
    saved = browser.send("/configuration", values, seen_on="/configuration")
    if saved.status_code != 303:
        raise RuntimeError(f"the configuration was refused: {saved.status_code}")
    wait_for(lambda: browser.get("/register").status_code == 200, 60)
    taken = time.perf_counter() - began
    person = {"username": USERNAME, "email": "ada@example.org", "password": PASSWORD, "confirm_password": PASSWORD}
    browser.send("/register", person, seen_on="/register")
    browser.close()
    return taken


def start_trading(browser: Browser) -> None:
    """Ask for Start, as the confirmation's button does."""
    token = browser.token("/control/confirm/start")
    browser.http.post("/control/api/start", json={}, headers={"X-CSRFToken": token}).raise_for_status()


def holds_positions(browser: Browser) -> bool:
    """Whether the dashboard's status shows an open position."""
    answer = browser.poll("/status/api")
    return answer.status_code == 200 and bool(answer.json()["bots"][0]["open_positions"])


@contextmanager
def set_up(home: Path, **values: str) -> Iterator[Launched]:
    """Everything running on a new home, configured and with an administrator, not trading."""
    with launched(Launched(home)) as running:
        configure(running, **values)
        yield running
