"""The privileged rotation with a real audit chain in a real database."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tbot_bot.audit.trail import AuditTrail
from tbot_bot.config.key_generation import prepare_keys
from tbot_bot.config.rotation import (
    COMMIT,
    EffectFailedError,
    EffectUnknownError,
    GenerationMismatchError,
    GenerationRolledBackError,
    GenerationUnauditedError,
    RotationService,
)
from tbot_bot.domain.audit import AuditFilter, AuditStore, AuditUnavailableError
from tbot_bot.storage.audit_store import SqliteAuditStore
from tbot_bot.storage.engine import migrate, open_sqlite
from tbot_bot.storage.filesystem import Filesystem
from tbot_bot.storage.generations import KEEP_FOR, Contents, GenerationStore
from tbot_bot.storage.secret_errors import RotationFailedError, RotationIndeterminateError
from tests.unit.audit.parts import KEY
from tests.unit.storage.faults import FixedClock, WatchedFilesystem, fail_from


class Home:
    """A started home: what the runner would hold."""

    def __init__(self, root: Path, filesystem: Filesystem | None = None) -> None:
        self.root = root
        self.clock = FixedClock()
        self.store = GenerationStore(root / "storage", clock=self.clock, filesystem=filesystem or Filesystem())
        prepare_keys(self.store)
        self.engine = open_sqlite(root / "AUDIT.db")
        migrate(self.engine, "audit")
        self.audit = self.trail(SqliteAuditStore(self.engine))
        with self.store.current() as pinned:
            self.audit.genesis(pinned.checkpoint_key().public_key)
        self.users: dict[str, int] = {}
        self.told: list[int] = []
        self.database_up = True
        self.service = self.serve()

    def trail(self, store: AuditStore) -> AuditTrail:
        return AuditTrail(store, self.clock, self.sign, KEY)

    def serve(self, audit: AuditTrail | None = None) -> RotationService:
        """A service as after a restart."""
        handlers = {"user.create": self.create_user}
        return RotationService(self.store, audit or self.audit, handlers=handlers, readers=[self.told.append])

    def sign(self, data: bytes) -> tuple[str, bytes]:
        with self.store.current() as pinned:
            key = pinned.checkpoint_key()
            return key.public_key, key.sign(data)

    def create_user(self, effect: Mapping[str, Any], generation: int) -> None:
        if not self.database_up:
            raise OSError("database is down")
        self.users.setdefault(effect["name"], generation)

    def rotate(self, number: int, *names: str, service: RotationService | None = None) -> int:
        effects = [{"kind": "user.create", "name": name} for name in names]
        return (
            (service or self.service)
            .rotate(
                self.counted(number),
                request_id=f"request-{number:04d}",
                reason="test",
                actor="alice",
                target="broker",
                after_effects=effects,
            )
            .number
        )

    @staticmethod
    def counted(number: int) -> Callable[[Contents], Contents]:
        return lambda old: {**old, "broker": {"n": number}}

    def records(self) -> list[tuple[str, str, str, int | None]]:
        """Verb, phase, result and generation of the rotation's records, oldest first."""
        found = [record.entry for record in self.audit.page(AuditFilter(), limit=500).items]
        return [
            (entry.verb, entry.phase.value, entry.result, entry.generation)
            for entry in reversed(found)
            if entry.verb.startswith("rotation")
        ]

    def current(self) -> int:
        with self.store.current() as pinned:
            return pinned.number


class BrokenStore(SqliteAuditStore):
    """An audit database that stops taking entries after some."""

    room = 0

    def append(self, build: Any) -> Any:
        if self.room == 0:
            raise AuditUnavailableError("the disk is full")
        self.room -= 1
        return super().append(build)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    assert made.service.verify_at_start() == 0
    return made


def test_the_first_generation_enters_the_audit_log(home: Home) -> None:
    assert home.records() == [(COMMIT, "outcome", "ok", 0)]
    assert home.service.verify_at_start() == 0
    assert home.records() == [(COMMIT, "outcome", "ok", 0)]
    assert prepare_keys(home.store).number == 0


def test_a_rotation_is_audited_before_and_after(home: Home) -> None:
    assert home.rotate(1, "bob") == 1
    assert home.records()[1:] == [
        ("rotation", "intent", "", None),
        ("rotation", "outcome", "ok", 1),
        (COMMIT, "outcome", "ok", 1),
    ]
    last = home.audit.last(verb=COMMIT)
    assert last is not None
    with home.store.current() as pinned:
        assert last.entry.detail["manifest_sha256"] == pinned.manifest_sha256
    assert (last.entry.actor, last.entry.request_id) == ("alice", "request-0001")
    assert home.users == {"bob": 1}
    assert home.told == [0, 1]
    assert home.audit.verify().ok


def test_checkpoint_keys_follow_each_other_through_many_rotations(home: Home) -> None:
    for number in range(1, 6):
        assert home.rotate(number) == number
    home.audit.checkpoint()
    assert home.audit.verify().ok


def test_a_repeated_request_does_nothing_twice(home: Home) -> None:
    home.rotate(1, "bob")
    before = home.records()
    assert home.rotate(1, "bob") == 1
    assert home.rotate(1, "bob", service=home.serve()) == 1
    assert home.records() == before
    assert home.users == {"bob": 1}


def test_without_an_audit_log_nothing_is_rotated(home: Home) -> None:
    broken = BrokenStore(home.engine)
    service = home.serve(home.trail(broken))
    broken.room = 1
    service.verify_at_start()
    broken.room = 0
    with pytest.raises(AuditUnavailableError):
        home.rotate(1, "bob", service=service)
    assert home.current() == 0
    assert home.users == {}


@pytest.mark.parametrize("room", [1, 2, 3])
def test_an_audit_log_that_fails_after_the_commit_is_made_up_for(home: Home, room: int) -> None:
    broken = BrokenStore(home.engine)
    service = home.serve(home.trail(broken))
    broken.room = 1
    service.verify_at_start()
    broken.room = room
    with pytest.raises(AuditUnavailableError):
        home.rotate(1, "bob", service=service)
    assert home.current() == 1
    assert home.users == {}
    broken.room = -1
    assert home.rotate(1, "bob", service=service) == 1
    assert home.users == {"bob": 1}
    assert [record for record in home.records() if record[0] == COMMIT] == [
        (COMMIT, "outcome", "ok", 0),
        (COMMIT, "outcome", "ok", 1),
    ]
    assert home.rotate(2, service=service) == 2
    assert home.audit.verify().ok


def test_a_crash_after_the_commit_is_completed_at_the_next_start(home: Home) -> None:
    broken = BrokenStore(home.engine)
    broken.room = 3
    with pytest.raises(AuditUnavailableError):
        home.rotate(1, "bob", service=home.serve(home.trail(broken)))
    assert home.current() == 1
    assert home.serve().verify_at_start() == 1
    assert home.users == {"bob": 1}
    assert home.records()[-1] == (COMMIT, "outcome", "ok", 1)
    assert home.audit.verify().ok


def test_a_failed_rotation_is_recorded_as_failed(tmp_path: Path) -> None:
    disk = WatchedFilesystem(only=("mkdir",))
    home = Home(tmp_path, disk)
    disk.before = fail_from(0)
    with pytest.raises(RotationFailedError):
        home.rotate(1, "bob")
    assert home.records()[-2:] == [("rotation", "intent", "", None), ("rotation", "outcome", "failed", None)]
    assert home.users == {}
    disk.before = None
    assert home.rotate(2) == 1


def test_an_unconfirmed_rotation_stops_all_others(tmp_path: Path) -> None:
    class Unconfirming(Filesystem):
        """Cannot make a folder durable once its pointer was swapped."""

        swapped = False
        broken = False

        def rename(self, source: Path, target: Path) -> None:
            super().rename(source, target)
            self.swapped = target.name == "current"

        def fsync(self, descriptor: int) -> None:
            if self.broken and self.swapped:
                raise OSError(errno.EIO, "Input/output error")
            super().fsync(descriptor)

    disk = Unconfirming()
    home = Home(tmp_path, disk)
    home.service.verify_at_start()
    disk.swapped, disk.broken = False, True
    for number in (1, 2):
        with pytest.raises(RotationIndeterminateError):
            home.rotate(number, "bob")
    assert home.users == {}
    disk.broken = False
    home.store.recover()
    assert home.serve().verify_at_start() == 1
    assert home.users == {"bob": 1}


def test_an_effect_that_nobody_can_make_is_refused_beforehand(home: Home) -> None:
    for effect in ({"kind": "unknown"}, {"kind": 1}, {}):
        with pytest.raises(EffectUnknownError):
            home.service.rotate(
                lambda old: old, request_id="request-0001", reason="r", actor="a", after_effects=[effect]
            )
    assert home.current() == 0


def test_an_effect_that_fails_is_made_before_anything_else(home: Home) -> None:
    home.database_up = False
    with pytest.raises(EffectFailedError, match=r"user\.create"):
        home.rotate(1, "bob")
    with pytest.raises(EffectFailedError):
        home.rotate(2, "carol")
    with pytest.raises(EffectFailedError):
        home.serve().verify_at_start()
    assert home.current() == 1
    home.database_up = True
    assert home.rotate(2, "carol") == 2
    assert home.users == {"bob": 1, "carol": 2}


def test_a_pointer_moved_back_is_found_and_nothing_is_lost(home: Home) -> None:
    home.rotate(1)
    home.rotate(2)
    pointer = home.root / "storage/current"
    pointer.unlink()
    pointer.symlink_to("generations/000001")
    prepare_keys(home.store)
    with pytest.raises(GenerationRolledBackError, match="generations/000002"):
        home.serve().verify_at_start()
    with pytest.raises(GenerationRolledBackError):
        home.rotate(3, service=home.serve())
    pointer.unlink()
    pointer.symlink_to("generations/000002")
    assert home.serve().verify_at_start() == 2


def test_a_generation_that_nobody_asked_for_is_refused(home: Home, tmp_path: Path) -> None:
    home.rotate(1)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copytree(home.root / "storage", other / "storage", symlinks=True)
    forged = GenerationStore(other / "storage", clock=home.clock, filesystem=Filesystem())
    forged.rotate(home.counted(9), request_id="request-0009", reason="r", actor="mallory")
    shutil.rmtree(home.root / "storage")
    shutil.copytree(other / "storage", home.root / "storage", symlinks=True)
    with pytest.raises(GenerationUnauditedError):
        home.serve().verify_at_start()


def test_an_exchanged_generation_is_found(home: Home, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copytree(home.root / "storage", other / "storage", symlinks=True)
    home.rotate(1)
    forged = GenerationStore(other / "storage", clock=home.clock, filesystem=Filesystem())
    forged.rotate(home.counted(9), request_id="request-0001", reason="test", actor="alice")
    shutil.rmtree(home.root / "storage")
    shutil.copytree(other / "storage", home.root / "storage", symlinks=True)
    prepare_keys(home.store)
    with pytest.raises(GenerationMismatchError):
        home.serve().verify_at_start()


def test_a_lost_audit_log_is_not_started_anew(home: Home) -> None:
    home.rotate(1)
    home.engine.dispose()
    for file in home.root.glob("AUDIT.db*"):
        file.unlink()
    with pytest.raises(GenerationUnauditedError):
        Home(home.root).service.verify_at_start()


def test_old_generations_are_pruned_and_that_is_audited(home: Home) -> None:
    for number in range(1, 12):
        home.rotate(number)
    home.clock.move(KEEP_FOR + timedelta(seconds=1))
    home.rotate(12)
    assert home.records()[-2:] == [
        ("rotation.prune", "intent", "", None),
        ("rotation.prune", "outcome", "ok", None),
    ]
    last = home.audit.last(verb="rotation.prune", phase="outcome")
    assert last is not None
    assert last.entry.detail == {"generations": [0, 1, 2]}


def test_a_failed_pruning_is_recorded_and_undoes_nothing(tmp_path: Path) -> None:
    disk = WatchedFilesystem(only=("rmdir",))
    home = Home(tmp_path, disk)
    for number in range(1, 12):
        home.rotate(number)
    home.clock.move(KEEP_FOR + timedelta(seconds=1))
    disk.before = fail_from(0)
    assert home.rotate(12) == 12
    assert home.records()[-1] == ("rotation.prune", "outcome", "failed", None)
