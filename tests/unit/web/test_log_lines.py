"""The portal's log and what it never holds."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import structlog

from tbot_web.py.run_web import main
from tbot_web.support import request_log
from tbot_web.support.binding import Binding, CannotListenError
from tbot_web.support.log_lines import JsonLines
from tbot_web.support.wall_clock import WallClock
from tests.unit.web.canned import TOKEN, CannedRunner, MovingClock
from tests.unit.web.conftest import Served


@pytest.fixture
def lines(clock: MovingClock) -> Iterator[io.StringIO]:
    """What is logged through structlog, as it would be written."""
    stream = io.StringIO()
    handler, root = JsonLines(stream, clock), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    request_log.set_up()
    yield stream
    structlog.reset_defaults()
    root.removeHandler(handler)
    root.setLevel(level)


def read(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_line_with_its_fields(lines: io.StringIO, clock: MovingClock) -> None:
    structlog.get_logger("web").info("something\nhappened", path="/a\n{}")
    (line,) = read(lines)
    assert line == {
        "at": "2026-11-22T08:00:00Z",
        "level": "info",
        "event": "something\nhappened",
        "source": "web",
        "path": "/a\n{}",
    }


def test_a_failure_carries_its_traceback(lines: io.StringIO) -> None:
    try:
        int("broken")
    except ValueError:
        structlog.get_logger("web").exception("failed")
    (line,) = read(lines)
    assert "ValueError: invalid literal" in str(line["exception"])


def test_requests_are_logged_without_their_query(lines: io.StringIO, web: Served, runner: CannedRunner) -> None:
    runner.publish("initialize")
    browser = web.browser()
    browser.get(f"/configuration?setup={TOKEN}")
    browser.get("/healthz")
    (line,) = [line for line in read(lines) if line["event"] == "request"]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/configuration", 303)
    assert TOKEN not in lines.getvalue()


def test_a_port_that_is_taken_is_named() -> None:
    with Binding("127.0.0.1", 0).listen() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListenError, match=f"Port {port} on 127.0.0.1 is not free"):
            Binding("127.0.0.1", port).listen()


def test_what_cannot_start_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {"TBOT_WEB_HOST": "10.0.0.1"}) == os.EX_CONFIG
    assert "SSH tunnel" in capsys.readouterr().err


def test_the_wall_clock_is_in_utc() -> None:
    assert WallClock().now().tzinfo is UTC
    assert WallClock().now() >= datetime(2026, 1, 1, tzinfo=UTC)
