"""A home that was damaged while nothing ran is refused by name; a disk in trouble is no damage."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from tbot_bot.config.paths import Home
from tbot_bot.control.damage import AUDIT, CONTROL, SECRETS, USERS, HomeDamagedError, Inspection
from tbot_bot.control.foundation import Foundation
from tbot_bot.domain.identity import UsersUnavailableError
from tbot_bot.storage.engine import is_damage
from tbot_bot.storage.secret_errors import StoreUnreadableError
from tests.unit.audit.parts import HandClock
from tests.unit.control.backstage import furnished_home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return furnished_home(tmp_path / "home")


def open_again(home: Home) -> Foundation:
    return Foundation(home, HandClock(), state=str, password_cost=4)


def generation(home: Home) -> Path:
    return home.storage / (home.storage / "current").readlink()


def garbage(path: Path) -> None:
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    path.write_bytes(b"not a database, " * 512)


def halved(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.truncate(path, path.stat().st_size // 8192 * 4096)


def without_a_table(path: Path, table: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute(f"DROP TABLE {table}")
        connection.commit()


def pointer_back(home: Home) -> None:
    current = home.storage / "current"
    current.unlink()
    current.symlink_to("generations/000000")


def secret_changed(home: Home) -> None:
    path = generation(home) / "secrets/broker.json.enc"
    path.write_bytes(path.read_bytes()[:-1])


DAMAGES: dict[str, tuple[str, Callable[[Home], object]]] = {
    "a secret": (SECRETS, secret_changed),
    "a manifest": (SECRETS, lambda home: (generation(home) / "MANIFEST.json").write_bytes(b"{}")),
    "no key": (SECRETS, lambda home: (generation(home) / "keys/broker.key").unlink()),
    "no pointer": (SECRETS, lambda home: (home.storage / "current").unlink()),
    "an older generation": (SECRETS, pointer_back),
    "no generation": (SECRETS, lambda home: shutil.rmtree(generation(home))),
    "audit garbage": (AUDIT, lambda home: garbage(home.audit_database)),
    "audit halved": (AUDIT, lambda home: halved(home.audit_database)),
    "no audit": (AUDIT, lambda home: home.audit_database.unlink()),
    "users garbage": (USERS, lambda home: garbage(home.users_database)),
    "users without a table": (USERS, lambda home: without_a_table(home.users_database, "alembic_version")),
    "control garbage": (CONTROL, lambda home: garbage(home.control_database)),
    "control without a table": (CONTROL, lambda home: without_a_table(home.control_database, "alembic_version")),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named(home: Home, name: str) -> None:
    subject, damage = DAMAGES[name]
    damage(home)
    with pytest.raises(HomeDamagedError) as refused:
        open_again(home)
    assert [one.subject for one in refused.value.findings] == [subject]
    found = refused.value.findings[0]
    assert found.what.endswith(".")
    assert found.next_step.endswith(".")
    assert found.found_at.endswith("Z")
    assert subject in str(refused.value)


def test_several_damages_are_told_at_once(home: Home) -> None:
    garbage(home.control_database)
    garbage(home.audit_database)
    with pytest.raises(HomeDamagedError) as refused:
        open_again(home)
    assert {one.subject for one in refused.value.findings} == {AUDIT, CONTROL}


def test_a_home_that_is_whole_opens(home: Home) -> None:
    assert open_again(home).generation == 1


def test_a_disk_that_is_full_is_no_damage(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "small.db")) as connection:
        connection.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.OperationalError, match="full") as full:
            connection.execute("CREATE TABLE many AS SELECT randomblob(9999) AS some")
    error = OperationalError("INSERT", {}, full.value)
    assert not is_damage(error)
    with pytest.raises(OperationalError), Inspection(HandClock()).of(USERS):
        raise error
    with pytest.raises(UsersUnavailableError), Inspection(HandClock()).of(USERS):
        raise UsersUnavailableError("full") from error


def test_a_store_that_cannot_be_read_is_no_damage(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("tbot_bot.storage.filesystem.os.lstat", fails)
    with pytest.raises((StoreUnreadableError, OSError)):
        open_again(home)
