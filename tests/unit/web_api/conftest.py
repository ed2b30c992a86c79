from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from tbot_bot.api.lifecycle import Phase
from tbot_web.py.portal_web_main import Portal, create_app
from tbot_web.support.home import Home
from tests.unit.web.canned import MovingClock
from tests.unit.web.conftest import admin, clock, compiled_once, serve, web
from tests.unit.web_dashboard.conftest import runner

__all__ = ["admin", "clock", "compiled_once", "runner", "serve", "web"]


@pytest.fixture
def made(tmp_path: Path, clock: MovingClock) -> Callable[[Phase], Flask]:
    """Makes the application of a phase; nobody is asked anything."""
    return lambda phase: create_app(phase, Portal.of(Home(tmp_path), clock))


@pytest.fixture
def app(made: Callable[[Phase], Flask]) -> Flask:
    return made(Phase.MAIN)
