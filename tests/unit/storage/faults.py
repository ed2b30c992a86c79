"""A filesystem whose every operation can be watched, failed or made the last one, and a clock that is moved by hand."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tbot_bot.storage.filesystem import Filesystem

#: Operations that change what is on the disk, or make it durable; and the others.
CHANGES = ("write", "fsync", "rename", "mkdir", "chmod", "symlink", "unlink", "rmdir")
READS = ("close", "open", "read", "readlink", "lstat", "fstat", "listdir", "statvfs", "lock")

Hook = Callable[[int, str], None]


class FixedClock:
    def __init__(self, at: datetime = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def move(self, by: timedelta) -> None:
        self.at += by


class QuickFilesystem(Filesystem):
    """Does not wait for the disk: a kill or a failed call shows nothing of what a power loss would keep."""

    def fsync(self, descriptor: int) -> None:
        """Leave it to the kernel."""


class WatchedFilesystem(Filesystem):
    """Numbers the operations on `disk` from 0 and calls `before` and `after` around each, with number and name."""

    def __init__(
        self,
        before: Hook | None = None,
        after: Hook | None = None,
        only: tuple[str, ...] = CHANGES,
        disk: Filesystem | None = None,
    ) -> None:
        self.before = before
        self.after = after
        self.only = only
        self.disk = disk or QuickFilesystem()
        self.done: list[tuple[str, tuple[Any, ...]]] = []
        self._lock = threading.RLock()

    def step(self, name: str, *args: Any) -> int:
        """Count something that is about to happen, on the disk or elsewhere; return its number."""
        with self._lock:  # some operations are under way in several threads
            number = len(self.done)
            self.done.append((name, args))
            if self.before:
                self.before(number, name)
            return number


def _watched(name: str) -> Callable[..., Any]:
    def operation(self: WatchedFilesystem, *args: Any, **named: Any) -> Any:
        real = getattr(self.disk, name)
        if name not in self.only:
            return real(*args, **named)
        if name == "close":
            os.fstat(args[0])
        try:
            number = self.step(name, *args)
        except BaseException:
            if name == "close":
                real(*args, **named)  # a failed close has closed all the same
            raise
        result = real(*args, **named)
        if self.after:
            self.after(number, name)
        return result

    return operation


for _name in CHANGES + READS:
    setattr(WatchedFilesystem, _name, _watched(_name))


def die_at(number: int) -> Hook:
    """End the process at once, with code 42."""

    def hook(now: int, _name: str) -> None:
        if now == number:
            os._exit(42)

    return hook


def kill_at(number: int) -> Hook:
    """Have the kernel kill the process."""

    def hook(now: int, _name: str) -> None:
        if now == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def fail_at(number: int, error: int = errno.EIO) -> Hook:
    """Fail one operation."""

    def hook(now: int, name: str) -> None:
        if now == number:
            raise OSError(error, f"{os.strerror(error)} ({name})")

    return hook


def fail_from(number: int, error: int = errno.EIO) -> Hook:
    """Fail every operation from this one on, except those that only let go of something."""

    def hook(now: int, name: str) -> None:
        if now >= number and name != "close":
            raise OSError(error, f"{os.strerror(error)} ({name})")

    return hook


def in_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked process and return its exit code: 0 done, 42 killed by a hook, 1 it raised."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - the exit code tells
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
