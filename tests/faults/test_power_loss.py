"""Power is lost at any moment, and what was not synced is gone in many combinations: nothing acknowledged goes with it.

A kill proves nothing about fsync. Here every moment of a run on a disk in memory is replayed with losses, and each
single fsync is left out once to see that the replay notices.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tbot_bot.config.key_generation import prepare_keys
from tbot_bot.storage.filesystem import Filesystem
from tbot_bot.storage.generations import Committed, GenerationStore
from tbot_bot.storage.secret_errors import SecretStoreError
from tests.conftest import Rounds
from tests.faults.checker import NAMED, Asked, violations
from tests.faults.disk import Disk, Pending
from tests.faults.vault import Vault, contents, opened, secrets_in
from tests.unit.storage.faults import CHANGES, FixedClock, WatchedFilesystem

SEED = 20261122
ASKED = Asked(before=2, number=3, generation=2, count=3)
Kept = Callable[[int, Pending], bool]


class Killed(BaseException):
    """Ends a run where it stands: nothing that handles errors sees it."""


class Recorded(WatchedFilesystem):
    """Remembers the disk before each operation; leaves out one fsync, ends the run, or refuses one fsync."""

    disk: Disk

    def __init__(self, disk: Disk, *, skipped: int | None = None, last: int | None = None) -> None:
        super().__init__(self._moment, only=CHANGES, disk=disk)
        self.skipped = skipped
        self.last = last
        self.refused: int | None = None
        self.moments: list[Disk] = []
        self.fsyncs = 0
        self.synced: list[str] = []
        self.seen: Callable[[], None] = lambda: None

    def _moment(self, number: int, _name: str) -> None:
        self.moments.append(self.disk.frozen())
        self.seen()
        if number == self.last:
            raise Killed

    def fsync(self, descriptor: int) -> None:
        with self._lock:  # several are asked for at once, the disk in memory takes one after the other
            self.step("fsync", descriptor)
            number, self.fsyncs = self.fsyncs, self.fsyncs + 1
            self.synced.append(self.disk.name_of(descriptor))
            if number == self.refused:
                self.disk.fail_fsync(descriptor)
                raise OSError(5, "Input/output error")
            if number != self.skipped:
                self.disk.fsync(descriptor)


def losses(pending: list[Pending], chance: random.Random, *, single: bool, mixed: int) -> Iterator[Kept]:
    """Which pending changes are kept: all, none, all of two kinds; with `single` all but each and only each."""
    yield lambda _place, _change: True
    yield lambda _place, _change: False
    for kind in ("content", "rename", "name"):
        yield lambda _place, change, kind=kind: change.kind != kind
    for place in range(len(pending)) if single else ():
        yield lambda here, _change, place=place: here != place
        yield lambda here, _change, place=place: here == place
    for _ in range(mixed):
        kept = {place for place in range(len(pending)) if chance.random() < 0.5}
        yield lambda here, _change, kept=kept: here in kept


def standing(disk: Disk, clock: FixedClock) -> tuple[int, object]:
    """The generation that a store finds on this disk, and its content."""
    store = GenerationStore(disk.root / "storage", clock=clock, filesystem=disk)
    store.recover()
    with store.current() as pinned:
        return pinned.number, secrets_in(pinned)


def lost(disk: Disk, clock: FixedClock, *, durable: bool, chance: random.Random, mixed: int = 2) -> list[str]:
    """What a power loss at this moment may break; `durable` when the new content must survive it."""
    old, new = contents(ASKED.before, ASKED.count), contents(ASKED.number, ASKED.count)
    for kept in losses(disk.pending, chance, single=durable, mixed=mixed):
        try:
            _, found = standing(disk.after_power_loss(kept), clock)
        except SecretStoreError as error:
            return [f"unreadable: {error}"]
        if found not in ((new,) if durable else (old, new)):
            return ["lost" if found == old else "mixed"]
    return []


@dataclass
class Run:
    """A home whose storage lies on a disk in memory, and everything that was there at each moment of its last act."""

    root: Path
    clock: FixedClock
    disk: Disk
    fsyncs: int = 0

    @classmethod
    def begun(cls, root: Path) -> Run:
        root.mkdir()
        run = cls(root, FixedClock(), Disk(root))
        with opened(Vault(root, run.clock, count=ASKED.count, disk=run.disk)) as vault:
            vault.create()
            vault.rotate(1)
            vault.rotate(2)
        return run

    def copy(self, to: Path) -> Run:
        """The same home in another place."""
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.root, to)
        disk = self.disk.frozen()
        disk.root = to
        return Run(to, self.clock, disk.after_power_loss(lambda _place, _change: True))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run.begun(tmp_path_factory.mktemp("power") / "home")


@dataclass(frozen=True)
class Moment:
    """Disk and databases before one operation, and whether audit log or caller had been told of the rotation."""

    disk: Disk
    audit: bytes
    users: bytes
    told: bool


def recorded(run: Run, store: type[GenerationStore] = GenerationStore) -> list[Moment]:
    """Start and rotate on the disk, and keep every moment up to the one after the answer."""
    watched = Recorded(run.disk)

    class Here(Vault):
        store_type = store

    vault = Here(run.root, run.clock, count=ASKED.count, disk=watched)
    moments: list[Moment] = []
    answered = False

    def remember() -> None:
        audit, users = (_bytes(run.root / name) for name in ("AUDIT.db", "USERS.db"))
        told = answered or _committed(run.root / "AUDIT.db") == ASKED.generation + 1
        moments.append(Moment(watched.moments.pop(), audit, users, told))

    watched.seen = remember
    with opened(vault):
        vault.start()
        vault.rotate(ASKED.number)
        answered = True
        watched.step("reply")
    return moments


def _bytes(path: Path) -> bytes:
    with closing(sqlite3.connect(path)) as database:
        return database.serialize()


def _committed(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        query = "SELECT max(json_extract(body, '$.generation')) FROM entry WHERE json_extract(body, '$.verb') = ?"
        return int(database.execute(query, ("rotation.commit",)).fetchone()[0])


@pytest.mark.soak
def test_no_loss_at_any_moment_takes_what_was_told(begun: Run, tmp_path: Path, rounds: Rounds) -> None:
    """At each moment of a start and a rotation; the short form tries fewer mixtures."""
    chance = random.Random(SEED)
    moments = recorded(begun.copy(tmp_path / "home"))
    assert len(moments) > 50
    assert {moment.told for moment in moments} == {False, True}
    for number, moment in enumerate(moments):
        mixed = rounds(1, 200)
        assert lost(moment.disk, begun.clock, durable=moment.told, chance=chance, mixed=mixed) == [], number


@pytest.mark.soak
def test_a_whole_home_starts_after_a_loss(begun: Run, tmp_path: Path, rounds: Rounds) -> None:
    """Secrets, audit log and users agree again, and the request that was under way is made once."""
    chance = random.Random(SEED)
    for number, moment in list(enumerate(recorded(begun.copy(tmp_path / "home"))))[:: rounds(4, 1)]:
        for kept in list(losses(moment.disk.pending, chance, single=False, mixed=rounds(0, 10)))[: rounds(2, 100)]:
            root = tmp_path / "after"
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            (root / "AUDIT.db").write_bytes(moment.audit)
            (root / "USERS.db").write_bytes(moment.users)
            disk = moment.disk.after_power_loss(kept)
            disk.root = root
            asked = replace(ASKED, acknowledged=moment.told)
            assert violations(Vault(root, begun.clock, count=ASKED.count, disk=disk), asked) == [], number


def rotated(run: Run, *, skipped: int | None = None, refused: int | None = None, disk: type[Recorded]) -> list[str]:
    """Rotate with one fsync left out or refused, then lose power; what that takes away though it was acknowledged."""
    watched = disk(run.disk, skipped=skipped)
    watched.refused = refused
    with opened(Vault(run.root, run.clock, count=ASKED.count)) as vault:
        vault.store = GenerationStore(run.root / "storage", clock=run.clock, filesystem=watched)
        try:
            committed = vault.store.rotate(
                lambda _old: contents(ASKED.number, ASKED.count), request_id="asked", reason="test", actor="ada"
            )
        except NAMED:
            committed = None
    run.fsyncs = watched.fsyncs
    return lost(run.disk, run.clock, durable=isinstance(committed, Committed), chance=random.Random(SEED))


def test_every_fsync_of_a_rotation_is_needed(begun: Run, tmp_path: Path) -> None:
    whole = begun.copy(tmp_path / "home")
    assert rotated(whole, disk=Recorded) == []
    assert whole.fsyncs > 14
    for number in range(whole.fsyncs):
        assert rotated(begun.copy(tmp_path / "home"), skipped=number, disk=Recorded) != [], number


class Retried(Recorded):
    """Asks again when the disk refuses, and believes the second answer."""

    def fsync(self, descriptor: int) -> None:
        try:
            super().fsync(descriptor)
        except OSError:
            super().fsync(descriptor)


class Ignored(Recorded):
    """Does not look at what the disk answers."""

    def fsync(self, descriptor: int) -> None:
        with suppress(OSError):
            super().fsync(descriptor)


def test_a_refused_fsync_is_never_believed(begun: Run, tmp_path: Path) -> None:
    """The kernel drops what a failed fsync should have written, so asking again proves nothing."""
    whole = begun.copy(tmp_path / "home")
    rotated(whole, disk=Recorded)
    for number in range(whole.fsyncs):
        assert rotated(begun.copy(tmp_path / "home"), refused=number, disk=Recorded) == [], number
        for planted in (Retried, Ignored):
            assert rotated(begun.copy(tmp_path / "home"), refused=number, disk=planted) != [], (number, planted)


def stopped(run: Run, last: int) -> bool:
    """Rotate until the operation of that number; False when the rotation has no such operation."""
    store = GenerationStore(run.root / "storage", clock=run.clock, filesystem=Recorded(run.disk, last=last))
    try:
        store.rotate(lambda _old: contents(ASKED.number, ASKED.count), request_id="asked", reason="test", actor="ada")
    except Killed:
        return True
    return False


@pytest.mark.soak
def test_what_a_start_found_after_a_kill_outlives_a_power_loss(begun: Run, tmp_path: Path, rounds: Rounds) -> None:
    """A kill may leave a pointer that everyone sees and no disk holds: a start makes it durable before it serves."""
    chance, seen, every = random.Random(SEED), dict[int, int](), rounds(5, 1)
    last = 0
    while stopped(run := begun.copy(tmp_path / "home"), last):
        number, found = standing(run.disk, run.clock)
        seen[number] = last
        for kept in losses(run.disk.pending, chance, single=True, mixed=2):
            assert standing(run.disk.after_power_loss(kept), run.clock) == (number, found), last
        last += 1 if last > 25 else every
    assert seen.keys() == {ASKED.generation, ASKED.generation + 1}
    run = begun.copy(tmp_path / "home")
    assert stopped(run, seen[ASKED.generation + 1])
    assert run.disk.pending, "the swap is not durable yet"
    number, _ = standing_without_fsync(run)
    back = {
        standing(run.disk.after_power_loss(kept), run.clock)[0] for kept in losses([], chance, single=False, mixed=0)
    }
    assert back == {number, number - 1}, "a start without its fsync would have been noticed"


def standing_without_fsync(run: Run) -> tuple[int, object]:
    """What a start finds that leaves out its fsync."""
    store = GenerationStore(run.root / "storage", clock=run.clock, filesystem=Recorded(run.disk, skipped=0))
    store.recover()
    with store.current() as pinned:
        return pinned.number, secrets_in(pinned)


def first_start(disk: Filesystem, root: Path, clock: FixedClock) -> str:
    """What every start does with the keys; the manifest's hash."""
    return prepare_keys(GenerationStore(root / "storage", clock=clock, filesystem=disk)).manifest_sha256


@pytest.mark.soak
def test_a_first_start_survives_a_kill_and_then_a_power_loss(tmp_path: Path, rounds: Rounds) -> None:
    """Wherever either comes, the next start makes the keys or keeps those that were made."""
    clock, chance, last = FixedClock(), random.Random(SEED), 0
    disk = Disk(tmp_path)
    while True:
        disk = Disk(tmp_path)
        with suppress(Killed):
            first_start(Recorded(disk, last=last), tmp_path, clock)
            break
        again = Recorded(disk)
        made = first_start(again, tmp_path, clock)
        for moment in again.moments[:: rounds(2, 1)]:
            for kept in losses(moment.pending, chance, single=False, mixed=rounds(0, 20)):
                first_start(moment.after_power_loss(kept), tmp_path, clock)
        for kept in losses(disk.pending, chance, single=True, mixed=2):
            assert first_start(disk.after_power_loss(kept), tmp_path, clock) == made, last
        last += 1 if 18 < last < 24 else rounds(4, 1)
    assert last > 24


def test_every_fsync_of_a_first_start_is_needed(tmp_path: Path) -> None:
    """All but that of a folder in which nothing lies yet, and the pointer's: where it is gone, it is made again."""

    def harmed(skipped: int | None) -> tuple[bool, Recorded]:
        disk, clock = Disk(tmp_path), FixedClock()
        watched = Recorded(disk, skipped=skipped)
        store = GenerationStore(tmp_path / "storage", clock=clock, filesystem=watched)
        made = store.create_first(request_id="first-start", actor="runner", reason="first start").manifest_sha256
        try:
            for moment in [*watched.moments, disk]:
                for kept in losses(moment.pending, random.Random(SEED), single=moment is disk, mixed=0):
                    found = first_start(moment.after_power_loss(kept), tmp_path, clock)
                    if moment is disk and found != made:
                        return True, watched
        except SecretStoreError:
            return True, watched
        return False, watched

    is_harmed, watched = harmed(None)
    assert not is_harmed
    harmless = [skipped for skipped in range(watched.fsyncs) if not harmed(skipped)[0]]
    assert harmless == [watched.synced.index("secrets"), len(watched.synced) - 1]


def test_the_disk_in_memory_does_what_a_real_one_does(tmp_path: Path) -> None:
    """The same run leaves the same names and modes on both, and the same answers to what is refused."""
    root = tmp_path / "real"
    root.mkdir(mode=0o700)
    memory = Disk(root)
    trees: list[set[str]] = []
    for disk in (Filesystem(), memory):
        store = GenerationStore(root / "storage", clock=FixedClock(), filesystem=disk)
        prepare_keys(store)
        store.rotate(lambda _old: contents(1, 2), request_id="one", reason="test", actor="ada")
        with pytest.raises(FileExistsError):
            disk.mkdir(root / "storage")
        with pytest.raises(FileNotFoundError):
            disk.readlink(root / "nothing")
        with pytest.raises(OSError, match="Directory not empty"):
            disk.rmdir(root / "storage")
        with pytest.raises(OSError, match="Invalid argument"):
            disk.readlink(root / "storage/generations")
        trees.append(set(memory.tree()) if disk is memory else {_named(root, path) for path in root.rglob("*")} | {""})
    assert trees[0] == trees[1]
    assert memory.tree()["/storage/generations/000001"].startswith("0700")
    assert memory.tree()["/storage/generations/000001/keys/sealing.key"].startswith("0600")


def _named(root: Path, path: Path) -> str:
    return f"/{path.relative_to(root)}"
