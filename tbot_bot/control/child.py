"""Child processes: started with a lifeline, watched, and started again with growing pauses and a stated reason.

The lifeline is the child's standard input: we hold the other end, and its end of file tells the child that we are
gone, however we went. So no child outlives its parent, and none is asked to watch process ids.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

import structlog

from tbot_bot.control.exit_codes import START_AGAIN

log = structlog.get_logger("supervisor")
PAUSE_S_FIRST = 0.5
PAUSE_S_MAX = 30.0
#: A child that ran this long is healthy: the next end counts as its first.
HEALTHY_AFTER_S = 60.0
LineReader = Callable[[str], None]


@dataclass(slots=True)
class Child:
    """One running process. `on_line` gets each line it writes to standard error, `on_output` to standard output."""

    name: str
    process: subprocess.Popen[bytes]
    started_s: float
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def ended(self) -> str | None:
        """Why it ended, in words; None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        if code == START_AGAIN:
            return f"{self.name} asked to be started again"
        if code < 0:
            return f"{self.name} was ended by {_signal_name(-code)}"
        return f"{self.name} ended with code {code}"

    def send(self, line: str) -> None:
        """Write one line to its standard input; a child that has ended is none the wiser."""
        stream = self.process.stdin
        if stream is None:
            return
        with contextlib.suppress(BrokenPipeError, ValueError):  # it ended: `ended` says so
            stream.write(line.encode() + b"\n")
            stream.flush()

    def terminate(self) -> None:
        """Ask it to end."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()

    def wait(self, timeout_s: float) -> None:
        """Wait for its end; after `timeout_s` it is killed."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            log.warning("killed: did not end in time", child=self.name, timeout_s=timeout_s)
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # what it left unread does not matter any more
                self.process.stdin.close()
        for thread in self.threads:
            thread.join(2.0)


def start_child(
    name: str,
    command: Sequence[str],
    *,
    now_s: float,
    on_line: LineReader,
    on_output: LineReader | None = None,
    pass_fds: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
) -> Child:
    """Start `command` in a session of its own, so that a Ctrl-C at the terminal reaches only the first process."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if on_output else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=pass_fds,
        env=None if environment is None else dict(environment),
        start_new_session=True,
    )
    child = Child(name, process, now_s)
    for stream, reader in ((process.stderr, on_line), (process.stdout, on_output)):
        if stream is not None and reader is not None:
            thread = threading.Thread(target=_read_lines, args=(stream, reader), name=f"{name}-lines", daemon=True)
            thread.start()
            child.threads.append(thread)
    return child


def _signal_name(number: int) -> str:
    """Real-time signals between the first and the last have no name."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def _read_lines(stream: IO[bytes], reader: LineReader) -> None:
    with stream:
        for line in stream:
            reader(line.decode("utf-8", "replace").rstrip())


class Keeper:
    """Keeps one child running: `poll` starts it, notices its end, and starts it again after a growing pause."""

    def __init__(self, name: str, start: Callable[[], Child]) -> None:
        self.name = name
        self._start = start
        self._pause_s = PAUSE_S_FIRST
        self._next_start_s = 0.0
        self.child: Child | None = None
        self.reason = "not started yet"
        self.starts = 0

    def poll(self, now_s: float) -> str | None:
        """Do what is due; return the reason when the child has just ended or could not be started."""
        if self.child is not None:
            ended = self.child.ended
            return None if ended is None else self._note_end(ended, now_s)
        if now_s < self._next_start_s:
            return None
        try:
            self.child = self._start()
        except OSError as error:
            return self._note_end(f"{self.name} could not be started: {error}", now_s)
        self.starts += 1
        self.reason = "running"
        return None

    def _note_end(self, ended: str, now_s: float) -> str:
        if self.child is not None:
            self.child.wait(0.0)
            if now_s - self.child.started_s >= HEALTHY_AFTER_S:
                self._pause_s = PAUSE_S_FIRST
            wanted = self.child.process.returncode == START_AGAIN
            self.child = None
            if wanted:
                self.reason, self._next_start_s = ended, now_s
                log.info("child is started again", child=self.name, reason=ended)
                return ended
        self.reason = f"{ended}; next start in {self._pause_s:g} s"
        self._next_start_s = now_s + self._pause_s
        self._pause_s = min(self._pause_s * 2, PAUSE_S_MAX)
        log.warning("child ended", child=self.name, reason=self.reason)
        return self.reason

    def stop(self, timeout_s: float) -> None:
        """End the child for good, if there is one."""
        if self.child is not None:
            self.child.terminate()
            self.child.wait(timeout_s)
            self.child = None
        self.reason = "stopped"
