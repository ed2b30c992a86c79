from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import journey
from tests.browser.launched import Launched, chromium, launched
from tests.browser.watched import Watched

expect.set_options(timeout=30_000)
Visit = Callable[..., Watched]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    """Everything started on an empty home."""
    with launched(Launched(tmp_path_factory.mktemp("home"))) as started:
        yield started


@pytest.fixture(scope="module")
def registered(running: Launched, browser: Browser) -> Launched:
    """Set up and with an administrator, not trading; the market runs at 1200 times the wall's speed."""
    with_setup = browser.new_context()
    page = with_setup.new_page()
    journey.configure(page, running, SIM_SPEED="1200")
    journey.register(page)
    with_setup.close()
    return running


@pytest.fixture(scope="module")
def trading(registered: Launched, browser: Browser) -> Launched:
    """Started, and holding positions."""
    context = browser.new_context(base_url=registered.base)
    page = context.new_page()
    journey.sign_in(page, registered.base)
    journey.start_trading(page)
    journey.wait_for_positions(page)
    context.close()
    return registered


@pytest.fixture
def visit(running: Launched, browser: Browser) -> Iterator[Visit]:
    """Open a browser of one's own; when the test is over, none may have said or asked what it must not."""
    opened: list[Watched] = []

    def open_one(*, signed_in: bool = False) -> Watched:
        watched = Watched(browser, running.base)
        opened.append(watched)
        if signed_in:
            journey.sign_in(watched.page, running.base)
        return watched

    yield open_one
    for watched in opened:
        watched.close()
    assert [fault for watched in opened for fault in watched.faults] == []


@pytest.fixture
def ada(visit: Visit, registered: Launched) -> Watched:
    """The administrator, looking at the console."""
    registered.ready()
    return visit(signed_in=True)
