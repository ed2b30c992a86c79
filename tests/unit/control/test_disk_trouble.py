"""While nothing can be recorded a kill closes at the broker, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tbot_bot.domain.lifecycle import State
from tests.unit.control.stage import Stage, stage


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        made.trade()
        made.enter("AAA")
        yield made


def turns_that_the_disk_refuses(made: Stage, count: int = 3) -> list[str]:
    """What was sent in a few turns of which nothing could be recorded."""
    for _ in range(count):
        made.clock.move(seconds=2)
        with pytest.raises(OSError, match="full"), made.conductor.in_trouble.beside():
            raise OSError("the disk is full")
    return made.line.submitted


def test_a_kill_closes_at_the_broker_and_is_booked_once_the_disk_accepts(trading: Stage) -> None:
    trading.floor.kill_switch.trigger("ada")
    assert turns_that_the_disk_refuses(trading) == ["S-open-AAA-20131004-1-X"]
    trading.ticks_until(State.STOPPED)
    assert trading.floor.records.open_trades() == ()
    assert trading.line.submitted == ["S-open-AAA-20131004-1-X"]
    assert turns_that_the_disk_refuses(trading) == ["S-open-AAA-20131004-1-X"]


def test_without_a_kill_nothing_is_closed(trading: Stage) -> None:
    assert turns_that_the_disk_refuses(trading) == []


def test_in_the_error_state_nothing_is_closed(trading: Stage) -> None:
    trading.conductor.fail("the ledger is damaged")
    trading.floor.kill_switch.trigger("ada")
    assert turns_that_the_disk_refuses(trading) == []
