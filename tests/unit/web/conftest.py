from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from werkzeug.serving import WSGIRequestHandler, make_server

from tbot_web.py.dispatch import Dispatcher
from tbot_web.py.portal_web_main import Portal
from tbot_web.support.home import Home
from tests.unit.web.canned import CannedRunner, MovingClock
from tests.unit.web.pages import Browser

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


class _Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the signature is werkzeug's
        """The portal has its own log."""


class Served:
    """A portal on a real port, in this process."""

    def __init__(self, portal: Portal, application: Any) -> None:
        self.portal = portal
        self._server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Silent)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self._browsers: list[Browser] = []

    def browser(self, **cookies: str) -> Browser:
        browser = Browser(self.address, cookies)
        self._browsers.append(browser)
        return browser

    def close(self) -> None:
        for browser in self._browsers:
            browser.close()
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()
        self.portal.runner.close()


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each test makes its own applications; compiling the templates for each is what would take the time."""
    Flask.jinja_options = {"bytecode_cache": FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))}


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock(START)


@pytest.fixture
def runner(tmp_path: Path, clock: MovingClock) -> Iterator[CannedRunner]:
    canned = CannedRunner(tmp_path, clock)
    canned.publish("idle")
    with canned:
        yield canned


@pytest.fixture
def serve(tmp_path: Path, clock: MovingClock) -> Iterator[Callable[[], Served]]:
    """Serve one more portal of the same home, as another worker would."""
    served: list[Served] = []

    def start() -> Served:
        portal = Portal.of(Home(tmp_path), clock)
        served.append(Served(portal, Dispatcher(portal)))
        return served[-1]

    yield start
    for one in served:
        one.close()


@pytest.fixture
def web(runner: CannedRunner, serve: Callable[[], Served]) -> Served:
    return serve()


@pytest.fixture
def admin(runner: CannedRunner, web: Served) -> Browser:
    """A browser of someone signed in as administrator."""
    return web.browser(tbot_session=runner.sign_in())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
