"""The runner's own record, in a real database that is opened again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.market import Session
from tbot_bot.domain.time import NaiveTimeError
from tbot_bot.storage.control_store import ControlStore, LifecycleRecord, StepRecord
from tbot_bot.storage.engine import open_sqlite
from tests.unit.audit.parts import KEY

NOW = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Record:
    """The store on its file; `again` is what a restart would see."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = [open_sqlite(path)]
        self.store = ControlStore(self._opened[0], KEY)

    def again(self) -> ControlStore:
        self._opened.append(open_sqlite(self._path))
        return ControlStore(self._opened[-1], KEY)

    def close(self) -> None:
        for engine in self._opened:
            engine.dispose()


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    made = Record(tmp_path / "CONTROL.db")
    yield made
    made.close()


def test_a_new_record_knows_nothing(record: Record) -> None:
    store = record.store
    assert (store.lifecycle(), list(store.lifecycle_history(9))) == (None, [])
    assert (list(store.steps()), list(store.calendar()), store.fact("paused")) == ([], [], None)


def test_the_newest_state_counts(record: Record) -> None:
    made = [LifecycleRecord(state, f"why {state}", "ada", NOW + number * SECOND) for number, state in enumerate(State)]
    for one in made:
        record.store.append_lifecycle(one)
    for store in (record.store, record.again()):
        assert store.lifecycle() == made[-1]
        assert list(store.lifecycle_history(3)) == made[:-4:-1]
        assert list(store.lifecycle_history(999)) == made[::-1]


def test_two_states_of_one_moment_keep_their_order(record: Record) -> None:
    for state in (State.STARTED, State.IDLE, State.STARTED):
        record.store.append_lifecycle(LifecycleRecord(state, "", "", NOW))
    assert [one.state for one in record.store.lifecycle_history(9)] == [State.STARTED, State.IDLE, State.STARTED]


def test_a_time_without_a_zone_is_refused(record: Record) -> None:
    with pytest.raises((NaiveTimeError, TypeError)):
        record.store.append_lifecycle(LifecycleRecord(State.IDLE, "", "", NOW.replace(tzinfo=None)))
    assert record.store.lifecycle() is None


def test_a_request_is_used_once_across_restarts(record: Record) -> None:
    record.store.issue_request("abcdefgh", "control.start", "ada", NOW, NOW + 10 * SECOND)
    assert record.store.use_request("abcdefgh", "provision", NOW) is None
    assert record.again().use_request("abcdefgh", "control.start", NOW) == "ada"
    assert record.store.use_request("abcdefgh", "control.start", NOW) is None
    assert record.again().use_request("abcdefgh", "control.start", NOW) is None


@pytest.mark.parametrize(("late", "actor"), [(timedelta(0), "ada"), (timedelta(microseconds=1), None)])
def test_a_request_expires(record: Record, late: timedelta, actor: str | None) -> None:
    record.store.issue_request("abcdefgh", "control.start", "ada", NOW, NOW + SECOND)
    assert record.store.use_request("abcdefgh", "control.start", NOW + SECOND + late) == actor


def test_steps_keep_their_order_and_what_they_have(record: Record) -> None:
    store = record.store
    store.plan_steps([("b", "Second name, first step"), ("a", "Then this")])
    store.mark_step("b", "running", "", NOW)
    assert store.steps()[0] == StepRecord("b", "Second name, first step", "running", "", NOW, None)
    store.mark_step("b", "done", "made it", NOW + SECOND)
    store.plan_steps([("b", "Second name, first step"), ("a", "Then this"), ("c", "New")])
    assert list(record.again().steps()) == [
        StepRecord("b", "Second name, first step", "done", "made it", NOW, NOW + SECOND),
        StepRecord("a", "Then this", "waiting", "", None, None),
        StepRecord("c", "New", "waiting", "", None, None),
    ]


def test_a_step_that_runs_again_begins_anew(record: Record) -> None:
    store = record.store
    store.plan_steps([("a", "A")])
    store.mark_step("a", "running", "", NOW)
    store.mark_step("a", "failed", "no disk", NOW + SECOND)
    store.mark_step("a", "running", "", NOW + 2 * SECOND)
    assert list(store.steps()) == [StepRecord("a", "A", "running", "", NOW + 2 * SECOND, None)]


def test_a_calendar_replaces_another_whole(record: Record) -> None:
    def session(day: int) -> Session:
        open_at = datetime(2026, 3, day, 14, 30, tzinfo=UTC)
        return Session(date(2026, 3, day), open_at, open_at + timedelta(hours=6, minutes=30))

    record.store.replace_calendar([session(4), session(2), session(3)])
    assert list(record.again().calendar()) == [session(2), session(3), session(4)]
    record.store.replace_calendar([session(9)])
    assert list(record.again().calendar()) == [session(9)]


def test_a_calendar_that_cannot_be_kept_leaves_the_old(record: Record) -> None:
    one = Session(date(2026, 3, 2), NOW, NOW + SECOND)
    record.store.replace_calendar([one])
    with pytest.raises(Exception, match="UNIQUE"):
        record.store.replace_calendar([Session(date(2026, 3, 3), NOW, NOW)] * 2)
    assert list(record.again().calendar()) == [one]


def test_a_fact_is_set_changed_and_forgotten(record: Record) -> None:
    store = record.store
    store.set_fact("paused", None)
    store.set_fact("paused", "lunch")
    store.set_fact("other", "")
    store.set_fact("paused", "dinner; DROP TABLE fact")
    assert (record.again().fact("paused"), store.fact("other")) == ("dinner; DROP TABLE fact", "")
    store.set_fact("paused", None)
    assert (record.again().fact("paused"), store.fact("other")) == (None, "")
