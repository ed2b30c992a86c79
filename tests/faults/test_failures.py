"""One operation of a rotation fails, once: what is said is true, and nothing is lost, mixed or left behind."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest

from tbot_bot.storage.filesystem import Filesystem
from tests.conftest import Rounds
from tests.faults.checker import Asked, told_falsely, violations
from tests.faults.vault import MADE, Vault
from tests.unit.storage.faults import FixedClock, Hook, WatchedFilesystem, fail_at

ASKED = Asked(before=MADE, number=MADE + 1, generation=MADE, count=4)
FAILING = ("open", "write", "fsync", "rename", "mkdir", "symlink", "unlink")
ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EMFILE)
Fresh = Callable[[], Path]


def tried(vault: Vault) -> Exception | None:
    """What became of the rotation."""
    try:
        vault.rotate(ASKED.number)
    except Exception as failure:  # noqa: BLE001 - judged by the caller
        return failure
    return None


def faults_of(root: Path, clock: FixedClock, hook: Hook | None, vault_type: type[Vault] = Vault) -> list[str]:
    """Rotate on a disk with that fault; whatever is wrong with what is said and what is found."""
    disk = WatchedFilesystem(only=FAILING)
    vault = vault_type(root, clock, disk=disk)
    vault.start()
    disk.done.clear()
    disk.before = hook
    outcome = tried(vault)
    disk.before = None
    wrong = told_falsely(outcome, vault, ASKED)
    vault.close()
    asked = Asked(ASKED.before, ASKED.number, ASKED.generation, ASKED.count, acknowledged=outcome is None)
    return wrong + violations(vault_type(root, clock), asked)


def operations(root: Path, clock: FixedClock) -> list[str]:
    """What an undisturbed rotation after a start does."""
    disk = WatchedFilesystem(only=FAILING)
    vault = Vault(root, clock, disk=disk)
    vault.start()
    disk.done.clear()
    assert tried(vault) is None
    vault.close()
    return [name for name, _ in disk.done]


@pytest.mark.soak
def test_every_operation_fails_once(fresh: Fresh, clock: FixedClock, rounds: Rounds) -> None:
    """With every error; the short form takes the errors in turn and some of the many reads and removals."""
    names = operations(fresh(), clock)
    assert set(names) >= set(FAILING)
    turn, every, found = cycle(ERRORS), rounds(8, 1), Counter[str]()
    for number, name in enumerate(names):
        if name in ("open", "unlink") and number % every:
            continue
        if name in ("sql", "commit"):
            continue
        for error in [next(turn)] if every > 1 else ERRORS:
            found[name] += 1
            assert faults_of(fresh(), clock, fail_at(number, error)) == [], (number, name, os.strerror(error))
    assert found.keys() == set(FAILING)


class Short(Filesystem):
    """Takes only a part of the write of that number."""

    def __init__(self, at: int, size: Callable[[int], int]) -> None:
        self.at = at
        self.size = size
        self.writes = 0

    def write(self, descriptor: int, data: bytes) -> int:
        self.writes += 1
        return super().write(descriptor, data[: self.size(len(data))] if self.writes - 1 == self.at else data)


SIZES: tuple[Callable[[int], int], ...] = (lambda _: 1, lambda size: size // 2)


@pytest.mark.soak
def test_a_short_write_is_gone_on_with(fresh: Fresh, clock: FixedClock, rounds: Rounds) -> None:
    writes = operations(fresh(), clock).count("write")
    for at in range(0, writes, rounds(5, 1)):
        for size in SIZES:
            assert shortened(fresh(), clock, at, size) == [], at


def shortened(root: Path, clock: FixedClock, at: int, size: Callable[[int], int]) -> list[str]:
    """Rotate with one short write, which must do no harm at all."""
    vault = Vault(root, clock, disk=Short(at, size))
    vault.start()
    outcome = tried(vault)
    vault.close()
    wrong = [] if outcome is None else [f"a short write was not gone on with: {outcome!r}"]
    asked = Asked(ASKED.before, ASKED.number, ASKED.generation, ASKED.count, acknowledged=outcome is None)
    return wrong + violations(Vault(root, clock), asked)
