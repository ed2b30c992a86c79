"""The process's own code, called in this process: how it ends and with which code."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from tbot_bot.api.bot_protocol import Begin, Run, TellError, TellMarket
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.control.bot import main
from tbot_bot.control.exit_codes import UNHELPABLE
from tests.unit.trading_bot.scene import Books, RunnerEnd


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Put back what a process may set once: signals and logging."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    root = logging.getLogger()
    kept, level = list(root.handlers), root.level
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    root.handlers[:] = kept
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def line() -> Iterator[tuple[RunnerEnd, int]]:
    """The runner's end, and the descriptor that the bot inherits."""
    ours, theirs = socket.socketpair()
    runner = RunnerEnd(ours, Books())
    yield runner, theirs.detach()
    runner.hang_up()


def begin(folder: Path, **changes: object) -> Begin:
    said = {
        "identity": {},
        "broker": {"code": "SIM", "socket": str(folder / "nobody.sock")},
        "settings": TradingSettings().model_dump(mode="json"),
        "armed": str(folder / "kill_armed"),
        "log_directory": str(folder),
        "execution_cursor": 0,
    }
    return Begin.model_validate(said | changes)


def events(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    "wrong",
    [
        {"broker": {"code": "NONE", "socket": "/nowhere"}},
        {"broker": {}},
        {"settings": {"MAX_RISK": "1"}},
        {"settings": {"strategies": {"later": {}}}},
    ],
)
def test_a_begin_that_makes_no_sense_is_explained(
    line: tuple[RunnerEnd, int], tmp_path: Path, capfd: pytest.CaptureFixture[str], wrong: dict[str, object]
) -> None:
    runner, descriptor = line
    runner.tell(begin(tmp_path, **wrong))
    assert main(["--fd", str(descriptor)]) == UNHELPABLE
    runner.wait_until_heard(1)
    assert [type(told) for told in runner.told] == [TellError]
    assert events(capfd) == ["the bot cannot begin"]


def once(do: Callable[[], None]) -> Callable[[object], None]:
    done: list[bool] = []

    def answer(_told: object) -> None:
        if not done:
            done.append(True)
            do()

    return answer


def test_a_signal_ends_it_with_a_broker_that_never_answered(
    line: tuple[RunnerEnd, int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    runner, descriptor = line
    runner.before_answer = once(lambda: os.kill(os.getpid(), signal.SIGTERM))
    runner.tell(begin(tmp_path))
    assert main(["--fd", str(descriptor)]) == 0
    assert not [told for told in runner.told if isinstance(told, TellMarket)]
    assert events(capfd)[-1].startswith("ended without a word from the broker")


def test_an_unexpected_error_is_told_and_ends_it_with_an_error_code(
    line: tuple[RunnerEnd, int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    runner, descriptor = line
    nonsense = Run(paused=False, trades=[], counts={"not a key": 1}, float_allocation="1", trades_today=0)
    runner.tell(begin(tmp_path))
    runner.tell(nonsense)
    assert main(["--fd", str(descriptor)]) == 1
    told = [told for told in runner.told if isinstance(told, TellError)][-1]
    assert told.error_kind == "ValueError"
    assert "not enough values" in told.message
    assert "the bot fails" in events(capfd)


def test_a_runner_that_is_gone_as_well_is_only_logged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(begin(tmp_path, broker={}).model_dump_json().encode() + b"\n")
    ours.close()
    descriptor = theirs.detach()
    assert main(["--fd", str(descriptor)]) == UNHELPABLE
    assert events(capfd) == ["the bot cannot begin", "the runner is gone as well"]
