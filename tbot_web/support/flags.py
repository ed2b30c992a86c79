"""Flag files: how the portal asks for what must work even when the runner does not answer."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

KILL_ARMED, KILL_PULLED = "kill_armed", "control_kill.flag"
START, STOP = "control_start.flag", "control_stop.flag"


class KillPulled(StrEnum):
    """What pulling the kill switch found."""

    NOW = "now"
    ALREADY = "already"


def write_flag(folder: Path, name: str, content: Mapping[str, str]) -> None:
    """Put a flag in place whole and durable, replacing an unread one; OSError when it could not be."""
    temporary = folder / f".{name}.{secrets.token_hex(8)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(dict(content), sort_keys=True).encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(folder / name)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync(folder)


def pull_kill(folder: Path, content: Mapping[str, str]) -> KillPulled:
    """Rename the armed switch into the pulled one, which needs no space on the disk.

    Without an armed file no order can be sent, but positions may stand: the pulled flag is then written afresh.
    """
    try:
        (folder / KILL_ARMED).rename(folder / KILL_PULLED)
    except FileNotFoundError:
        if (folder / KILL_PULLED).exists():
            return KillPulled.ALREADY
        write_flag(folder, KILL_PULLED, content)
        return KillPulled.NOW
    _sync(folder)
    return KillPulled.NOW


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
