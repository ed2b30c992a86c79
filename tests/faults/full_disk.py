"""`python -m tests.faults.full_disk PLACE STEP KIND…`: rotations on the disk at PLACE, at every level of free space.

Prints one line of JSON: how many levels were tried, how many kept the old or reached the new, and what was wrong.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tbot_bot.storage.generation import PinnedGeneration
from tbot_bot.storage.generation_draft import Draft
from tbot_bot.storage.generations import Committed, GenerationStore
from tbot_bot.storage.secret_errors import RotationFailedError
from tests.faults.checker import told_falsely, violations
from tests.faults.test_failures import ASKED, tried
from tests.faults.vault import MADE, Vault, make
from tests.unit.storage.faults import FixedClock

#: Levels of free space, in blocks, and secrets enough for a generation to need more room than its record in the audit.
BLOCKS_MAX = 193
COUNT = 24
_ASKED = replace(ASKED, count=COUNT)


class Unasked(Vault):
    """Does not look for free space beforehand, as when someone else takes it meanwhile."""

    class store_type(GenerationStore):  # noqa: N801 - a class in the place of a class attribute
        def _require_space(self, parent: PinnedGeneration) -> None:
            """Go ahead."""


class Boasting(Unasked):
    """Answers that all is well when the disk has refused."""

    class store_type(Unasked.store_type):  # noqa: N801 - as above
        def _commit(self, draft: Draft, parent: int | None) -> Committed:
            try:
                return super()._commit(draft, parent)
            except RotationFailedError:
                return Committed(draft.number, draft.manifest_sha256)


KINDS: dict[str, type[Vault]] = {"as-it-is": Vault, "unasked": Unasked, "boasting": Boasting}


def fill(filler: Path, left: int) -> None:
    """Take all blocks of the disk but so many, or a few more that the file's own bookkeeping needs."""
    with filler.open("wb") as stream:
        disk = os.statvfs(filler)
        for blocks in range(max(1, disk.f_bavail - left), 0, -1):
            try:
                os.posix_fallocate(stream.fileno(), 0, blocks * disk.f_frsize)
            except OSError:
                continue
            return


def at_level(root: Path, clock: FixedClock, blocks: int, vault_type: type[Vault]) -> tuple[str, list[str]]:
    """Rotate with so many blocks free, then again with room; which content stood between, and what was wrong."""
    vault = vault_type(root, clock, count=COUNT)
    vault.start()
    filler = root.parent / "filler"
    fill(filler, blocks)
    outcome = tried(vault)
    wrong = told_falsely(outcome, vault, _ASKED)
    filler.unlink()
    stood = "new" if vault.held()[0] == _ASKED.generation + 1 else "old"
    vault.close()
    wrong += violations(vault_type(root, clock, count=COUNT), replace(_ASKED, acknowledged=outcome is None))
    return stood if outcome is None or stood == "old" else "unacknowledged", wrong


def main(arguments: Sequence[str]) -> int:
    """Try every STEP-th level with each KIND of home."""
    place, step = Path(arguments[0]), int(arguments[1])
    clock = make(place / "made", count=COUNT)
    shutil.rmtree(place / f"made/storage/generations/{MADE + 1:06d}")  # to remove it would make room
    found, wrong = Counter[str](), list[str]()
    for vault_type in map(KINDS.__getitem__, arguments[2:]):
        for blocks in range(0, BLOCKS_MAX, step):
            root = Path(shutil.copytree(place / "made", place / "home", symlinks=True))
            stood, violated = at_level(root, FixedClock(clock.now()), blocks, vault_type)
            found[stood] += 1
            wrong += [f"{vault_type.__name__} with {blocks} blocks: {one}" for one in violated]
            shutil.rmtree(root)
    sys.stdout.write(json.dumps({"found": found, "wrong": wrong}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
