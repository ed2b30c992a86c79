"""Readers beside rotations see one generation at a time, whole."""

from __future__ import annotations

import json
import os
import select
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, InvalidToken

from tests.conftest import Rounds
from tests.faults.vault import Vault
from tests.unit.storage.faults import FixedClock

NAMES = ("left", "middle", "right")
#: Between two reads of one reader, so that eight of them leave the rotations something of two cores.
PAUSE_S = 0.005
Between = Callable[[], None]


def holding(number: int) -> dict[str, dict[str, object]]:
    return {name: {"n": number} for name in NAMES}


def begun(root: Path) -> Vault:
    """A home whose generation N holds the number N in each secret."""
    root.mkdir()
    vault = Vault(root, FixedClock(), count=len(NAMES))
    vault.create()
    vault.rotate(1, lambda _old: holding(1))
    return vault


def pinned(vault: Vault, between: Between) -> tuple[int, list[object]]:
    """Read as everything here does."""
    with vault.store.current() as generation:
        found = []
        for name in NAMES:
            found.append(generation.read(name)["n"])
            between()
        return generation.number, found


def naive(vault: Vault, between: Between) -> tuple[int, list[object]]:
    """Read through the links, each file by its own look-up."""
    storage = vault.root / "storage"
    number = int((storage / "current").readlink().name)
    found = []
    for name in NAMES:
        key = (storage / f"keys/{name}.key").read_bytes()
        token = (storage / f"secrets/{name}.json.enc").read_bytes()
        found.append(json.loads(Fernet(key).decrypt(token))["n"])
        between()
    return number, found


def is_mixed(vault: Vault, read: Callable[[Vault, Between], tuple[int, list[object]]], between: Between) -> bool:
    try:
        number, found = read(vault, between)
    except InvalidToken:
        return True
    return found != [number] * len(NAMES)


@pytest.mark.parametrize(("read", "expected"), [(pinned, False), (naive, True)])
def test_a_rotation_between_two_look_ups(ground: Path, read: Callable[..., object], expected: bool) -> None:
    """The second reader is what the first must not be."""
    with closing(begun(ground / read.__name__)) as vault:
        rotations = iter(range(2, 99))

        def rotate() -> None:
            number = next(rotations)
            vault.rotate(number, lambda _old: holding(number))

        assert is_mixed(vault, read, rotate) is expected  # type: ignore[arg-type] # the two readers above
        assert not is_mixed(vault, pinned, lambda: None)


def reading(vault: Vault, go_on: Callable[[], bool]) -> tuple[int, int]:
    """Read for as long as told; how often, and how often two generations were mixed."""
    reads = mixed = 0
    while go_on():
        mixed += is_mixed(vault, pinned, lambda: None)
        reads += 1
    return reads, mixed


def in_process(root: Path, stop: int, held: int) -> tuple[int, int]:
    """A reader in a process of its own until nobody else holds the pipe's end `held`; its id, and where it reports."""
    report, said = os.pipe()
    child = os.fork()
    if child:
        os.close(said)
        return child, report
    try:
        os.close(held)
        vault = Vault(root, FixedClock())
        os.write(said, json.dumps(reading(vault, lambda: not select.select([stop], [], [], PAUSE_S)[0])).encode())
        os._exit(0)
    finally:
        os._exit(1)


@pytest.mark.soak
def test_eight_readers_beside_many_rotations(ground: Path, rounds: Rounds) -> None:
    """Four threads and four processes."""
    counts: list[list[int]] = []
    over = threading.Event()
    with closing(begun(ground / "read")) as vault:
        stop, held = os.pipe()
        children = [in_process(vault.root, stop, held) for _ in range(4)]
        threads = [
            threading.Thread(target=lambda: counts.append([*reading(vault, lambda: not over.wait(PAUSE_S))]))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for number in range(2, 2 + rounds(10, 500)):
            vault.clock.move(timedelta(days=3))
            vault.rotate(number, lambda _old, number=number: holding(number))
        over.set()
        os.close(held)
        for thread in threads:
            thread.join()
        for child, report in children:
            with closing(os.fdopen(report)) as pipe:
                counts.append(json.loads(pipe.read()))
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        os.close(stop)
    assert len(counts) == 8
    assert min(reads for reads, _ in counts) > 3
    assert sum(mixed for _, mixed in counts) == 0
