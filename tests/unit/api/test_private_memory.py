"""Each process that holds secrets closes its memory before it reads any."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: Runs a process's own `main` until it ends for want of something, then says what the kernel holds of it.
SAY = (
    "import ctypes, resource; "
    "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"  # PR_GET_DUMPABLE
)
MAINS = {
    "runner": "from tbot_bot.control.main import main; main()",
    "bot": "import socket; from tbot_bot.control.bot import main; ours, theirs = socket.socketpair(); theirs.close(); "
    "main(['--fd', str(ours.detach())])",
    "sentinel": "from tbot_bot.control.sentinel import main; main()",
    "web": "from tbot_web.py.run_web import main; main([], {'TBOT_WEB_PORT': 'none'})",
}


def told(code: str, home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {SAY}"],
        stdin=subprocess.DEVNULL,
        env={"TBOT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("name", MAINS)
def test_no_dump_and_no_look(name: str, tmp_path: Path) -> None:
    taken = tmp_path / "a file where the home should be"
    taken.touch()
    assert told(MAINS[name], taken) == "(0, 0) 0"


def test_without_it_both_would_be_possible(tmp_path: Path) -> None:
    assert not told("pass", tmp_path).endswith(" 0")
