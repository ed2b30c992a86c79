from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.web.canned import CannedRunner, MovingClock
from tests.unit.web.conftest import admin, clock, compiled_once, serve, web
from tests.unit.web_dashboard.documents import answers

__all__ = ["admin", "clock", "compiled_once", "serve", "web"]


@pytest.fixture
def runner(tmp_path: Path, clock: MovingClock):
    """A runner in the middle of a session, its kill switch armed."""
    canned = CannedRunner(tmp_path, clock)
    canned.special = answers()
    (tmp_path / "control" / "flags" / "kill_armed").write_text("armed")
    canned.publish("trading")
    canned.start()
    yield canned
    canned.stop()


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    return tmp_path / "control" / "flags"
