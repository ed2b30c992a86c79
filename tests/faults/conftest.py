from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.vault import make
from tests.unit.storage.faults import FixedClock


@pytest.fixture(scope="module")
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder on the file system under test: the usual one, or that of `--faults-on`."""
    chosen = request.config.getoption("--faults-on")
    if chosen is None:
        yield tmp_path_factory.mktemp("faults")
        return
    made = Path(tempfile.mkdtemp(prefix="faults-", dir=chosen))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def made(ground: Path) -> tuple[Path, FixedClock]:
    """A home with four secrets and a past, and its clock."""
    root = ground / "made"
    return root, make(root)


@pytest.fixture
def fresh(made: tuple[Path, FixedClock], ground: Path) -> Callable[[], Path]:
    """Copy that home to one and the same place, anew at each call."""

    def copy() -> Path:
        root = ground / "home"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(made[0], root, symlinks=True)
        return root

    return copy


@pytest.fixture
def clock(made: tuple[Path, FixedClock]) -> FixedClock:
    """Where the time of the made home stands."""
    return FixedClock(made[1].now())
