"""The folder where the portal may write: edge flags are consumed once, and every file there is treated as hostile."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from tbot_bot.config.files import sync_folder
from tbot_bot.domain.ids import is_request_id

log = structlog.get_logger("flags")
SIZE_LIMIT_BYTES = 4096
PROVISION, START, STOP = "provision.flag", "control_start.flag", "control_stop.flag"
EDGE_FLAGS = (STOP, PROVISION, START)
KEPT_REJECTED = 50


@dataclass(frozen=True, slots=True)
class Flag:
    """A consumed flag; `request_id` is None where the file names none."""

    name: str
    request_id: str | None


class FlagRefusedError(Exception):
    """The file is not a flag that we accept; the message says why."""


class FlagFolder:
    """Reads and consumes edge flags; a refused file is moved to `rejected/` and reported."""

    def __init__(self, folder: Path, on_refused: Callable[[str, str], None]) -> None:
        self._folder = folder
        self._rejected = folder / "rejected"
        self._on_refused = on_refused
        self._rejected.mkdir(mode=0o700, parents=True, exist_ok=True)

    def consume(self) -> list[Flag]:
        """Take the edge flags that are there, the stop first."""
        return [flag for name in EDGE_FLAGS if (flag := self._take(name)) is not None]

    def _take(self, name: str) -> Flag | None:
        path = self._folder / name
        if not os.path.lexists(path):
            return None
        try:
            request_id = _read_request_id(path)
        except (OSError, FlagRefusedError) as error:
            request_id, refusal = None, str(error)
        else:
            refusal = "it names no request id"
        if request_id is None and name != STOP:  # asking to stop is fail-safe: the file's being there is enough
            self._reject(path, refusal)
            return None
        self._remove(path)
        return Flag(name, request_id)

    def _remove(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            self._reject(path, "it is a folder")
            return
        path.unlink(missing_ok=True)
        sync_folder(self._folder)

    def _reject(self, path: Path, reason: str) -> None:
        number = len(list(self._rejected.iterdir()))
        if number >= KEPT_REJECTED and not path.is_dir():
            path.unlink(missing_ok=True)
        else:
            path.rename(self._rejected / f"{number:03d}-{path.name}")
        log.warning("flag refused", flag=path.name, reason=reason)
        self._on_refused(path.name, reason)


def _read_request_id(path: Path) -> str | None:
    """Read the flag's request id without following links, waiting on pipes or believing sizes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            raise FlagRefusedError("it is not a plain file")
        content = stream.read(SIZE_LIMIT_BYTES + 1)
    if len(content) > SIZE_LIMIT_BYTES:
        raise FlagRefusedError(f"it is larger than {SIZE_LIMIT_BYTES} bytes")
    if not content.strip():
        return None
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FlagRefusedError("it is not JSON") from error
    request_id = document.get("request_id") if isinstance(document, dict) else None
    if not isinstance(request_id, str) or not is_request_id(request_id):
        raise FlagRefusedError("its request id is malformed")
    return request_id
