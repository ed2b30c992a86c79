from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tbot_bot.storage.filesystem import Filesystem
from tbot_bot.storage.generations import GenerationStore
from tests.unit.storage.faults import FixedClock


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def open_store(tmp_path: Path, clock: FixedClock) -> Callable[..., GenerationStore]:
    def build(filesystem: Filesystem | None = None, root: Path | None = None) -> GenerationStore:
        return GenerationStore(root or tmp_path / "storage", clock=clock, filesystem=filesystem or Filesystem())

    return build


@pytest.fixture
def store(open_store: Callable[..., GenerationStore]) -> GenerationStore:
    """A store with generation 0."""
    made = open_store()
    made.create_first(request_id="first-start", actor="runner", reason="first start")
    return made
