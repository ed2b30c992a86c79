"""Kills, failing disks and full ones at every operation of making, removing and restoring backups."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tbot_bot.api.backups import BackupPart
from tbot_bot.config.paths import Home
from tbot_bot.config.restored import PendingRestore
from tbot_bot.storage.backup_errors import BackupFailedError
from tbot_bot.storage.backup_store import BackupStore, SnapshotRequest
from tbot_bot.storage.database_copy import copy_database, fault_of
from tbot_bot.storage.filesystem import Filesystem
from tbot_bot.storage.generations import GenerationStore
from tbot_bot.storage.restore_plan import RestoreFolder
from tests.unit.config.vault import Vault, vault_at
from tests.unit.storage.faults import (
    CHANGES,
    FixedClock,
    QuickFilesystem,
    WatchedFilesystem,
    die_at,
    fail_at,
    in_child,
)

REQUEST = SnapshotRequest("RIGD_US_SIM_001", "alice", "test", "request-0001")
DATABASES = ("SYSTEM_USERS.db", "AUDIT.db", "CONTROL.db")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a snapshot, whose databases have gone on since, and a restore of all that waits."""
    vault: Vault = vault_at(tmp_path_factory.mktemp("template") / "home")
    name = vault.snapshot()
    vault.rotate(2)
    vault.restore(name, BackupPart.USERS, BackupPart.AUDIT, BackupPart.CONTROL, BackupPart.LEDGER)
    vault.close()
    return vault.home


@pytest.fixture
def fresh(template: Home, tmp_path: Path) -> Callable[[], Home]:
    def copy() -> Home:
        root = tmp_path / "home"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(template.root, root, symlinks=True)
        return Home(root)

    return copy


def store_of(home: Home, filesystem: Filesystem) -> BackupStore:
    return BackupStore(home.backups, clock=FixedClock(), filesystem=filesystem, pause=lambda _s: None)


def make(home: Home, filesystem: Filesystem) -> str:
    secrets = GenerationStore(home.storage, clock=FixedClock(), filesystem=QuickFilesystem())
    sources = {"CONTROL.db": home.control_database, "AUDIT.db": home.audit_database}
    with secrets.current() as pinned:
        return store_of(home, filesystem).write(REQUEST, sources, pinned, lambda: True).name


def remove(home: Home, filesystem: Filesystem) -> None:
    store = store_of(home, filesystem)
    store.remove(store.names())


def apply(home: Home, filesystem: Filesystem) -> None:
    pending = PendingRestore.find(home, FixedClock(), filesystem)
    if pending is not None:
        pending.put_in_place()
        pending.close()


def places(home: Home, work: Callable[[Home, Filesystem], object], step: int = 1) -> Iterator[int]:
    """The numbers of the changing operations of one undisturbed run, each or each so many."""
    watched = WatchedFilesystem(only=CHANGES)
    work(home, watched)
    assert len(watched.done) > 10
    yield from range(0, len(watched.done), step)


def whole(home: Home) -> set[str]:
    """Every snapshot there is, each of them checked to the last byte."""
    store = store_of(home, QuickFilesystem())
    for name in store.names():
        store.verify(name)
    return set(store.names())


def test_a_kill_while_one_is_made_leaves_it_whole_or_not_there(fresh: Callable[[], Home]) -> None:
    before = whole(fresh())
    for number in places(fresh(), make, 3):
        home = fresh()
        assert in_child(lambda home=home, number=number: make(home, WatchedFilesystem(die_at(number)))) == 42
        assert before <= whole(home)
        made = make(home, QuickFilesystem())
        assert made in whole(home)
        assert not [path for path in home.backups.iterdir() if path.suffix], number


def test_a_disk_that_fails_or_is_full_leaves_nothing_half_made(fresh: Callable[[], Home]) -> None:
    home = fresh()
    before = whole(home)
    for error, step in ((errno.EIO, 5), (errno.ENOSPC, 7)):
        for number in places(fresh(), make, step):
            home = fresh()
            try:
                make(home, WatchedFilesystem(fail_at(number, error), only=CHANGES))
            except BackupFailedError as told:
                assert "Nothing half-made is left" in str(told)  # noqa: PT017 - whether it is raised depends on the place
            assert before <= whole(home)
            assert make(home, QuickFilesystem()) in whole(home)


def test_a_kill_while_they_are_removed_leaves_each_whole_or_gone(fresh: Callable[[], Home]) -> None:
    before = whole(fresh())
    assert before
    for number in places(fresh(), remove):
        home = fresh()
        assert in_child(lambda home=home, number=number: remove(home, WatchedFilesystem(die_at(number)))) == 42
        assert whole(home) <= before
        remove(home, QuickFilesystem())
        store_of(home, QuickFilesystem()).sweep()
        assert not [path for path in home.backups.iterdir() if path.name.startswith("snapshot")], number


def contents(home: Home) -> dict[str, bytes]:
    return {name: (home.storage / name).read_bytes() for name in DATABASES}


def test_a_kill_at_any_operation_of_a_restore_is_finished_by_the_next_start(fresh: Callable[[], Home]) -> None:
    home = fresh()
    plan = RestoreFolder(home.restore, QuickFilesystem()).pending()
    assert plan is not None
    now = contents(home)
    then = {name: (home.backups / plan.backup / name).read_bytes() for name in DATABASES}
    for number in places(fresh(), apply):
        home = fresh()
        assert in_child(lambda home=home, number=number: apply(home, WatchedFilesystem(die_at(number)))) == 42
        for name in DATABASES:  # at every moment each database of now lies in its place or aside, as it was
            places_of = [home.storage / name, home.backups / plan.aside / name]
            assert now[name] in [path.read_bytes() for path in places_of if path.exists()], (number, name)
        apply(home, QuickFilesystem())
        assert contents(home) == then, number
        assert {name: (home.backups / plan.aside / name).read_bytes() for name in DATABASES} == now
        assert not home.restore.exists()
        assert not [path for path in home.storage.iterdir() if path.suffix in {".trash", ".partial"}]


def test_a_restore_on_a_failing_disk_goes_on_where_it_stood(fresh: Callable[[], Home]) -> None:
    home = fresh()
    plan = RestoreFolder(home.restore, QuickFilesystem()).pending()
    assert plan is not None
    then = {name: (home.backups / plan.backup / name).read_bytes() for name in DATABASES}
    for number in places(fresh(), apply):
        home = fresh()
        with pytest.raises(OSError, match="error"):
            apply(home, WatchedFilesystem(fail_at(number), only=CHANGES))
        apply(home, QuickFilesystem())
        assert contents(home) == then, number


def test_a_prepared_file_that_was_changed_moves_nothing(fresh: Callable[[], Home]) -> None:
    home = fresh()
    now = contents(home)
    path = home.restore / "AUDIT.db"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Exception, match=r"AUDIT\.db was changed since it was prepared"):
        apply(home, QuickFilesystem())
    assert contents(home) == now


def test_what_a_copy_holds_is_one_moment_of_a_busy_database(tmp_path: Path) -> None:
    """Writers go on between two steps of the copy, and are not held up."""
    source = tmp_path / "busy.db"
    writer = sqlite3.connect(source, isolation_level=None, timeout=0)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("CREATE TABLE pair (a INTEGER, b INTEGER, filling TEXT)")
    writer.executemany("INSERT INTO pair VALUES (?, ?, ?)", [(n, n, "x" * 4000) for n in range(1500)])
    written = 0

    def write(_pause_s: float) -> None:
        nonlocal written
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE pair SET a = a + 1")
        writer.execute("UPDATE pair SET b = b + 1")
        writer.execute("COMMIT")
        written += 1

    copy_database(source, tmp_path / "copy.db", write)
    writer.close()
    assert written > 3
    assert fault_of(tmp_path / "copy.db") is None
    copy = sqlite3.connect(tmp_path / "copy.db")
    assert copy.execute("SELECT count(*), sum(a <> b) FROM pair").fetchone() == (1500, 0)
    assert copy.execute("SELECT sum(a) FROM pair").fetchone() == (1500 * 1499 // 2,)
    copy.close()
