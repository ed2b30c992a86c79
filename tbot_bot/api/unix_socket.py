"""Unix sockets under homes of any depth: the kernel takes at most 108 bytes of path, a folder's descriptor needs 25."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self


class SocketAddress:
    """A short path to the socket at `path`, good for as long as this object is open."""

    def __init__(self, path: Path) -> None:
        self._folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.short = f"/proc/self/fd/{self._folder}/{path.name}"

    def leads_to(self, folder: Path) -> bool:
        """Whether the folder at that path still is the one that was opened."""
        try:
            return os.path.samestat(os.fstat(self._folder), folder.stat())
        except OSError:
            return False

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()
