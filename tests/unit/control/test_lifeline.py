"""Whoever watches the lifeline ends when its other end closes, however that came about."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

WATCHER = (
    "import signal, sys; from tbot_bot.control.lifeline import watch; "
    "watch(lambda: (sys.stderr.write('gone'), sys.stderr.flush(), signal.raise_signal(signal.SIGTERM))); "
    "sys.stdout.write('up'); sys.stdout.flush(); signal.pause()"
)
#: Starts a watcher, hands it our standard error, says its process id, and waits.
PARENT = (
    "import subprocess, sys; "
    "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE); "
    "child.stdout.read(2); sys.stdout.write(f'{child.pid}\\n'); sys.stdout.flush(); sys.stdin.read()"
)


@pytest.fixture
def watcher() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.read(2) == b"up"
    yield process
    process.kill()
    process.communicate()


def test_it_goes_on_while_the_line_is_there_whatever_is_said(watcher: subprocess.Popen[bytes]) -> None:
    assert watcher.stdin is not None
    watcher.stdin.write(b"x" * 10_000)
    watcher.stdin.flush()
    with pytest.raises(subprocess.TimeoutExpired):
        watcher.wait(0.05)
    _, said = watcher.communicate(timeout=10)
    assert (said, watcher.returncode) == (b"gone", -signal.SIGTERM)


def test_a_parent_that_is_killed_takes_it_along() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, WATCHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdout.readline().strip().isdigit()
    parent.kill()
    _, said = parent.communicate(timeout=10)  # ends when the watcher, who shares it, lets go of standard error
    assert said == b"gone"
