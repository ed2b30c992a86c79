from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from tbot_bot.storage.filesystem import Filesystem, create_file, create_files, open_folder
from tests.unit.storage.faults import WatchedFilesystem


def descriptors() -> list[Path]:
    return sorted(Path("/proc/self/fd").iterdir())


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    create_file(Filesystem(), tmp_path / "file", b"content")
    with pytest.raises(FileExistsError):
        create_file(Filesystem(), tmp_path / "file", b"other")
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(FileExistsError):
        create_file(Filesystem(), tmp_path / "link", b"other")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_an_empty_file_is_made_durable_too(tmp_path: Path) -> None:
    watched = WatchedFilesystem()
    create_file(watched, tmp_path / "file", b"")
    assert [name for name, _ in watched.done] == ["fsync"]


def test_several_files_are_synced_together_and_closed_only_when_all_are_done(tmp_path: Path) -> None:
    """The first refusal is told, and no descriptor is closed while another thread still uses it."""
    ended: list[str] = []

    class Meeting(Filesystem):
        def __init__(self) -> None:
            self.all_there = threading.Barrier(3, timeout=30)
            self.refused = threading.Event()

        def fsync(self, descriptor: int) -> None:
            if self.all_there.wait() == 0:
                self.refused.set()
                raise OSError(errno.EIO, "Input/output error")
            assert self.refused.wait(30)
            super().fsync(descriptor)
            ended.append("synced")

        def close(self, descriptor: int) -> None:
            ended.append("closed")
            super().close(descriptor)

    with pytest.raises(OSError, match="Input/output error"):
        create_files(Meeting(), {tmp_path / name: b"content" for name in ("a", "b", "c")})
    assert ended == ["synced"] * 2 + ["closed"] * 3


def test_more_files_than_are_open_at_once(tmp_path: Path) -> None:
    watched = WatchedFilesystem()
    create_files(watched, {tmp_path / str(number): f"{number}".encode() for number in range(40)})
    assert [name for name, _ in watched.done].count("fsync") == 40
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {str(one): str(one) for one in range(40)}


def test_a_refused_folder_is_closed_again(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o755)
    before = descriptors()
    with pytest.raises(Exception, match="has mode 0755"):
        open_folder(Filesystem(), tmp_path / "folder")
    assert descriptors() == before
