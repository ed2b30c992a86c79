"""Whatever another hand changes, adds, removes, swaps, puts back or cuts off is found, named, and can be put right."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tbot_bot.api.permissions import Role
from tbot_bot.audit.trail import AuditTrail
from tbot_bot.config.paths import Home
from tbot_bot.config.restore import RESTORED
from tbot_bot.control.damage import CLOCK, PLACES, HomeDamagedError
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.integrity import IntegrityWatch
from tbot_bot.domain.audit import AuditUnavailableError
from tbot_bot.domain.integrity import TamperedError
from tbot_bot.domain.lifecycle import State
from tbot_bot.storage.audit_store import SqliteAuditStore
from tbot_bot.storage.control_store import LifecycleRecord
from tbot_bot.storage.engine import open_sqlite
from tbot_bot.storage.seals import SealedDatabase
from tbot_bot.storage.secret_errors import ClockSetBackError
from tests.unit.audit.parts import HandClock
from tests.unit.control.backstage import ADDRESS, PASSWORD, furnished_home
from tests.unit.control.tampering import TAMPERS, put_back, sql
from tests.unit.control.test_runner import sessions


class Lived:
    """A home that has been lived in, and a copy of it from a little earlier."""

    def __init__(self, root: Path) -> None:
        self.home = furnished_home(root / "home")
        self.older = root / "older"
        self.clock = HandClock()
        self.open()
        self.foundation.record.replace_calendar(sessions())
        self.session_id = self.log_in()
        self.close()
        shutil.copytree(self.home.root, self.older, symlinks=True)
        self.open()
        self.live()

    def open(self) -> None:
        self.foundation = Foundation(self.home, self.clock, state=str, password_cost=4)

    def close(self) -> None:
        self.foundation.close()

    def log_in(self) -> str:
        return self.foundation.log_in.log_in("admin", PASSWORD, address=ADDRESS).session_id

    def live(self) -> None:
        """A little of everything that changes what is stored."""
        made, now = self.foundation, self.clock.now()
        made.record.append_lifecycle(LifecycleRecord(State.STOPPED, "lived", "test", now))
        made.record.set_fact("paused", "lunch")
        made.record.issue_request("a-request", "control.start", "admin", now, now + timedelta(hours=1))
        made.record.use_request("a-request", "control.start", now)
        self.log_in()
        made.audit.record(verb="test", phase="event", actor="admin")
        made.audit.checkpoint()
        made.audit.record(verb="test", phase="event", actor="admin")
        IntegrityWatch(made).look()
        made.chain.remember()


@pytest.fixture
def lived(tmp_path: Path) -> Iterator[Lived]:
    made = Lived(tmp_path)
    yield made
    made.close()


def as_it_was(home: Home, copy: Path) -> None:
    """What an administrator does who has a copy: put all of it back."""
    for path in home.root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(copy, home.root, symlinks=True, dirs_exist_ok=True)


@pytest.mark.parametrize("name", TAMPERS)
def test_found_at_the_start_and_put_right(lived: Lived, name: str, tmp_path: Path) -> None:
    lived.close()
    good = shutil.copytree(lived.home.root, tmp_path / "good", symlinks=True)
    TAMPERS[name].by(lived.home, lived.older)
    with pytest.raises(HomeDamagedError) as refused:
        lived.open()
    assert TAMPERS[name].subject in {one.subject for one in refused.value.findings}
    assert all(one.what and one.next_step for one in refused.value.findings)
    as_it_was(lived.home, good)
    lived.open()
    assert lived.foundation.sessions.verdict(lived.session_id, touch=False).user is not None


@pytest.mark.parametrize("name", TAMPERS)
def test_found_while_running(lived: Lived, name: str) -> None:
    watch = IntegrityWatch(lived.foundation)
    assert watch.look(everything=True) == ()
    TAMPERS[name].by(lived.home, lived.older)
    assert TAMPERS[name].subject in {one.subject for one in watch.look()}
    again = watch.look()
    assert {(one.what, one.found_at) for one in again} >= {(one.what, one.found_at) for one in again}


def test_without_the_digests_it_would_not_be_found(lived: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    lived.close()
    TAMPERS["user changed"].by(lived.home, lived.older)
    monkeypatch.setattr(SealedDatabase, "_require", lambda *_: None)
    lived.open()
    assert {one.role for one in [lived.foundation.people.user_named("viewer")] if one} == {Role.ADMIN}


# refused at the next use, before anybody looked


def test_a_changed_role_and_a_forged_session_are_refused_at_once(lived: Lived) -> None:
    sql(lived.home.users_database, "UPDATE user SET role = 'viewer' WHERE username = 'admin'")
    with pytest.raises(TamperedError, match="of user is not what was written"):
        lived.foundation.sessions.verdict(lived.session_id, touch=False)
    with pytest.raises(TamperedError):
        lived.log_in()


def test_a_deleted_administrator_does_not_reopen_the_setup(lived: Lived) -> None:
    sql(lived.home.users_database, "DELETE FROM user WHERE role = 'admin'")
    with pytest.raises(TamperedError, match="added, removed or put back"):
        lived.foundation.users.admin_exists()
    with pytest.raises(TamperedError):
        lived.foundation.offer_setup_token()


def test_nothing_is_recorded_over_a_cut_or_lengthened_audit_trail(lived: Lived) -> None:
    TAMPERS["end of the audit cut off"].by(lived.home, lived.older)
    with pytest.raises(AuditUnavailableError, match="was removed or changed by someone else"):
        lived.foundation.audit.record(verb="test", phase="event", actor="admin")


def test_nothing_is_recorded_after_a_strange_entry(lived: Lived) -> None:
    TAMPERS["audit entry added"].by(lived.home, lived.older)
    with pytest.raises(AuditUnavailableError, match="added by someone else"):
        lived.foundation.audit.record(verb="test", phase="event", actor="admin")


def test_what_is_remembered_stands_though_its_row_is_gone(lived: Lived) -> None:
    sql(lived.home.control_database, "DELETE FROM fact WHERE name = 'paused'")
    assert lived.foundation.record.fact("paused") == "lunch"
    with pytest.raises(TamperedError):
        lived.foundation.record.set_fact("paused", None)


# the way back


def test_a_finding_goes_when_its_cause_goes(lived: Lived) -> None:
    watch = IntegrityWatch(lived.foundation)
    lived.home.users_database.chmod(0o640)
    (found,) = watch.look()
    assert (found.subject, found.next_step) == (PLACES, f"Run: chmod 0600 {lived.home.users_database}")
    lived.home.users_database.chmod(0o600)
    assert watch.look() == ()


def test_a_home_of_another_user_is_refused(lived: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(HomeDamagedError, match="Run: chown 12345"):
        lived.open()


def test_a_clock_that_was_set_back_is_refused(lived: Lived) -> None:
    watch = IntegrityWatch(lived.foundation)
    lived.clock.move(hours=1)
    lived.foundation.audit.record(verb="test", phase="event", actor="admin")
    assert watch.look() == ()
    lived.clock.move(minutes=-6)
    (found,) = watch.look()
    assert found.subject == CLOCK
    assert "timedatectl" in found.next_step
    with pytest.raises(HomeDamagedError, match="The clock was set back"):
        lived.open()
    lived.clock.move(minutes=6)
    assert watch.look() == ()
    lived.open()


def test_no_rotation_by_a_clock_that_was_set_back(lived: Lived) -> None:
    lived.clock.move(hours=1)
    lived.foundation.rotation.rotate(dict, request_id="request-1", reason="r", actor="admin")
    lived.clock.move(minutes=-6)
    with pytest.raises(ClockSetBackError):
        lived.foundation.rotation.rotate(dict, request_id="request-2", reason="r", actor="admin")


# what a restore puts back


def restored(lived: Lived, **detail: object) -> None:
    """Say in the audit trail what a restore put in place, as the start after it does, and open the home."""
    store = SqliteAuditStore(open_sqlite(lived.home.audit_database))
    trail = AuditTrail(store, lived.clock, lived.foundation._sign, lived.foundation._key)
    trail.record(verb=RESTORED, phase="outcome", actor="admin", result="ok", detail=detail)
    store.close()
    lived.open()


def test_a_restored_database_counts_on_from_where_it_had_come(lived: Lived) -> None:
    newest = lived.foundation.people.seal.version
    lived.close()
    put_back(lived.home.users_database, lived.older / "storage/SYSTEM_USERS.db")
    with pytest.raises(HomeDamagedError, match="n older state was put in its place"):
        lived.open()
    older = sqlite_version(lived.home.users_database)
    restored(lived, versions={"users": older})
    assert lived.foundation.people.seal.version > newest
    lived.close()
    lived.open()
    lived.close()
    put_back(lived.home.users_database, lived.older / "storage/SYSTEM_USERS.db")
    with pytest.raises(HomeDamagedError, match="n older state was put"):
        lived.open()


def test_a_restored_audit_trail_names_the_end_that_was_put_aside(lived: Lived) -> None:
    seq, _ = lived.foundation.audit.end()
    lived.close()
    put_back(lived.home.audit_database, lived.older / "storage/AUDIT.db")
    with pytest.raises(HomeDamagedError, match="is missing or another one"):
        lived.open()
    restored(lived, lost={"audit": {"seq": seq}})
    lived.close()
    lived.open()


def sqlite_version(path: Path) -> int:
    import sqlite3

    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT version FROM seal").fetchone()[0])
    finally:
        connection.close()


# nothing is found that is not there

OPERATIONS = st.sampled_from(["log in", "log out", "wrong password", "fact", "state", "rotate", "remember", "restart",
                              "kill", "look", "hour"])  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(OPERATIONS, max_size=25))
def test_a_normal_life_shows_nothing(tmp_path_factory: pytest.TempPathFactory, operations: list[str]) -> None:
    lived = Lived(tmp_path_factory.mktemp("life"))
    watch = IntegrityWatch(lived.foundation)
    for number, operation in enumerate(operations):
        if do(lived, operation, number):
            watch = IntegrityWatch(lived.foundation)
        assert watch.look() == (), operation
    assert watch.look(everything=True) == ()
    lived.close()


def do(lived: Lived, operation: str, number: int) -> bool:  # noqa: C901 - one flat list of operations
    """Do one thing; whether the runner was started again for it."""
    made = lived.foundation
    if operation == "log in":
        lived.session_id = lived.log_in()
    elif operation == "log out":
        made.sessions.log_out(lived.session_id)
    elif operation == "wrong password":
        lived.clock.move(minutes=20)
        with pytest.raises(Exception, match="do not match"):
            made.log_in.log_in("viewer", "wrong", address=ADDRESS)
    elif operation == "fact":
        made.record.set_fact("paused", None if number % 2 else str(number))
    elif operation == "state":
        made.record.append_lifecycle(LifecycleRecord(State.IDLE, "", "test", lived.clock.now()))
    elif operation == "rotate":
        made.rotation.rotate(dict, request_id=f"request-{number:04d}", reason="test", actor="admin")
    elif operation == "remember":
        made.audit.checkpoint()
        made.chain.remember()
    elif operation == "hour":
        lived.clock.move(hours=1)
    elif operation in ("restart", "kill"):
        if operation == "kill":  # what lies on the disk at this moment, and nothing that was only in memory
            killed = lived.home.root.with_name(f"killed-{number}")
            shutil.copytree(lived.home.root, killed, symlinks=True)
            lived.close()
            lived.home = Home(killed)
        else:
            lived.close()
        lived.open()
        return True
    return False
