"""One runner a home: the lock that the kernel keeps for it.

HomeTakenError   another runner has the home
"""

from __future__ import annotations

import fcntl
import os

from tbot_bot.config.paths import Home


class HomeTakenError(Exception):
    """Another runner has this home."""


def take_home(home: Home) -> int:
    """Lock the home for this process; the kernel lets go when we end, however we end."""
    home.control.mkdir(mode=0o750, parents=True, exist_ok=True)
    home.flags.mkdir(mode=0o770, exist_ok=True)
    descriptor = os.open(home.runner_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise HomeTakenError(
            f"Another runner (process {owner or 'unknown'}) has the home {home.root}. Stop it first, or use another "
            "home: TBOT_HOME=/another/folder make run"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
