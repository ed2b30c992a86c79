"""The kill switch: two names in `control/flags/`, moved by one rename so that it works on a full disk.

Trading is allowed only while `kill_armed` is a readable file; `control_kill.flag`, whatever it is, means killed.
The folder is writable by the portal: links are never followed and content is never believed.

KillSwitchError
+-- KillLatchedError   the switch is triggered, so it cannot be armed
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ARMED = "kill_armed"
TRIGGERED = "control_kill.flag"

_log = logging.getLogger(__name__)


class KillSwitchError(Exception):
    """The switch could not be read or moved; the message says what to do."""


class KillLatchedError(KillSwitchError):
    """The switch is triggered; only a reset by an admin lets it be armed again."""

    def __init__(self) -> None:
        super().__init__("the kill switch is triggered; reset it before arming it again")


class KillSwitch:
    """The switch in the folder `flags`."""

    def __init__(self, flags: Path) -> None:
        self._flags = flags

    def arm(self) -> None:
        """Make `kill_armed`, durably; arming twice does nothing.

        Raises KillLatchedError when triggered, KillSwitchError when the file cannot be made.
        """
        try:
            with self._folder() as folder:
                if _present(folder, TRIGGERED):
                    raise KillLatchedError
                _make(folder, ARMED)
        except OSError as error:
            raise KillSwitchError(
                f"the kill switch could not be armed ({error.strerror}), so no order is sent; "
                f"check {self._flags} and try again"
            ) from error

    def is_armed(self) -> bool:
        """Whether `kill_armed` is a regular file that can be read; in doubt it is not."""
        try:
            with self._folder() as folder:
                handle = os.open(ARMED, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
                try:
                    os.read(handle, 1)
                    return stat.S_ISREG(os.fstat(handle).st_mode)
                finally:
                    os.close(handle)
        except OSError:  # the caller reads "not armed", which stops trading: nobody else needs the cause
            return False

    def triggered(self) -> bool:
        """Whether anything is called `control_kill.flag`; raises KillSwitchError when that cannot be told."""
        try:
            with self._folder() as folder:
                return _present(folder, TRIGGERED)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise KillSwitchError(
                f"whether the kill switch is triggered cannot be read ({error.strerror}); check {self._flags}"
            ) from error

    def trigger(self, by: str) -> None:
        """Trip the switch for `by` (a person or a control); tripping it again changes nothing.

        It is in force when this returns. Raises KillSwitchError when it could not be tripped.
        """
        try:
            with self._folder() as folder:
                _trip(folder)
                _log.critical("kill switch triggered by %s", by)
                _sync_after_trip(folder)
        except OSError as error:
            raise KillSwitchError(
                f"the kill switch could not be triggered ({error.strerror}); "
                f"remove {self._flags / ARMED} by hand to stop trading"
            ) from error

    def reset(self) -> None:
        """Take `control_kill.flag` away, durably; the switch is then neither armed nor triggered."""
        try:
            with self._folder() as folder:
                _remove(folder, ARMED)
                _remove(folder, TRIGGERED)
                os.fsync(folder)
        except OSError as error:
            raise KillSwitchError(
                f"the kill switch could not be reset ({error.strerror}) and stays triggered; check {self._flags}"
            ) from error

    @contextmanager
    def _folder(self) -> Iterator[int]:
        handle = os.open(self._flags, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield handle
        finally:
            os.close(handle)


def _present(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _make(folder: int, name: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, f"{name} is not a regular file")
        os.fsync(handle)
    finally:
        os.close(handle)
    os.fsync(folder)


def _trip(folder: int) -> None:
    if _present(folder, TRIGGERED):
        _remove(folder, ARMED)
        return
    try:
        os.rename(ARMED, TRIGGERED, src_dir_fd=folder, dst_dir_fd=folder)
    except FileNotFoundError:
        _make(folder, TRIGGERED)


def _sync_after_trip(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError:
        # The rename is in force for every reader now; only a power cut in the next moments could undo it.
        _log.exception("the kill switch is triggered, but the disk did not confirm it; check the disk")


def _remove(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
        os.rmdir(name, dir_fd=folder)
