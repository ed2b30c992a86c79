from __future__ import annotations

from pathlib import Path

import pytest

from tbot_bot.storage.filesystem import Filesystem, create_file, open_folder
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


def test_a_refused_folder_is_closed_again(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o755)
    before = descriptors()
    with pytest.raises(Exception, match="has mode 0755"):
        open_folder(Filesystem(), tmp_path / "folder")
    assert descriptors() == before
