"""Rotations on a small disk with every amount of free space: done or refused, told truly, and made good afterwards."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Rounds
from tests.support.running import REPOSITORY

SIZE_MIB = 8


def levels(place: Path, step: int, *kinds: str, own_disk: bool) -> dict[str, Any]:
    """Run the levels at `place`, with `own_disk` on a small disk in memory that only they see."""
    program = [sys.executable, "-m", "tests.faults.full_disk", str(place), str(step), *kinds]
    mount = f"mount -t tmpfs -o size={SIZE_MIB}m tmpfs {shlex.quote(str(place))}"
    namespace = ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$0" "$@"'] if own_disk else []
    done = subprocess.run([*namespace, *program], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def own_mounts() -> None:
    """Mounts of our own need no root where user namespaces are allowed."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare to mount a small disk with")
    tried = subprocess.run(["unshare", "-rm", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"user namespaces are not allowed here: {tried.stderr.strip()}")


@pytest.mark.soak
@pytest.mark.usefixtures("own_mounts")
def test_every_level_of_a_small_disk_in_memory(tmp_path: Path, rounds: Rounds) -> None:
    done = levels(tmp_path, rounds(12, 1), "as-it-is", "unasked", own_disk=True)
    assert done["wrong"] == []
    assert {"old", "new"} <= done["found"].keys()


@pytest.mark.usefixtures("own_mounts")
def test_a_store_that_boasts_is_found_out(tmp_path: Path) -> None:
    done = levels(tmp_path, 18, "boasting", own_disk=True)
    assert "a success that changed nothing" in str(done["wrong"])


@pytest.fixture
def small_ext4(ground: Path) -> Iterator[Path]:
    """A file system of its own in an image on the disk under test."""
    image, place = ground / "image", ground / "ext4"
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("an image can only be made and mounted by root with mkfs.ext4")
    with image.open("wb") as stream:
        stream.truncate(2 * SIZE_MIB << 20)
    place.mkdir()
    for command in (["mkfs.ext4", "-q", "-b", "4096", "-m", "0", image], ["mount", "-o", "loop", image, place]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"an image cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)
    image.unlink()
    place.rmdir()


@pytest.mark.soak
def test_every_level_of_a_small_ext4(small_ext4: Path, rounds: Rounds) -> None:
    done = levels(small_ext4, rounds(24, 1), "as-it-is", "unasked", own_disk=False)
    assert done["wrong"] == []
    assert {"old", "new"} <= done["found"].keys()
