"""The bot as a process at the real simulated market, with a runner at the other end of its descriptor."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tbot_bot.api.bot_protocol import Begin, Run
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.brokers.sim import SimBroker
from tbot_bot.control.bot import LAST_TRIES, compose, connect, let_go
from tbot_bot.control.bot_link import LineChannel, RunnerLink
from tbot_bot.domain.orders import OrderStatus
from tbot_bot.domain.time import to_rfc3339
from tests.unit.trading_bot.conftest import SceneMaker, stage
from tests.unit.trading_bot.scene import DAY, SESSION, Books, RunnerEnd, Stopwatch, bars, flat, quiet_range

__all__ = ["stage"]
TABLE = f"{quiet_range()}\n15 100 102 100 101.50 12000\n{flat('101.50', 16, 389)}"


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Path]:
    """The simulated market as a process, replaying TABLE at 20 market minutes a second; yields its socket."""
    replay = tmp_path / "replay"
    replay.mkdir()
    rows = [
        f"SPY,{to_rfc3339(bar.start_at)},{bar.open},{bar.high},{bar.low},{bar.close},{bar.volume}"
        for bar in bars("SPY", TABLE)
    ]
    (replay / "day.csv").write_text("\n".join(["symbol,timestamp,open,high,low,close,volume", *rows]) + "\n")
    path = tmp_path / "venue.sock"
    command = [
        sys.executable,
        "-m",
        "tbot_bot.venue.main",
        "--directory",
        str(tmp_path / "venue"),
        "--socket",
        str(path),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    session = {"day": DAY.isoformat(), "open_at": to_rfc3339(SESSION.open_at), "close_at": to_rfc3339(SESSION.close_at)}
    configuration = {
        "feed": "replay",
        "replay_dir": str(replay),
        "speed": "1200",
        "seed": 1,
        "starting_cash": "100000",
        "sessions": [session],
    }
    process.stdin.write(json.dumps(configuration).encode() + b"\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline()) == {"ready": True}
    process.stdin.write(b'{"command":"run"}\n')
    process.stdin.flush()
    yield path
    process.terminate()
    process.communicate(timeout=10)


def begin(socket_path: Path, flags: Path) -> Begin:
    return Begin(
        identity={"entity": "RIGD", "jurisdiction": "US", "broker": "SIM", "bot_id": "001"},
        broker={"code": "SIM", "socket": str(socket_path)},
        settings=TradingSettings().model_dump(mode="json"),
        armed=str(flags / "kill_armed"),
        log_directory=str(flags),
        execution_cursor=0,
    )


@pytest.mark.parametrize("how", ["runner gone", "SIGTERM"])
def test_it_trades_and_leaves_protective_orders_behind(venue: Path, tmp_path: Path, how: str) -> None:
    flags = tmp_path / "flags"
    flags.mkdir()
    (flags / "kill_armed").touch()
    ours, theirs = socket.socketpair()
    books = Books()
    with theirs:
        command = [sys.executable, "-m", "tbot_bot.control.bot", "--fd", str(theirs.fileno())]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, pass_fds=[theirs.fileno()])
    runner = RunnerEnd(ours, books)
    try:
        runner.tell(begin(venue, flags))
        runner.tell(Run(paused=False, trades=[], counts={}, float_allocation="50000", trades_today=0))
        wait_until(books.trades, "a trade is open")
        observed = psutil.Process(process.pid)
        with suppress(psutil.AccessDenied):  # only root may look into it
            assert observed.open_files() == []
        assert observed.memory_info().rss < 150 * 1024 * 1024
        if how == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        else:
            runner.hang_up()
        _, errors = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    records = [json.loads(line) for line in errors.splitlines()]
    assert records[-1]["event"] == "ended: working entries are cancelled, protective orders stand"
    assert all({"at", "level", "source", "event"} <= set(record) for record in records)
    broker = SimBroker(venue)
    try:
        assert {order.client_order_id[-1] for order in broker.open_orders()} == {"S", "T"}
    finally:
        broker.close()
        if how == "SIGTERM":
            runner.hang_up()


def test_a_runner_that_is_gone_before_it_began_ends_it_at_once() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-m", "tbot_bot.control.bot", "--fd", str(theirs.fileno())]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, pass_fds=[theirs.fileno()])
    ours.close()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert json.loads(errors)["event"] == "ended before it began"


def test_letting_go_cancels_entries_that_still_fill(stage: SceneMaker) -> None:
    thin = f"{quiet_range(volume=400)}\n15 100 102 100 101.50 400\n{flat('101.50', 16, 40, volume=400)}"
    scene = stage({"SPY": thin})
    scene.run()
    scene.play(16)
    tries = [2]

    def fail(name: str) -> str | None:
        tries[0] -= name == "open_orders"
        return "before" if tries[0] >= 0 else None

    scene.broker.fail = fail
    let_go(scene.loop)
    entry = scene.market.order("S-open-SPY-20240507-1-E")
    assert entry is not None
    assert entry.status is OrderStatus.CANCELLED
    assert {order.client_order_id[-1] for order in scene.market.open_orders()} == {"S", "T"}


def test_letting_go_of_a_dead_broker_does_not_take_for_ever(stage: SceneMaker) -> None:
    scene = stage({"SPY": TABLE})
    calls: list[str] = []

    def fail(name: str) -> str:
        calls.append(name)
        return "before"

    scene.broker.fail = fail
    let_go(scene.loop)
    assert calls == ["open_orders"] * LAST_TRIES


def test_begin_says_everything_the_loop_needs(tmp_path: Path) -> None:
    told = begin(tmp_path / "venue.sock", tmp_path)
    ours, theirs = socket.socketpair()
    broker = connect(told.broker)
    try:
        loop = compose(told, broker, RunnerLink(LineChannel(ours), Stopwatch()))
        assert not loop._standing.is_armed()
        (tmp_path / "kill_armed").touch()
        assert loop._standing.is_armed()
    finally:
        broker.close()
        ours.close()
        theirs.close()
