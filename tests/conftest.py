"""Short, seeded counts in `make test`; the full counts of faults in `make soak`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Rounds = Callable[[int, int], int]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run tests marked `soak` with their full counts")
    parser.addoption("--faults-on", metavar="DIR", help="run tests/faults on the file system of this folder")


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Rounds:
    """`rounds(short, full)`: how often to do a thing that can be done ever more often."""
    full = bool(request.config.getoption("--soak"))
    return lambda short, many: many if full else short


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A whole system that fails for want of time is tried again, twice at most, and is reported as tried again.

    It shares two cores with a browser, and the disk with everything. Full counts take as long as they take and are
    not tried again; a hang still ends.
    """
    for item in items:
        in_full = config.getoption("--soak") and item.get_closest_marker("soak")
        if in_full:
            item.add_marker(pytest.mark.timeout(3600))
        elif item.path.parent.name in {"integration", "browser"}:
            item.add_marker(pytest.mark.flaky(reruns=2))
