"""A disk in memory that can lose power: what was not synced may be gone, in any combination.

The model is harsher than file systems are. A file's content is durable up to its last fsync. Each change of a name in
a folder (made, renamed, removed) waits, apart from all others, for the folder's own fsync; syncing a file does not make
its name durable. What was pending when an fsync failed is never written by a later one, though everyone still sees it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tbot_bot.storage.filesystem import DIRECTORY_MODE, FILE_MODE, Filesystem

_FREE = 1 << 20


@dataclass(slots=True)
class Pending:
    """A change that is seen and not durable: new content, or names in a folder (None where one goes)."""

    node: int
    names: dict[str, int | None] = field(default_factory=dict)
    content: bytes | None = None
    lost: bool = False

    @property
    def kind(self) -> str:
        return "content" if self.content is not None else "rename" if len(self.names) > 1 else "name"


@dataclass(slots=True)
class Node:
    """A file, folder or link; `names` and `content` are what everyone sees, the `durable_` ones what is on the disk."""

    mode: int
    content: bytes = b""
    names: dict[str, int] = field(default_factory=dict)
    durable_content: bytes = b""
    durable_names: dict[str, int] = field(default_factory=dict)
    target: str = ""


class Disk(Filesystem):
    """Implements the operations in memory, below the folder `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.nodes: dict[int, Node] = {1: Node(stat.S_IFDIR | DIRECTORY_MODE)}
        self.pending: list[Pending] = []
        self._fresh_nodes = count(2)
        self._open: dict[int, tuple[int, int]] = {}
        self._fresh_descriptors = count(100)

    # power

    def frozen(self) -> Disk:
        """The disk as it is now, for `after_power_loss`."""
        copy = Disk(self.root)
        copy.nodes = {number: deepcopy(node) for number, node in self.nodes.items()}
        copy.pending = deepcopy(self.pending)
        return copy

    def after_power_loss(self, kept: Callable[[int, Pending], bool]) -> Disk:
        """A disk that holds what was durable and, of the pending changes, those that `kept` names by place."""
        after = Disk(self.root)
        after.nodes = {
            number: Node(node.mode, node.durable_content, dict(node.durable_names), target=node.target)
            for number, node in self.nodes.items()
        }
        for place, change in enumerate(self.pending):
            if not change.lost and kept(place, change):
                _apply(after.nodes[change.node], change)
        for node in after.nodes.values():
            node.durable_content, node.durable_names = node.content, dict(node.names)
        after._fresh_nodes = count(max(after.nodes) + 1)
        return after

    # operations

    def open(self, path: Path | str, flags: int, mode: int = FILE_MODE, *, dir_fd: int | None = None) -> int:
        folder, name = self._place(path, dir_fd)
        number = self.nodes[folder].names.get(name) if name else folder
        if number is None:
            if not flags & os.O_CREAT:
                raise _error(errno.ENOENT, path)
            number = self._make(folder, name, Node(stat.S_IFREG | mode))
        elif flags & os.O_EXCL:
            raise _error(errno.EEXIST, path)
        kind = self.nodes[number].mode
        if stat.S_ISLNK(kind):
            raise _error(errno.ELOOP, path)
        if flags & os.O_DIRECTORY and not stat.S_ISDIR(kind):
            raise _error(errno.ENOTDIR, path)
        descriptor = next(self._fresh_descriptors)
        self._open[descriptor] = (number, 0)
        return descriptor

    def read(self, descriptor: int, size: int) -> bytes:
        number, at = self._open[descriptor]
        part = self.nodes[number].content[at : at + size]
        self._open[descriptor] = (number, at + len(part))
        return part

    def write(self, descriptor: int, data: bytes) -> int:
        number, at = self._open[descriptor]
        node = self.nodes[number]
        node.content = node.content[:at] + bytes(data) + node.content[at + len(data) :]
        self._open[descriptor] = (number, at + len(data))
        self.pending = [one for one in self.pending if one.node != number or one.content is None]
        self.pending.append(Pending(number, content=node.content))
        return len(data)

    def fsync(self, descriptor: int) -> None:
        number, _ = self._open[descriptor]
        for change in self.pending:
            if change.node == number and not change.lost:
                _make_durable(self.nodes[number], change)
        self.pending = [one for one in self.pending if one.node != number or one.lost]

    def fail_fsync(self, descriptor: int) -> None:
        """What the kernel does when the disk refuses: nothing is written, and nothing will be."""
        number, _ = self._open[descriptor]
        for change in self.pending:
            change.lost = change.lost or change.node == number

    def close(self, descriptor: int) -> None:
        del self._open[descriptor]

    def rename(self, source: Path, target: Path) -> None:
        folder, name = self._place(source)
        other, new = self._place(target)
        if folder != other:
            raise _error(errno.EXDEV, source)
        number = self._node(source)
        self._change(folder, {name: None, new: number})

    def mkdir(self, path: Path) -> None:
        self._create(path, Node(stat.S_IFDIR | DIRECTORY_MODE))

    def symlink(self, target: str, path: Path) -> None:
        self._create(path, Node(stat.S_IFLNK | 0o777, target=target))

    def chmod(self, path: Path, mode: int) -> None:
        node = self.nodes[self._node(path)]
        node.mode = stat.S_IFMT(node.mode) | mode

    def unlink(self, path: Path) -> None:
        self._node(path)
        folder, name = self._place(path)
        self._change(folder, {name: None})

    def rmdir(self, path: Path) -> None:
        if self.nodes[self._node(path)].names:
            raise _error(errno.ENOTEMPTY, path)
        self.unlink(path)

    def readlink(self, path: Path) -> str:
        node = self.nodes[self._node(path)]
        if not stat.S_ISLNK(node.mode):
            raise _error(errno.EINVAL, path)
        return node.target

    def lstat(self, path: Path) -> os.stat_result:
        return self._status(self._node(path))

    def fstat(self, descriptor: int) -> os.stat_result:
        return self._status(self._open[descriptor][0])

    def listdir(self, place: Path | int) -> list[str]:
        number = self._open[place][0] if isinstance(place, int) else self._node(place)
        return sorted(self.nodes[number].names)

    def statvfs(self, path: Path) -> os.statvfs_result:
        return os.statvfs_result((4096, 4096, _FREE, _FREE, _FREE, 0, 0, 0, 0, 255))

    def lock(self, descriptor: int) -> None:
        """One process only."""

    # names

    def tree(self) -> dict[str, str]:
        """Every path with its mode, and with what it holds or where it points."""
        found: dict[str, str] = {}

        def walk(number: int, path: str) -> None:
            node = self.nodes[number]
            found[path] = f"{stat.S_IMODE(node.mode):04o} {node.target or node.content.hex()}"
            for name, inner in node.names.items():
                walk(inner, f"{path}/{name}")

        walk(1, "")
        return found

    def name_of(self, descriptor: int) -> str:
        """The last part of the path under which an open file or folder is seen; empty for the root."""
        number, _ = self._open[descriptor]
        names = (name for node in self.nodes.values() for name, inner in node.names.items() if inner == number)
        return next(names, "")

    def _place(self, path: Path | str, dir_fd: int | None = None) -> tuple[int, str]:
        """The folder that holds a path's last part, and that part; "" for the root itself."""
        if dir_fd is not None:
            return self._open[dir_fd][0], str(path)
        parts = Path(path).relative_to(self.root).parts
        number = 1
        for part in parts[:-1]:
            inner = self.nodes[number].names.get(part)
            if inner is None:
                raise _error(errno.ENOENT, path)
            number = inner
        return number, parts[-1] if parts else ""

    def _node(self, path: Path) -> int:
        folder, name = self._place(path)
        number = self.nodes[folder].names.get(name) if name else folder
        if number is None:
            raise _error(errno.ENOENT, path)
        return number

    def _create(self, path: Path, node: Node) -> None:
        folder, name = self._place(path)
        if name in self.nodes[folder].names:
            raise _error(errno.EEXIST, path)
        self._make(folder, name, node)

    def _make(self, folder: int, name: str, node: Node) -> int:
        number = next(self._fresh_nodes)
        self.nodes[number] = node
        self._change(folder, {name: number})
        return number

    def _change(self, folder: int, names: dict[str, int | None]) -> None:
        change = Pending(folder, names)
        _apply(self.nodes[folder], change)
        self.pending.append(change)

    def _status(self, number: int) -> os.stat_result:
        node = self.nodes[number]
        return os.stat_result((node.mode, number, 0, 1, 0, 0, len(node.content), 0, 0, 0))


def _apply(node: Node, change: Pending) -> None:
    if change.content is not None:
        node.content = change.content
    _set_names(node.names, change)


def _make_durable(node: Node, change: Pending) -> None:
    if change.content is not None:
        node.durable_content = change.content
    _set_names(node.durable_names, change)


def _set_names(names: dict[str, int], change: Pending) -> None:
    for name, number in change.names.items():
        if number is None:
            names.pop(name, None)
        else:
            names[name] = number


def _error(number: int, path: Path | str) -> OSError:
    return OSError(number, os.strerror(number), str(path))
