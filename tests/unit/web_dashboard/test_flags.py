from __future__ import annotations

import json
from pathlib import Path

import pytest

from tbot_web.support import flags
from tbot_web.support.flags import KillPulled


def test_a_flag_is_whole_and_replaces_an_unread_one(tmp_path: Path) -> None:
    flags.write_flag(tmp_path, flags.START, {"request_id": "one"})
    flags.write_flag(tmp_path, flags.START, {"request_id": "two"})
    assert json.loads((tmp_path / flags.START).read_text()) == {"request_id": "two"}
    assert [path.name for path in tmp_path.iterdir()] == [flags.START]


def test_a_link_in_the_flags_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / flags.STOP).symlink_to(target)
    flags.write_flag(tmp_path, flags.STOP, {})
    assert target.read_text() == "mine"
    assert not (tmp_path / flags.STOP).is_symlink()


def test_a_folder_in_the_flags_place_is_an_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / flags.STOP).mkdir()
    with pytest.raises(OSError, match="directory"):
        flags.write_flag(tmp_path, flags.STOP, {})
    assert [path.name for path in tmp_path.iterdir()] == [flags.STOP]


def test_pulling_renames_the_armed_file(tmp_path: Path) -> None:
    (tmp_path / flags.KILL_ARMED).write_text("armed")
    inode = (tmp_path / flags.KILL_ARMED).stat().st_ino
    assert flags.pull_kill(tmp_path, {}) is KillPulled.NOW
    assert (tmp_path / flags.KILL_PULLED).stat().st_ino == inode
    assert not (tmp_path / flags.KILL_ARMED).exists()


def test_pulling_twice_says_so(tmp_path: Path) -> None:
    (tmp_path / flags.KILL_ARMED).write_text("armed")
    flags.pull_kill(tmp_path, {})
    assert flags.pull_kill(tmp_path, {}) is KillPulled.ALREADY


def test_pulling_works_when_the_armed_file_is_lost(tmp_path: Path) -> None:
    assert flags.pull_kill(tmp_path, {"request_id": "x"}) is KillPulled.NOW
    assert (tmp_path / flags.KILL_PULLED).exists()
