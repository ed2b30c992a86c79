"""A process that is killed at any point of a rotation leaves the old state or the new one, whole."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import Rounds
from tests.faults.checker import Asked, violations
from tests.faults.vault import MADE, Vault, contents
from tests.unit.storage.faults import FixedClock, WatchedFilesystem, in_child, kill_at

SEED = 20261122
ASKED = Asked(before=MADE, number=MADE + 1, generation=MADE, count=4)
Fresh = Callable[[], Path]


def killed(root: Path, clock: FixedClock, asked: Asked, point: int | None, vault: type[Vault] = Vault) -> Asked:
    """Start and rotate in a process that the kernel kills at `point`; whether its answer came out is noted."""
    reader, writer = os.pipe()

    def work() -> None:
        disk = WatchedFilesystem(None if point is None else kill_at(point))
        home = vault(root, clock, count=asked.count, disk=disk)
        home.start()
        home.rotate(asked.number)
        disk.step("reply")
        os.write(writer, b"done")
        disk.step("end")
        os.write(writer, str(len(disk.done)).encode())

    code = in_child(work)
    os.close(writer)
    with closing(os.fdopen(reader, "rb")) as pipe:
        said = pipe.read()
    assert code in (0, -signal.SIGKILL), "the child raised"
    assert (code == 0) == (said not in (b"", b"done")), "killed, but it went on"
    return Asked(asked.before, asked.number, asked.generation, asked.count, acknowledged=bool(said))


def points(root: Path, clock: FixedClock, asked: Asked) -> list[str]:
    """The operations of an undisturbed start and rotation, the reply and the end."""
    disk = WatchedFilesystem()
    vault = Vault(root, clock, count=asked.count, disk=disk)
    vault.start()
    vault.rotate(asked.number)
    vault.close()
    return [name for name, _ in disk.done] + ["reply", "end"]


@pytest.mark.soak
def test_a_kill_at_every_operation(fresh: Fresh, clock: FixedClock, rounds: Rounds) -> None:
    """The short form takes every third, and all around renames, commits and the reply."""
    names = points(fresh(), clock, ASKED)
    least = Counter(write=14, fsync=20, rename=5, mkdir=3, unlink=30, symlink=1, sql=10, commit=10, reply=1)
    assert Counter(names) >= least
    outcomes = Counter[str]()
    every = rounds(3, 1)
    for point, name in enumerate(names):
        if point % every and name not in ("rename", "commit", "reply", "end"):
            continue
        root = fresh()
        asked = killed(root, clock, ASKED, point)
        outcomes["new" if held(root, clock) == contents(ASKED.number, 4) else "old"] += 1
        outcomes["acknowledged"] += asked.acknowledged
        assert violations(Vault(root, clock), asked) == [], (point, name)
    assert outcomes["old"] > 20
    assert outcomes["new"] > 20
    assert outcomes["acknowledged"] == 1


def held(root: Path, clock: FixedClock) -> object:
    """What a reader finds right after the kill, before any recovery."""
    with closing(Vault(root, clock)) as vault:
        return vault.held()[1]


@pytest.mark.soak
def test_kills_at_random_points_one_after_the_other(ground: Path, rounds: Rounds) -> None:
    """Fifty secrets, one home, never reset: each round ends with the request made, once."""
    root, clock, chance = ground / "chained", FixedClock(), random.Random(SEED)
    root.mkdir()
    with closing(Vault(root, clock, count=50)) as vault:
        vault.create()
        vault.rotate(1)
    length = len(points(root, clock, Asked(1, 2, 1, 50)))
    outcomes = Counter[bool]()
    for number in range(3, 3 + rounds(8, 1000)):
        clock.move(timedelta(days=4))
        asked = Asked(before=number - 1, number=number, generation=number - 1, count=50)
        asked = killed(root, clock, asked, chance.randrange(length))
        outcomes[asked.acknowledged] += 1
        assert violations(Vault(root, clock, count=50), asked) == [], number
    assert outcomes[False] > outcomes[True]
    with closing(Vault(root, clock, count=50)) as vault:
        assert vault.audit.verify().ok
