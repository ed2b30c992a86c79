"""What every fault leaves behind: the old generation or the new one, whole."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tbot_bot.storage.filesystem import Filesystem
from tbot_bot.storage.generations import Committed, GenerationStore
from tbot_bot.storage.secret_errors import (
    NoGenerationError,
    RotationFailedError,
    RotationIndeterminateError,
    SecretStoreError,
)
from tests.unit.storage.faults import (
    CHANGES,
    READS,
    FixedClock,
    QuickFilesystem,
    WatchedFilesystem,
    die_at,
    fail_at,
    fail_from,
    in_child,
)

OLD = {name: {"value": f"old {name}"} for name in ("bot_identity", "broker", "env_bot", "smtp")}
NEW = {name: {"value": f"new {name}"} for name in OLD}
REQUEST = "request-0002"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store at generation 1 with four secrets."""
    root = tmp_path_factory.mktemp("template") / "storage"
    store = GenerationStore(root, clock=FixedClock(), filesystem=QuickFilesystem())
    store.create_first(request_id="first-start", actor="runner", reason="first start")
    store.rotate(lambda _: OLD, request_id="request-0001", reason="test", actor="alice")
    store.recover()
    return root


@pytest.fixture
def fresh(template: Path, tmp_path: Path) -> Callable[[], Path]:
    def copy() -> Path:
        root = tmp_path / "storage"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(template, root, symlinks=True)
        return root

    return copy


def opened(root: Path, filesystem: Filesystem | None = None) -> GenerationStore:
    return GenerationStore(root, clock=FixedClock(), filesystem=filesystem or QuickFilesystem())


def rotate(store: GenerationStore) -> Committed:
    return store.rotate(lambda _: NEW, request_id=REQUEST, reason="test", actor="alice")


def operations(fresh: Callable[[], Path], only: tuple[str, ...]) -> list[str]:
    """The names of the operations of one undisturbed rotation."""
    watched = WatchedFilesystem(only=only)
    rotate(opened(fresh(), watched))
    return [name for name, _ in watched.done]


def swap_of(names: list[str]) -> int:
    """The number of the pointer's rename: the last one."""
    return max(number for number, name in enumerate(names) if name == "rename")


def outcome_of(store: GenerationStore) -> Exception | None:
    try:
        rotate(store)
    except (SecretStoreError, OSError) as failure:
        return failure
    return None


def settle(root: Path) -> dict[str, dict[str, object]]:
    """Start anew, return what stands, and see that the same request then leads to the new content exactly once."""
    store = opened(root)
    store.recover()
    with store.current() as pinned:
        found = pinned.read_all()
    committed = rotate(store)
    assert (committed.number, committed.repeated) == (2, found == NEW)
    recovery = store.recover()
    assert (recovery.number, recovery.removed, recovery.uncommitted, recovery.damaged) == (2, (), (), ())
    with store.current() as pinned:
        assert pinned.read_all() == NEW
    assert sorted(path.name for path in root.iterdir()) == [".lock", "current", "generations", "keys", "secrets"]
    assert sorted(path.name for path in (root / "generations").iterdir()) == ["000000", "000001", "000002"]
    return found


def test_a_kill_at_any_operation_leaves_one_whole_generation(fresh: Callable[[], Path]) -> None:
    names = operations(fresh, CHANGES)
    swap = swap_of(names)
    assert len(names) > 35
    last = len(names) - 1
    for number, side in [(number, "before") for number in range(last + 1)] + [(swap, "after"), (last, "after")]:
        root = fresh()
        store = opened(root, WatchedFilesystem(**{side: die_at(number)}))
        assert in_child(lambda store=store: rotate(store)) == 42, (number, side)
        swapped = number > swap or (number == swap and side == "after")
        assert settle(root) == (NEW if swapped else OLD), (number, side, names[number])


def test_a_kill_during_a_short_write_leaves_the_old_generation(fresh: Callable[[], Path]) -> None:
    class Short(WatchedFilesystem):
        def write(self, descriptor: int, data: bytes) -> int:
            return super().write(descriptor, data[: max(1, len(data) // 2)])

    root = fresh()
    assert rotate(opened(root, Short())).number == 2  # short writes alone do no harm
    for number in range(0, 40, 3):
        root = fresh()
        store = opened(root, Short(after=die_at(number), only=("write",)))
        code = in_child(lambda store=store: rotate(store))
        assert settle(root) == (OLD if code == 42 else NEW)


@pytest.mark.parametrize(
    ("error", "only", "step"),
    [
        (errno.EIO, CHANGES, 1),
        (errno.EIO, READS, 11),
        (errno.ENOSPC, ("write", "mkdir", "symlink", "rename"), 1),
        (errno.EMFILE, ("open",), 7),
    ],
)
def test_one_failure_of_any_operation_is_told_and_harmless(
    fresh: Callable[[], Path], error: int, only: tuple[str, ...], step: int
) -> None:
    names = operations(fresh, only)
    for number, name in list(enumerate(names))[::step]:
        root = fresh()
        store = opened(root, WatchedFilesystem(before=fail_at(number, error), only=only))
        outcome = outcome_of(store)
        # A failure to let go of a descriptor after the swap is told too, and the retry finds the generation.
        swapped = outcome is None or (name == "close" and store.find(REQUEST) is not None)
        assert outcome is None or name == "close" or isinstance(outcome, SecretStoreError), (number, name)
        assert not isinstance(outcome, RotationIndeterminateError), (number, name)
        expected = NEW if swapped else OLD
        with store.current() as pinned:
            assert pinned.read_all() == expected, (number, name)
        assert rotate(store) == Committed(2, store.find(REQUEST).manifest_sha256, repeated=swapped)  # type: ignore[union-attr] # just made


def test_a_disk_that_dies_leaves_one_whole_generation(fresh: Callable[[], Path]) -> None:
    names = operations(fresh, CHANGES)
    swap = swap_of(names)
    indeterminate = 0
    for number, name in enumerate(names):
        root = fresh()
        store = opened(root, WatchedFilesystem(before=fail_from(number)))
        with pytest.raises(RotationFailedError if number <= swap else RotationIndeterminateError):
            rotate(store)
        if number > swap:
            indeterminate += 1
            with pytest.raises(RotationIndeterminateError):
                rotate(store)
        assert settle(root) == (NEW if number > swap else OLD), (number, name)
    assert indeterminate == 1


def test_after_an_unconfirmed_swap_nothing_is_rotated_until_a_recovery(fresh: Callable[[], Path]) -> None:
    names = operations(fresh, CHANGES)
    disk = WatchedFilesystem(before=fail_from(max(n for n, name in enumerate(names) if name == "fsync")))
    store = opened(fresh(), disk)
    with pytest.raises(RotationIndeterminateError) as unknown:
        rotate(store)
    assert unknown.value.number == 2
    disk.before = None
    with pytest.raises(RotationIndeterminateError):
        rotate(store)
    assert store.recover().number == 2
    assert rotate(store).repeated


def test_a_failed_last_fsync_is_settled_by_a_new_swap(fresh: Callable[[], Path]) -> None:
    names = operations(fresh, CHANGES)
    last = max(number for number, name in enumerate(names) if name == "fsync")
    disk = WatchedFilesystem(before=fail_at(last))
    root = fresh()
    assert rotate(opened(root, disk)).number == 2
    after = [name for name, _ in disk.done[last + 1 :]]
    assert after.index("symlink") < after.index("rename") < after.index("fsync")


def test_a_swap_reported_as_failed_but_done_is_seen(fresh: Callable[[], Path]) -> None:
    names = operations(fresh, CHANGES)
    store = opened(fresh(), WatchedFilesystem(after=fail_at(swap_of(names))))
    assert rotate(store) == Committed(2, store.find(REQUEST).manifest_sha256)  # type: ignore[union-attr] # just made


def test_everything_is_durable_before_the_swap_and_the_swap_before_the_answer(fresh: Callable[[], Path]) -> None:
    open_paths: dict[int, str] = {}
    unsynced: set[str] = set()
    renames: list[set[str]] = []
    root = fresh()

    class Traced(Filesystem):
        def open(self, path: Path | str, flags: int, mode: int = 0o600, *, dir_fd: int | None = None) -> int:
            descriptor = super().open(path, flags, mode, dir_fd=dir_fd)
            open_paths[descriptor] = str(path)
            return descriptor

        def write(self, descriptor: int, data: bytes) -> int:
            unsynced.add(open_paths[descriptor])
            unsynced.add(str(Path(open_paths[descriptor]).parent))
            return super().write(descriptor, data)

        def fsync(self, descriptor: int) -> None:
            unsynced.discard(open_paths[descriptor])
            super().fsync(descriptor)

        def mkdir(self, path: Path) -> None:
            unsynced.add(str(path))
            unsynced.add(str(path.parent))
            super().mkdir(path)

        def rename(self, source: Path, target: Path) -> None:
            renames.append(set(unsynced) - {str(target.parent)})
            unsynced.add(str(target.parent))
            super().rename(source, target)

    rotate(opened(root, Traced()))
    assert renames == [set(), set()]
    assert unsynced == set()


def test_a_kill_at_any_operation_of_the_first_start_is_made_good(tmp_path: Path) -> None:
    def first(store: GenerationStore) -> Committed:
        return store.create_first(request_id="first-start", actor="runner", reason="first start")

    watched = WatchedFilesystem()
    first(opened(tmp_path / "whole" / "storage", watched)) if (tmp_path / "whole").mkdir() is None else None
    for number in range(len(watched.done)):
        for side in ("before", "after"):
            home = tmp_path / f"{number}-{side}"
            home.mkdir()
            store = opened(home / "storage", WatchedFilesystem(**{side: die_at(number)}))
            assert in_child(lambda store=store: first(store)) == 42
            again = opened(home / "storage")
            first(again)
            recovery = again.recover()
            assert (recovery.number, recovery.removed, recovery.uncommitted) == (0, (), ())
            assert (home / "storage/keys/sealing.key").is_file()


def test_a_first_start_on_a_bad_disk_leaves_nothing(tmp_path: Path) -> None:
    watched = WatchedFilesystem(only=("rename",))
    store = opened(tmp_path / "storage", watched)
    watched.before = fail_from(0)
    with pytest.raises(RotationFailedError, match="No generation was made"):
        store.create_first(request_id="first-start", actor="runner", reason="first start")
    watched.before = None
    with pytest.raises(NoGenerationError):
        store.recover()
    assert store.create_first(request_id="first-start", actor="runner", reason="first start").number == 0
