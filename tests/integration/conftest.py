from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.homes import copy_of, set_up_home
from tests.support.running import RunningHome

#: A session of six and a half hours takes 13 s: long enough to act in, short enough to wait for.
SPEED = "1800"
#: A session takes 3 s, or as long as bot and runner need: the market waits for them.
SPEED_FAST = "7200"

HomeMaker = Callable[..., RunningHome]


@pytest.fixture(scope="session")
def template_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all workers of this test run."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture
def new_home(tmp_path: Path, template_base: Path) -> HomeMaker:
    """Make a home that is set up and stopped; call `start` on it."""

    def make(name: str = "home", **values: str) -> RunningHome:
        return copy_of(set_up_home(template_base, {"SIM_SPEED": SPEED} | values), tmp_path / name)

    return make
