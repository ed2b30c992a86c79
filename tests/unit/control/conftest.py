from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from tbot_bot.monitoring.log_book import TALKATIVE, set_up
from tests.unit.audit.parts import HandClock
from tests.unit.control.backstage import Backstage, furnished
from tests.unit.control.stage import Stage
from tests.unit.control.stage import stage as set_stage


@pytest.fixture
def empty(tmp_path: Path) -> Backstage:
    """A new home."""
    return Backstage(tmp_path / "home")


@pytest.fixture
def house(tmp_path: Path) -> Backstage:
    """A configured home with a user of every role."""
    return furnished(tmp_path / "home")


@pytest.fixture
def logged() -> Iterator[list[Mapping[str, Any]]]:
    """What this process logs, as the log book would get it."""
    records: list[Mapping[str, Any]] = []
    with own_logging(records.append):
        yield records


class own_logging:  # noqa: N801 - reads as what it does
    """Log to `write` for a while; the standard library's handlers and levels are put back."""

    def __init__(self, write: Callable[[Mapping[str, Any]], None]) -> None:
        self._write = write

    def __enter__(self) -> None:
        root = logging.getLogger()
        self._before = root.handlers[:], root.level
        self._talkative = {name: logging.getLogger(name).level for name in TALKATIVE}
        root.handlers = []
        set_up(self._write, HandClock(), "test")

    def __exit__(self, *_error: object) -> None:
        structlog.reset_defaults()
        root = logging.getLogger()
        root.handlers, level = self._before
        root.setLevel(level)
        for name, before in self._talkative.items():
            logging.getLogger(name).setLevel(before)


@pytest.fixture
def stage(tmp_path: Path, logged: list[Mapping[str, Any]]) -> Iterator[Stage]:
    """A conductor at an in-process market, stopped."""
    with set_stage(tmp_path) as made:
        yield made
