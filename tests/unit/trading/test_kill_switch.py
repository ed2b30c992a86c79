"""The kill switch works on a full disk, twice, and against whatever stands in its folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tbot_bot.trading.kill_switch import ARMED, TRIGGERED, KillLatchedError, KillSwitch, KillSwitchError


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    folder = tmp_path / "flags"
    folder.mkdir()
    return folder


def fail(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    """Let one operation of the system fail."""

    def broken(*_arguments: object, **_options: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, name, broken)


def test_a_round(flags: Path) -> None:
    switch = KillSwitch(flags)
    assert (switch.is_armed(), switch.triggered()) == (False, False)
    switch.arm()
    switch.arm()
    assert (switch.is_armed(), switch.triggered()) == (True, False)
    switch.trigger("admin")
    assert (switch.is_armed(), switch.triggered()) == (False, True)
    switch.trigger("loss limit")
    with pytest.raises(KillLatchedError):
        switch.arm()
    assert (switch.is_armed(), switch.triggered()) == (False, True)
    switch.reset()
    assert (switch.is_armed(), switch.triggered()) == (False, False)
    switch.reset()
    switch.arm()
    assert switch.is_armed()


def test_triggering_an_unarmed_switch_latches_it(flags: Path) -> None:
    KillSwitch(flags).trigger("admin")
    assert KillSwitch(flags).triggered()


def test_triggering_says_who(flags: Path, caplog: pytest.LogCaptureFixture) -> None:
    KillSwitch(flags).trigger("the watchdog")
    assert "kill switch triggered by the watchdog" in caplog.text


def test_triggering_needs_no_space(flags: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = KillSwitch(flags)
    switch.arm()
    fail(monkeypatch, "write", errno.ENOSPC)
    fail(monkeypatch, "fsync", errno.ENOSPC)
    switch.trigger("admin")
    monkeypatch.undo()
    assert (switch.is_armed(), switch.triggered()) == (False, True)


def hostile_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def hostile_pipe(path: Path) -> None:
    os.mkfifo(path)


def hostile_folder(path: Path) -> None:
    path.mkdir()


def hostile_content(path: Path) -> None:
    path.write_bytes(b"\x00" * 100_000)


KINDS = [hostile_link, hostile_pipe, hostile_folder]


@pytest.mark.parametrize("make", KINDS)
def test_only_a_plain_file_arms(flags: Path, make: Callable[[Path], None]) -> None:
    make(flags / ARMED)
    switch = KillSwitch(flags)
    assert not switch.is_armed()
    with pytest.raises(KillSwitchError, match="no order is sent"):
        switch.arm()
    assert not switch.is_armed()
    switch.trigger("admin")
    assert switch.triggered()
    switch.reset()
    switch.arm()
    assert switch.is_armed()


def test_a_pipe_that_somebody_reads_does_not_arm(flags: Path) -> None:
    hostile_pipe(flags / ARMED)
    reader = os.open(flags / ARMED, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(KillSwitchError):
            KillSwitch(flags).arm()
        assert not KillSwitch(flags).is_armed()
    finally:
        os.close(reader)


@pytest.mark.parametrize("make", [*KINDS, dangling_link, hostile_content])
def test_anything_by_that_name_is_a_kill(flags: Path, make: Callable[[Path], None]) -> None:
    switch = KillSwitch(flags)
    switch.arm()
    make(flags / TRIGGERED)
    assert switch.triggered()
    switch.trigger("admin")
    assert (switch.is_armed(), switch.triggered()) == (False, True)
    switch.reset()
    assert not switch.triggered()


def test_a_reset_never_leaves_the_switch_armed(flags: Path) -> None:
    switch = KillSwitch(flags)
    switch.arm()
    hostile_content(flags / TRIGGERED)
    switch.reset()
    assert (switch.is_armed(), switch.triggered()) == (False, False)


def test_content_of_the_armed_file_is_ignored(flags: Path) -> None:
    hostile_content(flags / ARMED)
    assert KillSwitch(flags).is_armed()


def test_without_the_folder_it_is_not_armed_and_nothing_works(tmp_path: Path) -> None:
    switch = KillSwitch(tmp_path / "none")
    assert (switch.is_armed(), switch.triggered()) == (False, False)
    with pytest.raises(KillSwitchError, match="by hand"):
        switch.trigger("admin")
    with pytest.raises(KillSwitchError, match="could not be armed"):
        switch.arm()
    with pytest.raises(KillSwitchError, match="could not be reset"):
        switch.reset()


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path, flags: Path) -> None:
    KillSwitch(flags).arm()
    (tmp_path / "link").symlink_to(flags)
    switch = KillSwitch(tmp_path / "link")
    assert not switch.is_armed()
    with pytest.raises(KillSwitchError, match="cannot be read"):
        switch.triggered()


def test_an_unreadable_file_is_not_armed(flags: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = KillSwitch(flags)
    switch.arm()
    fail(monkeypatch, "read", errno.EIO)
    assert not switch.is_armed()


def test_a_flag_that_cannot_be_taken_away_stays(flags: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = KillSwitch(flags)
    switch.trigger("admin")
    fail(monkeypatch, "unlink", errno.EACCES)
    with pytest.raises(KillSwitchError, match="stays triggered"):
        switch.reset()
    monkeypatch.undo()
    assert switch.triggered()
    (flags / TRIGGERED).unlink()
    (flags / TRIGGERED).mkdir()
    (flags / TRIGGERED / "inside").touch()
    with pytest.raises(KillSwitchError, match="stays triggered"):
        switch.reset()
    assert switch.triggered()
