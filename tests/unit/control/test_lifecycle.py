"""The state of the bot: recorded first, published second, moved by the table alone."""

from __future__ import annotations

from itertools import product

import pytest

from tbot_bot.control.lifecycle import WINDOWS, Lifecycle, shortest_way
from tbot_bot.domain.lifecycle import TRANSITIONS, State, TransitionRefusedError
from tests.unit.control.backstage import Backstage

RUNNING = [State.STARTED, State.IDLE, State.ANALYZING, State.TRADING, State.MONITORING, State.UPDATING]


def published(house: Backstage) -> str:
    return house.home.bot_state.read_text()


def test_a_new_home_begins_with_initialize(empty: Backstage) -> None:
    assert empty.lifecycle.state is State.INITIALIZE
    assert empty.lifecycle.boot() is State.INITIALIZE
    assert published(empty) == "initialize\n"
    assert empty.lifecycle.is_setting_up
    assert [record.reason for record in empty.foundation.record.lifecycle_history(9)] == ["new home"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Backstage:
    """A home that many cases put where they need it."""
    return Backstage(tmp_path_factory.mktemp("lifecycle") / "home")


@pytest.mark.parametrize("before", [State.REGISTRATION, State.STOPPED, State.TRADING, State.GRACEFUL])
def test_boot_resumes(shared: Backstage, before: State) -> None:
    record = shared.foundation.record
    for last in State:
        shared.put(before)
        shared.put(last)
        known = len(record.lifecycle_history(10_000))
        resumed = shared.lifecycle.boot()
        went_on = before if last in (State.SHUTDOWN, State.SHUTDOWN_TRIGGERED) else last
        assert resumed is (State.STARTED if went_on in RUNNING else went_on)
        assert shared.lifecycle.state is resumed
        assert published(shared) == f"{resumed}\n"
        added = record.lifecycle_history(10_000)[: -known or None]
        assert [one.reason for one in added] == ([] if resumed is last else ["started again"])


def test_boot_after_an_orderly_shutdown(house: Backstage) -> None:
    house.put(State.MONITORING)
    house.lifecycle.move(State.SHUTDOWN_TRIGGERED, "asked to stop")
    house.lifecycle.move(State.SHUTDOWN, "stopped")
    house.restart()
    assert house.lifecycle.state is State.SHUTDOWN
    assert house.lifecycle.boot() is State.STARTED
    assert not house.lifecycle.is_setting_up


def test_an_error_keeps_its_reason_over_a_restart(house: Backstage) -> None:
    house.put(State.STOPPED)
    house.lifecycle.move(State.ERROR, "the ledger is damaged")
    house.lifecycle.move(State.SHUTDOWN_TRIGGERED, "asked to stop")
    house.lifecycle.move(State.SHUTDOWN, "stopped")
    house.restart()
    assert house.lifecycle.boot() is State.ERROR
    assert house.lifecycle.reason == "the ledger is damaged"


def test_a_move_is_recorded_published_and_told(house: Backstage) -> None:
    house.lifecycle.move(State.STARTED, "started", "ada")
    newest = house.foundation.record.lifecycle()
    assert newest is not None
    assert (newest.state, newest.reason, newest.actor, newest.at) == ("started", "started", "ada", house.clock.now())
    assert (house.lifecycle.reason, house.lifecycle.since) == ("started", house.clock.now())
    assert published(house) == "started\n"
    assert house.changes == [(State.STOPPED, State.STARTED)]


@pytest.mark.parametrize("source", list(State))
def test_only_the_tables_moves_are_made(shared: Backstage, source: State) -> None:
    for target in TRANSITIONS[source]:
        shared.put(source)
        shared.lifecycle.move(target, "test")
        assert shared.lifecycle.state is target
    shared.put(source)
    shared.changes.clear()
    for target in set(State) - TRANSITIONS[source]:
        with pytest.raises(TransitionRefusedError, match=f"from {source} to {target}"):
            shared.lifecycle.move(target, "test")
        assert shared.lifecycle.state is source
    shared.restart()
    assert shared.lifecycle.state is source
    assert shared.changes == []


@pytest.mark.parametrize(("source", "target"), list(product(sorted(WINDOWS), sorted(WINDOWS))))
def test_the_way_between_two_windows_is_the_shortest(source: State, target: State) -> None:
    way = shortest_way(source, target)
    steps = [source, *way]
    assert steps[-1] is target
    assert all(there in TRANSITIONS[here] and there in WINDOWS for here, there in zip(steps, way, strict=False))
    assert len(way) == hops(source, target)


def hops(source: State, target: State) -> int:
    """Moves needed, by growing the set of states that can be reached."""
    reached, count = {source}, 0
    while target not in reached:
        reached |= {there for here in reached for there in TRANSITIONS[here] & WINDOWS}
        count += 1
    return count


def test_there_is_no_way_out_of_the_windows() -> None:
    with pytest.raises(ValueError, match="no way from idle to stopped"):
        shortest_way(State.IDLE, State.STOPPED)


def test_a_window_is_followed_step_by_step(house: Backstage) -> None:
    house.put(State.IDLE)
    house.lifecycle.follow_window(State.TRADING, "strategy open")
    assert house.changes == [(State.IDLE, State.ANALYZING), (State.ANALYZING, State.TRADING)]
    house.lifecycle.follow_window(State.TRADING, "again")
    assert len(house.changes) == 2


@pytest.mark.parametrize("state", [State.STOPPED, State.STARTED, State.GRACEFUL])
def test_outside_the_windows_none_is_followed(house: Backstage, state: State) -> None:
    house.put(state)
    house.lifecycle.follow_window(State.TRADING, "strategy open")
    assert house.lifecycle.state is state


@pytest.mark.parametrize("content", ["started\n", "", "stopped", "stopped\nstopped\n", "x" * 100_000])
def test_a_changed_copy_is_rewritten(house: Backstage, content: str) -> None:
    house.lifecycle.boot()
    assert house.lifecycle.heal_published_copy() is None
    house.home.bot_state.write_text(content)
    found = house.lifecycle.heal_published_copy()
    assert found == content[:200].strip()
    assert published(house) == "stopped\n"
    assert house.lifecycle.heal_published_copy() is None


def test_a_removed_copy_is_written_again(house: Backstage) -> None:
    house.lifecycle.boot()
    house.home.bot_state.unlink()
    assert "FileNotFoundError" in (house.lifecycle.heal_published_copy() or "")
    assert published(house) == "stopped\n"


def test_the_last_good_state_is_the_one_before_the_error(house: Backstage) -> None:
    for state in (State.MONITORING, State.SHUTDOWN_TRIGGERED, State.SHUTDOWN, State.ERROR, State.ERROR):
        house.put(state)
    assert house.lifecycle.last_good_state() is State.MONITORING


def test_a_new_home_has_no_good_state_yet(empty: Backstage) -> None:
    assert empty.lifecycle.last_good_state() is None
    assert isinstance(empty.lifecycle, Lifecycle)
