"""Files in the folder that the portal may write: taken once, and never believed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tbot_bot.control.flags import KEPT_REJECTED, PROVISION, START, STOP, Flag, FlagFolder

REQUEST = json.dumps({"request_id": "abcdefgh"})


class Folder:
    """A flag folder and what it refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused: list[tuple[str, str]] = []
        self.flags = FlagFolder(path, lambda name, reason: self.refused.append((name, reason)))

    def put(self, name: str, content: str = REQUEST) -> Path:
        path = self.path / name
        path.write_text(content)
        return path

    @property
    def rejected(self) -> list[str]:
        return sorted(one.name for one in (self.path / "rejected").iterdir())


@pytest.fixture
def folder(tmp_path: Path, logged: object) -> Folder:
    return Folder(tmp_path / "flags")


def test_nothing_is_there(folder: Folder) -> None:
    assert folder.flags.consume() == []


def test_flags_are_taken_once_the_stop_first(folder: Folder) -> None:
    for name in (START, PROVISION, STOP):
        folder.put(name)
    assert folder.flags.consume() == [Flag(name, "abcdefgh") for name in (STOP, PROVISION, START)]
    assert folder.flags.consume() == []
    assert (folder.rejected, folder.refused) == ([], [])


@pytest.mark.parametrize("content", ["", " \n", REQUEST, "{", "x" * 5000, '{"request_id": "../.."}'])
def test_a_stop_needs_nothing_but_to_be_there(folder: Folder, content: str) -> None:
    path = folder.put(STOP, content)
    (flag,) = folder.flags.consume()
    assert flag == Flag(STOP, "abcdefgh" if content == REQUEST else None)
    assert not path.exists()


@pytest.mark.parametrize("name", [START, PROVISION])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it names no request id"),
        ("{", "it is not JSON"),
        ("[" * 4000, "it is not JSON"),
        ("[]", "its request id is malformed"),
        ('{"request_id": 5}', "its request id is malformed"),
        ('{"request_id": "short"}', "its request id is malformed"),
        ('{"request_id": "../../etc/passwd"}', "its request id is malformed"),
        ("x" * 4097, "it is larger than 4096 bytes"),
    ],
)
def test_anything_else_needs_a_request(folder: Folder, name: str, content: str, reason: str) -> None:
    folder.put(name, content)
    assert folder.flags.consume() == []
    assert folder.refused == [(name, reason)]
    assert folder.rejected == [f"000-{name}"]


@pytest.mark.parametrize("kind", ["symlink", "dangling", "hard link", "fifo", "folder"])
@pytest.mark.parametrize("name", [START, STOP])
def test_only_a_plain_file_is_read(folder: Folder, kind: str, name: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(REQUEST)
    path = folder.path / name
    match kind:
        case "symlink":
            path.symlink_to(elsewhere)
        case "dangling":
            path.symlink_to(tmp_path / "nowhere")
        case "hard link":
            path.hardlink_to(elsewhere)
        case "fifo":
            os.mkfifo(path)
        case _:
            (path / "inside").mkdir(parents=True)
    taken = folder.flags.consume()
    assert [flag.request_id for flag in taken] == ([None] if name == STOP else [])
    assert not os.path.lexists(path)
    assert elsewhere.read_text() == REQUEST
    assert folder.flags.consume() == []


def test_what_was_refused_does_not_pile_up(folder: Folder) -> None:
    for _ in range(KEPT_REJECTED + 5):
        folder.put(START, "{")
        folder.flags.consume()
    assert len(folder.rejected) == KEPT_REJECTED
    assert len(folder.refused) == KEPT_REJECTED + 5
    assert not (folder.path / START).exists()


def test_other_files_are_left_alone(folder: Folder) -> None:
    kill = folder.put("control_kill.flag", "")
    other = folder.put(".control_stop.flag", "")
    assert folder.flags.consume() == []
    assert kill.exists()
    assert other.exists()
