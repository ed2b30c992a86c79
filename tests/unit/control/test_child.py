"""Child processes: real ones, ended in every way, and kept up under a clock that is moved by hand."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tbot_bot.control.child import HEALTHY_AFTER_S, PAUSE_S_FIRST, PAUSE_S_MAX, Child, Keeper, start_child
from tests.unit.control.backstage import wait_until

UNTIL_EOF = "import sys; sys.stdin.read()"
STUBBORN = (
    "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); sys.stderr.write('up\\n'); "
    "sys.stderr.flush(); signal.pause()"
)
Start = Callable[..., Child]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a Python program; whatever still runs at the end is ended."""
    started: list[Child] = []

    def run(program: str, **options: object) -> Child:
        command = [sys.executable, "-S", "-E", "-c", program]
        given = {"now_s": 0.0, "on_line": lambda _line: None} | options
        child = start_child("worker", command, **given)  # type: ignore[arg-type]  # options by name
        started.append(child)
        return child

    yield run
    for child in started:
        child.process.kill()
        child.wait(5)


def ends(child: Child) -> str:
    wait_until(lambda: child.ended, "the child ended")
    return child.ended or ""


@pytest.mark.parametrize("code", [0, 1, 78, 255])
def test_an_exit_code_is_told(start: Start, code: int) -> None:
    child = start(f"raise SystemExit({code})")
    assert ends(child) == f"worker ended with code {code}"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGRTMIN, signal.SIGRTMIN + 3])
def test_a_signal_is_told(start: Start, number: int) -> None:
    child = start(UNTIL_EOF)
    assert child.ended is None
    child.process.send_signal(number)
    name = signal.Signals(number).name if number != signal.SIGRTMIN + 3 else f"signal {int(number)}"
    assert ends(child) == f"worker was ended by {name}"


def test_its_lines_are_read_without_their_ends(start: Start) -> None:
    said: list[str] = []
    written: list[str] = []
    program = "import os; os.write(2, b'one\\ntwo \\xff\\r\\nthree'); os.write(1, b'ready\\n')"
    child = start(program, on_line=said.append, on_output=written.append)
    child.wait(10)
    assert said == ["one", "two �", "three"]
    assert written == ["ready"]


def test_its_output_goes_nowhere_unless_somebody_reads_it(start: Start) -> None:
    child = start("print('x' * 1_000_000)")
    assert child.process.stdout is None
    child.wait(10)
    assert child.ended == "worker ended with code 0"


def test_it_is_told_lines(start: Start) -> None:
    said: list[str] = []
    child = start("import sys; sys.stderr.write(sys.stdin.readline().upper())", on_line=said.append)
    child.send("run")
    child.wait(10)
    assert said == ["RUN"]


def test_telling_a_child_that_has_ended_is_harmless(start: Start) -> None:
    child = start("pass")
    ends(child)
    child.send("run")
    child.wait(0)
    child.send("run")
    child.terminate()


def test_the_end_of_the_lifeline_ends_a_child(start: Start) -> None:
    child = start(UNTIL_EOF)
    assert child.process.stdin is not None
    assert child.ended is None
    child.process.stdin.close()
    assert ends(child) == "worker ended with code 0"


def test_a_ctrl_c_at_the_terminal_does_not_reach_it(start: Start) -> None:
    child = start(UNTIL_EOF)
    assert os.getsid(child.process.pid) == child.process.pid != os.getsid(0)


def test_it_gets_the_environment_and_descriptors_it_is_given(start: Start) -> None:
    said: list[str] = []
    reading, writing = os.pipe()
    program = f"import os; os.write({writing}, b'!'); os.write(2, os.environ.get('HOME', 'none').encode())"
    child = start(program, on_line=said.append, environment={"X": "1"}, pass_fds=[writing])
    os.close(writing)
    child.wait(10)
    assert (os.read(reading, 9), said) == (b"!", ["none"])
    os.close(reading)


def test_a_stubborn_child_is_killed(start: Start) -> None:
    said: list[str] = []
    child = start(STUBBORN, on_line=said.append)
    wait_until(lambda: said, "it ignores SIGTERM")
    child.terminate()
    child.wait(0.05)
    assert child.ended == "worker was ended by SIGKILL"
    assert not psutil.pid_exists(child.process.pid)


class Nursery:
    """A keeper with a clock of its own."""

    def __init__(self, start: Start) -> None:
        self.now_s = 1000.0
        self.program = "raise SystemExit(3)"
        self.missing = False
        self._start = start
        self.keeper = Keeper("worker", self._begin)

    def _begin(self) -> Child:
        if self.missing:
            return start_child("worker", ["/no/such/program"], now_s=self.now_s, on_line=str)
        return self._start(self.program, now_s=self.now_s)

    def poll(self, after_s: float = 0.0) -> str | None:
        self.now_s += after_s
        return self.keeper.poll(self.now_s)

    def start_and_end(self, lived_s: float = 0.0) -> str | None:
        assert self.poll() is None
        assert self.keeper.child is not None
        ends(self.keeper.child)
        return self.poll(lived_s)


@pytest.fixture
def nursery(start: Start) -> Nursery:
    return Nursery(start)


def test_the_first_poll_starts(nursery: Nursery) -> None:
    nursery.program = UNTIL_EOF
    assert nursery.keeper.reason == "not started yet"
    assert nursery.poll() is None
    assert (nursery.keeper.reason, nursery.keeper.starts) == ("running", 1)
    child = nursery.keeper.child
    assert nursery.poll(3600) is None
    assert nursery.keeper.child is child


def test_pauses_grow_up_to_a_limit(nursery: Nursery) -> None:
    pauses = []
    for _ in range(9):
        reason = nursery.start_and_end()
        assert reason == nursery.keeper.reason
        pauses.append(float(reason.rpartition("next start in ")[2].removesuffix(" s")))
        assert reason.startswith("worker ended with code 3")
        assert nursery.poll(pauses[-1] - 0.01) is None
        assert nursery.keeper.child is None
        nursery.now_s += 0.01
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert (pauses[0], pauses[-1]) == (PAUSE_S_FIRST, PAUSE_S_MAX)
    assert nursery.keeper.starts == 9


@pytest.mark.parametrize(("lived_s", "pause"), [(HEALTHY_AFTER_S - 0.1, "2"), (HEALTHY_AFTER_S, "0.5")])
def test_a_child_that_was_healthy_starts_again_soon(nursery: Nursery, lived_s: float, pause: str) -> None:
    for _ in range(2):
        nursery.start_and_end()
        nursery.now_s += PAUSE_S_MAX
    reason = nursery.start_and_end(lived_s)
    assert reason == f"worker ended with code 3; next start in {pause} s"


def test_a_program_that_cannot_be_started_is_tried_again(nursery: Nursery) -> None:
    nursery.missing = True
    reason = nursery.poll()
    assert reason is not None
    assert reason.startswith("worker could not be started: [Errno 2]")
    assert reason.endswith("next start in 0.5 s")
    assert nursery.poll(0.4) is None
    nursery.missing = False
    assert nursery.poll(0.1) is None
    assert nursery.keeper.reason == "running"


def test_stopping_ends_the_child_for_good(nursery: Nursery) -> None:
    nursery.program = UNTIL_EOF
    nursery.poll()
    child = nursery.keeper.child
    assert child is not None
    nursery.keeper.stop(10)
    assert child.ended == "worker was ended by SIGTERM"
    assert (nursery.keeper.child, nursery.keeper.reason) == (None, "stopped")
    nursery.keeper.stop(10)


def test_stopping_ends_a_stubborn_child_too(start: Start, nursery: Nursery, tmp_path: Path) -> None:
    up = tmp_path / "up"
    nursery.program = STUBBORN.replace("sys.stderr.write('up\\n')", f"open({str(up)!r}, 'w').close()")
    nursery.poll()
    wait_until(up.exists, "it ignores SIGTERM")
    child = nursery.keeper.child
    assert child is not None
    began_s = time.monotonic()
    nursery.keeper.stop(0.05)
    assert child.ended == "worker was ended by SIGKILL"
    assert time.monotonic() - began_s < 5


def test_a_child_that_asks_for_it_is_started_again_at_once_and_that_is_no_crash(start: Start) -> None:
    keeper = Keeper("runner", lambda: start("import sys; sys.exit(75)"))
    for turn in range(3):
        assert keeper.poll(turn) is None
        assert keeper.child is not None
        keeper.child.process.wait(10)
        assert keeper.poll(turn) == "worker asked to be started again"
    assert keeper.starts == 3
