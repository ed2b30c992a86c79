"""A reader sees the old file or the new one; a failed write leaves the old."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tbot_bot.config.files import sync_folder, write_atomically


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "epoch"
    path.write_bytes(b"old")
    return path


def names(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


@pytest.mark.parametrize("durable", [True, False])
def test_it_replaces_the_file(path: Path, *, durable: bool) -> None:
    before = path.stat().st_ino
    write_atomically(path, b"new", durable=durable)
    assert path.read_bytes() == b"new"
    assert path.stat().st_ino != before
    assert names(path) == ["epoch"]


def test_a_reader_keeps_what_it_opened(path: Path) -> None:
    with path.open("rb") as reader:
        write_atomically(path, b"new and longer")
        assert reader.read() == b"old"


def test_the_mode_is_the_one_asked_for(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_atomically(tmp_path / "token", b"x", mode=0o600)
        write_atomically(tmp_path / "state", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old(path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os if step == "fsync" else Path, step, full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(path) == ["epoch"]


def test_a_link_in_the_way_is_not_followed(path: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.symlink_to(precious)
    with pytest.raises(OSError, match="symbolic"):
        write_atomically(path, b"new")
    assert precious.read_bytes() == b"mine"
    assert path.read_bytes() == b"old"


def test_what_a_crash_left_is_written_over(path: Path) -> None:
    path.with_name(f".{path.name}.{os.getpid()}.tmp").write_bytes(b"half of something longer")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path) == ["epoch"]


def test_only_a_durable_write_waits_for_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    real: Callable[[int], None] = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().is_dir())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_atomically(path, b"new", durable=False)
    assert synced == []
    write_atomically(path, b"new")
    assert synced == [False, True]
    sync_folder(path.parent)
    assert synced == [False, True, True]
