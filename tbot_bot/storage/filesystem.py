"""The one door to the disk for the secrets store: every operation has a name, so that a test can fail or stop any."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
_OPEN_AT_ONCE = 16
PART_SIZE = 1024 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class UnsafeFileError(Exception):
    """Something stands in the place of a file or folder that may not stand there; the message says what."""


class Filesystem:
    """Single operations of the operating system, each raising OSError as it does."""

    def open(self, path: Path | str, flags: int, mode: int = FILE_MODE, *, dir_fd: int | None = None) -> int:
        return os.open(path, flags, mode, dir_fd=dir_fd)

    def read(self, descriptor: int, size: int) -> bytes:
        return os.read(descriptor, size)

    def write(self, descriptor: int, data: bytes) -> int:
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        os.rename(source, target)  # noqa: PTH104 - this class is where the operating system is called

    def mkdir(self, path: Path) -> None:
        os.mkdir(path, DIRECTORY_MODE)  # noqa: PTH102 - as above

    def chmod(self, path: Path, mode: int) -> None:
        os.chmod(path, mode)  # noqa: PTH101 - as above

    def symlink(self, target: str, path: Path) -> None:
        os.symlink(target, path)  # noqa: PTH211 - as above

    def unlink(self, path: Path) -> None:
        os.unlink(path)  # noqa: PTH108 - as above

    def rmdir(self, path: Path) -> None:
        os.rmdir(path)  # noqa: PTH106 - as above

    def readlink(self, path: Path) -> str:
        return os.readlink(path)  # noqa: PTH115 - as above

    def lstat(self, path: Path) -> os.stat_result:
        return os.lstat(path)

    def fstat(self, descriptor: int) -> os.stat_result:
        return os.fstat(descriptor)

    def listdir(self, place: Path | int) -> list[str]:
        return sorted(os.listdir(place))  # noqa: PTH208 - as above

    def statvfs(self, path: Path) -> os.statvfs_result:
        return os.statvfs(path)

    def lock(self, descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def opened(filesystem: Filesystem, descriptor: int) -> Iterator[int]:
    """Close `descriptor` at the end."""
    try:
        yield descriptor
    finally:
        filesystem.close(descriptor)


def create_file(filesystem: Filesystem, path: Path, data: bytes) -> None:
    """Write a new file and make its content durable; an existing file is an error."""
    with opened(filesystem, filesystem.open(path, _CREATE)) as descriptor:
        _write_whole(filesystem, descriptor, data)
        filesystem.fsync(descriptor)


def create_files(filesystem: Filesystem, files: Mapping[Path, bytes]) -> None:
    """Do the same for several files, at once."""
    left = iter(files.items())
    while batch := list(islice(left, _OPEN_AT_ONCE)):
        with ExitStack() as stack:
            descriptors = [stack.enter_context(opened(filesystem, filesystem.open(path, _CREATE))) for path, _ in batch]
            for descriptor, (_, data) in zip(descriptors, batch, strict=True):
                _write_whole(filesystem, descriptor, data)
            _together([partial(filesystem.fsync, descriptor) for descriptor in descriptors])


def _write_whole(filesystem: Filesystem, descriptor: int, data: bytes) -> None:
    left = data
    while left:
        left = left[filesystem.write(descriptor, left) :]


def _together(syncs: Sequence[Callable[[], None]]) -> None:
    """Run all, each in a thread of its own, and wait for all: a disk confirms many almost as fast as one.

    The first error is raised, after the last has ended: no descriptor is closed while it is still in use.
    """
    with ThreadPoolExecutor(len(syncs)) as pool:
        waiting = [pool.submit(sync) for sync in syncs]
    for one in waiting:
        one.result()


def read_file(filesystem: Filesystem, name: str, *, dir_fd: int, size_max: int) -> bytes:
    """Read a plain private file by its name in an open folder; raises UnsafeFileError for anything else."""
    with _open_private(filesystem, name, dir_fd) as descriptor:
        if filesystem.fstat(descriptor).st_size > size_max:
            raise UnsafeFileError(f"is larger than {size_max} bytes")
        parts = []
        while part := filesystem.read(descriptor, size_max):
            parts.append(part)
        return b"".join(parts)


def hash_file(filesystem: Filesystem, name: str, *, dir_fd: int) -> tuple[str, int]:
    """The SHA-256 (hexadecimal) and the size of a plain private file of any size; raises UnsafeFileError."""
    digest, size = hashlib.sha256(), 0
    with _open_private(filesystem, name, dir_fd) as descriptor:
        while part := filesystem.read(descriptor, PART_SIZE):
            digest.update(part)
            size += len(part)
    return digest.hexdigest(), size


def copy_file(filesystem: Filesystem, name: str, target: Path, *, dir_fd: int) -> None:
    """Copy a plain private file of an open folder to a new file and make its content durable."""
    with (
        _open_private(filesystem, name, dir_fd) as source,
        opened(filesystem, filesystem.open(target, _CREATE)) as descriptor,
    ):
        while left := filesystem.read(source, PART_SIZE):
            while left:
                left = left[filesystem.write(descriptor, left) :]
        filesystem.fsync(descriptor)


def sync_file(filesystem: Filesystem, path: Path) -> None:
    """Make a file durable that another hand wrote, and see that it is private."""
    filesystem.chmod(path, FILE_MODE)
    with opened(filesystem, filesystem.open(path, _READ)) as descriptor:
        filesystem.fsync(descriptor)


def open_folder(filesystem: Filesystem, path: Path | str, *, dir_fd: int | None = None, follow: bool = False) -> int:
    """Open a private folder; a link in its place is refused unless `follow`."""
    descriptor = filesystem.open(path, _DIRECTORY if follow else _DIRECTORY | os.O_NOFOLLOW, dir_fd=dir_fd)
    try:
        _require_private(filesystem.fstat(descriptor), stat.S_ISDIR, DIRECTORY_MODE)
    except BaseException:
        filesystem.close(descriptor)
        raise
    return descriptor


def sync_folders(filesystem: Filesystem, paths: Sequence[Path]) -> None:
    """Make the names in several folders durable, in no order."""
    _together([partial(sync_folder, filesystem, path) for path in paths])


def sync_folder(filesystem: Filesystem, path: Path) -> None:
    """Make the names in a folder durable, through a fresh descriptor."""
    with opened(filesystem, filesystem.open(path, _DIRECTORY)) as descriptor:
        filesystem.fsync(descriptor)


def make_folder(filesystem: Filesystem, path: Path) -> None:
    """Make a private folder if there is none, and see that it is private."""
    if not present(filesystem, path):
        filesystem.mkdir(path)
    filesystem.chmod(path, DIRECTORY_MODE)


def present(filesystem: Filesystem, path: Path) -> bool:
    """Whether anything stands at `path`, a broken link included."""
    try:
        filesystem.lstat(path)
    except FileNotFoundError:
        return False
    return True


def clear_for_link(filesystem: Filesystem, link: Path, target: str, end: str) -> None:
    """Keep what stands where a link belongs under its name and `end`; a link to `target`, or any if "", stays."""
    if not present(filesystem, link):
        return
    try:
        found = filesystem.readlink(link)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    else:
        if target in ("", found):
            return
    filesystem.rename(link, link.with_name(f"{link.name}{end}"))


def remove_tree(filesystem: Filesystem, path: Path) -> None:
    """Remove a folder and all in it, following no link."""
    for name in filesystem.listdir(path):
        inner = path / name
        if stat.S_ISDIR(filesystem.lstat(inner).st_mode):
            remove_tree(filesystem, inner)
        else:
            filesystem.unlink(inner)
    filesystem.rmdir(path)


def open_locked(filesystem: Filesystem, path: Path) -> int:
    """Open and lock a file; raises BlockingIOError when another process holds it.

    The lock lasts until the descriptor is closed or its process dies.
    """
    descriptor = filesystem.open(path, _LOCK)
    try:
        filesystem.lock(descriptor)
    except BaseException:
        filesystem.close(descriptor)
        raise
    return descriptor


@contextmanager
def _open_private(filesystem: Filesystem, name: str, dir_fd: int) -> Iterator[int]:
    with opened(filesystem, filesystem.open(name, _READ, dir_fd=dir_fd)) as descriptor:
        require_plain_file(filesystem.fstat(descriptor))
        yield descriptor


def require_plain_file(status: os.stat_result) -> None:
    """Raise UnsafeFileError unless this is a private file that has one name."""
    _require_private(status, stat.S_ISREG, FILE_MODE)
    if status.st_nlink != 1:
        raise UnsafeFileError("is linked from another place")


def _require_private(status: os.stat_result, kind: Callable[[int], bool], mode: int) -> None:
    if not kind(status.st_mode):
        raise UnsafeFileError("is not a plain file or folder")
    if stat.S_IMODE(status.st_mode) != mode:
        raise UnsafeFileError(f"has mode {stat.S_IMODE(status.st_mode):04o} instead of {mode:04o}")
