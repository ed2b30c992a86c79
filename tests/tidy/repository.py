"""What the tidy tests look at: the files that git keeps, or would keep."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def kept() -> tuple[Path, ...]:
    """Every file that is tracked or new and not ignored, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return tuple(Path(name) for name in sorted(set(listed)) if name and (ROOT / name).is_file())


def python(*folders: str) -> list[Path]:
    """Python files of these top folders."""
    return [path for path in kept() if path.suffix == ".py" and path.parts[0] in folders]


def text_of(path: Path) -> str:
    return (ROOT / path).read_text()
