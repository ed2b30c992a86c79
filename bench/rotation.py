"""Rotations against the bare file work and a password hash; readers beside them; the check at a start."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from bench.measurement import Measurement, in_turns
from tbot_bot.config.key_generation import prepare_keys
from tbot_bot.identity.passwords import PasswordHasher
from tbot_bot.storage.filesystem import Filesystem
from tbot_bot.storage.generations import GenerationStore
from tests.unit.storage.faults import FixedClock

FEW, MANY = 12, 100
GENERATIONS = 30
READERS = 8
READ_PAUSE_S = 0.05
NAMES = tuple(f"secret_{one:03d}" for one in range(MANY))


class Secrets:
    """A store with so many secrets, rotated at each call; generations past their time are pruned as in a home."""

    def __init__(self, root: Path, count: int) -> None:
        root.mkdir()
        self.root = root
        self.clock = FixedClock()
        self.store = GenerationStore(root / "storage", clock=self.clock, filesystem=Filesystem())
        prepare_keys(self.store)
        self._content = {name: {"user": "bot", "password": "x" * 40} for name in NAMES[:count]}
        self._number = 0
        self.rotate()

    def rotate(self) -> None:
        """One rotation of everything."""
        self._number += 1
        self.clock.move(timedelta(hours=1))
        self.store.rotate(
            lambda _old: self._content, request_id=f"request-{self._number:06d}", reason="bench", actor="bench"
        )

    def sizes(self) -> dict[str, int]:
        """The files of a generation."""
        with self.store.current() as pinned:
            files = {path: entry.size for path, entry in pinned.manifest.files.items()}
        folder = self.root / f"storage/generations/{self._number:06d}"
        return files | {"MANIFEST.json": (folder / "MANIFEST.json").stat().st_size}


class Bare:
    """The same files, each written and synced, the folders synced, the same two renames, and nothing else."""

    def __init__(self, root: Path, sizes: dict[str, int]) -> None:
        self._root = root
        self._content = {path: b"x" * size for path, size in sizes.items()}
        self._number = 0
        (root / "generations").mkdir(parents=True)

    def write(self) -> None:
        """One generation's worth."""
        self._number += 1
        generations = self._root / "generations"
        partial = generations / f"{self._number}.partial"
        for folder in (partial, partial / "keys", partial / "secrets"):
            folder.mkdir()
        for path, data in self._content.items():
            with (partial / path).open("xb", buffering=0) as stream:
                stream.write(data)
                os.fsync(stream.fileno())
        for folder in (partial / "secrets", partial / "keys", partial):
            sync(folder)
        partial.rename(generations / str(self._number))
        sync(generations)
        swap = self._root / "current.tmp"
        swap.symlink_to(f"generations/{self._number}")
        swap.rename(self._root / "current")
        sync(self._root)


def sync(folder: Path) -> None:
    """Make a folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


@contextmanager
def readers(secrets: Secrets) -> Iterator[list[float]]:
    """Eight threads that open the store and read a secret again and again; the seconds that each reading took."""
    over, taken = threading.Event(), list[float]()

    def read() -> None:
        while not over.wait(READ_PAUSE_S):
            began = time.perf_counter()
            with secrets.store.current() as pinned:
                pinned.read(NAMES[0])
            taken.append(time.perf_counter() - began)

    threads = [threading.Thread(target=read) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        yield taken
    finally:
        over.set()
        for thread in threads:
            thread.join()


def main(*, quick: bool) -> list[Measurement]:
    """Everything on the disk of the temporary folder, which should be a real one."""
    turns = 5 if quick else 25
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [*against_others(folder, turns), beside_readers(folder, 20 if quick else 200), start(folder)]


def against_others(folder: Path, turns: int) -> Iterator[Measurement]:
    """A rotation, the bare file work and a password hash, in turns."""
    few, many, hasher = Secrets(folder / "few", FEW), Secrets(folder / "many", MANY), PasswordHasher(cost=12)
    bare_few, bare_many = Bare(folder / "bare-few", few.sizes()), Bare(folder / "bare-many", many.sizes())
    works = (few.rotate, bare_few.write, lambda: hasher.hash("correct horse"), many.rotate, bare_many.write)
    few_s, bare_s, hash_s, many_s, bare_many_s = in_turns(works, turns=turns)
    yield ratio(f"rotation of {FEW} secrets against the bare file work", few_s, bare_s, 2)
    yield ratio(f"rotation of {MANY} secrets against the bare file work", many_s, bare_many_s, 2)
    yield ratio(f"rotation of {FEW} secrets against one password hash", few_s, hash_s, 0.25)
    yield ratio(f"rotation of {MANY} secrets against {FEW}", many_s, few_s, 10)


def ratio(name: str, ours_s: float, other_s: float, goal: float) -> Measurement:
    words = f"{ours_s * 1000:.1f} ms", f"{other_s * 1000:.1f} ms"
    return Measurement(name, ours_s / other_s, "x", goal_max=goal, ours=words[0], other=words[1])


def beside_readers(folder: Path, rotations: int) -> Measurement:
    """How long the slowest hundredth of the readings took while everything was rotated."""
    secrets = Secrets(folder / "read", FEW)
    with readers(secrets) as taken:
        for _ in range(rotations):
            secrets.rotate()
    p99_ms = sorted(taken)[len(taken) * 99 // 100] * 1000
    return Measurement(
        f"{READERS} readers beside {rotations} rotations, p99 of {len(taken):,} readings", p99_ms, "ms", goal_max=100
    )


def start(folder: Path) -> Measurement:
    """What a start checks in a home with many generations."""
    secrets = Secrets(folder / "start", FEW)
    for _ in range(GENERATIONS - 2):
        secrets.rotate()

    def check() -> None:
        prepare_keys(GenerationStore(folder / "start/storage", clock=secrets.clock, filesystem=Filesystem()))

    (taken_s,) = in_turns([check], turns=5)
    return Measurement(f"check of {GENERATIONS} generations at a start", taken_s, "s", goal_max=1)
