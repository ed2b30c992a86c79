"""Whether folders and databases are whose they should be, open to nobody else, and nothing stands in their place."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ALL_BUT_OWNER = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Place:
    """A folder or a file, and the rights that must not be there (mode bits); one that is missing is let pass."""

    path: Path
    is_folder: bool
    forbidden: int


@dataclass(frozen=True, slots=True)
class Misplaced:
    """What is wrong with a place, and the command that mends it."""

    path: Path
    what: str
    next_step: str


def private_folder(path: Path) -> Place:
    """A folder that is its owner's alone."""
    return Place(path, is_folder=True, forbidden=_ALL_BUT_OWNER)


def shown_folder(path: Path) -> Place:
    """A folder that others may read."""
    return Place(path, is_folder=True, forbidden=_OTHERS_WRITE)


def shared_folder(path: Path) -> Place:
    """A folder that its group may write."""
    return Place(path, is_folder=True, forbidden=stat.S_IWOTH)


def private_file(path: Path) -> Place:
    """A file that is its owner's alone."""
    return Place(path, is_folder=False, forbidden=_ALL_BUT_OWNER)


def misplaced(places: Iterable[Place]) -> Iterator[Misplaced]:
    """What is wrong with each of these places, if anything is."""
    for place in places:
        try:
            status = place.path.lstat()
        except FileNotFoundError:
            continue
        found = _fault(place, status)
        if found is not None:
            yield found


def _fault(place: Place, status: os.stat_result) -> Misplaced | None:
    path, quoted = place.path, shlex.quote(str(place.path))
    is_right = stat.S_ISDIR if place.is_folder else stat.S_ISREG
    if not is_right(status.st_mode):
        kind = "folder" if place.is_folder else "file"
        return Misplaced(
            path, f"{path} is not a plain {kind}", f"See what put it there: ls -l {quoted}. Put the {kind} back."
        )
    if status.st_uid != os.geteuid():
        return Misplaced(
            path, f"{path} belongs to another user ({status.st_uid})", f"Run: chown {os.geteuid()} {quoted}"
        )
    if not place.is_folder and status.st_nlink != 1:
        return Misplaced(path, f"{path} is linked from another place", f"Find it: find / -samefile {quoted}")
    wrong = stat.S_IMODE(status.st_mode) & place.forbidden
    if wrong:
        mode = stat.S_IMODE(status.st_mode)
        return Misplaced(
            path,
            f"{path} may be used by others (mode {mode:04o})",
            f"Run: chmod {mode & ~place.forbidden:04o} {quoted}",
        )
    return None
