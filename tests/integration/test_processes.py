"""Every process killed in turn while trading: nothing stays behind, nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tbot_bot.domain.orders import OrderRole, role_of
from tests.browser.launched import Launched, free_port
from tests.integration.conftest import HomeMaker
from tests.integration.evidence import (
    assert_audit_is_whole,
    assert_books_are_sound,
    booked,
    ledger_rows,
    logged,
    reconciliations,
    states,
    venue_rows,
)
from tests.integration.homes import TRADING, all_gone, processes_of, running, start_trading, with_positions
from tests.integration.launches import is_up, kill, launched, said
from tests.support.running import REPOSITORY, RunningHome, wait_for

BELOW = {"bot": {"bot"}, "venue": {"venue"}, "runner": {"runner", "venue", "bot"}, "web": {"web"}}


def trades_again(home: RunningHome, boots: int) -> bool:
    """Whether the bot was unlocked by a reconciliation since."""
    found = [row for row in reconciliations(home.home) if row["started_by"] == "boot" and row["is_clean"]]
    return len(found) > boots and home.state() in TRADING


def boots(home: RunningHome) -> int:
    return len([row for row in reconciliations(home.home) if row["started_by"] == "boot" and row["is_clean"]])


def assert_protected(home: RunningHome) -> None:
    """For every open trade the market holds an order that protects or closes it, and no entry is working."""
    working = [row[0] for row in venue_rows(home.home, "SELECT client_order_id FROM orders WHERE is_final = 0")]
    open_symbols = {
        symbol
        for symbol, units in venue_rows(
            home.home,
            "SELECT symbol, sum(CASE side WHEN 'buy' THEN quantity ELSE -quantity END) FROM executions GROUP BY 1",
        )
        if units
    }
    assert open_symbols
    protective = (OrderRole.STOP_LOSS, OrderRole.EXIT)
    protected = {name.split("-")[2] for name in working if role_of(name) in protective}
    orders = venue_rows(home.home, "SELECT client_order_id, is_final, record FROM orders ORDER BY number")
    told = [tuple(row) for row in orders if row[0].split("-")[2] in open_symbols - protected]
    assert protected >= open_symbols, "\n".join(map(str, told[-8:]))
    assert [name for name in working if role_of(name) is OrderRole.ENTRY] == []


def test_every_process_killed_in_turn_and_all_of_them_at_last(new_home: HomeMaker) -> None:
    home = new_home()
    with launched(home) as launch:
        start_trading(home)
        with_positions(home)
        for name in ("bot", "venue", "web", "runner"):
            before, unlocked = processes_of(home.home.root), boots(home)
            acknowledged = booked(home.home)
            home.hang_up()
            kill(home, name)
            wait_for(
                lambda gone=before, name=name: all(
                    processes_of(home.home.root).get(one, gone[one]).pid != gone[one].pid for one in BELOW[name]
                ),
                30,
                lambda: "\n".join(launch.lines),
            )
            wait_for(lambda: is_up(launch), 30, lambda: "\n".join(launch.lines))
            same = set(before) - BELOW[name] - {"web worker"}
            assert {one: processes_of(home.home.root)[one].pid for one in same} == {
                one: before[one].pid for one in same
            }
            if name in ("bot", "runner"):
                wait_for(lambda count=unlocked: trades_again(home, count), 30, lambda: str(states(home.home)[-5:]))
            assert acknowledged.items() <= booked(home.home).items()
        assert said(launch, "web was ended by SIGKILL; next start in 0.5 s.")
        assert said(launch, "runner was ended by SIGKILL; next start in 0.5 s.")
        ended = [record["reason"] for record in logged(home.home, "child ended")]
        assert {reason.split(";")[0] for reason in ended} >= {"bot was ended by SIGKILL", "venue was ended by SIGKILL"}
        with_positions(home)
        home.hang_up()
        kill(home, "launcher")
        all_gone(home.home.root)
    assert_protected(home)
    with launched(home) as launch:
        wait_for(lambda: home.state() in TRADING, 30, lambda: str(home.status()["bots"][0]))
        with_positions(home)
        home.hang_up()
        assert launch.end(signal.SIGINT) == 0
        assert launch.lines[-2:] == [
            "Stopping: working entries are cancelled, protective orders stay at the broker.",
            "Stopped.",
        ]
    assert_protected(home)
    assert home.state() == "shutdown"
    assert_books_are_sound(home.home)
    assert_audit_is_whole(home.home)
    assert [row for row in reconciliations(home.home) if not row["is_clean"]] == []


def test_sigterm_leaves_protective_orders_and_the_next_start_takes_over(new_home: HomeMaker) -> None:
    home = new_home()
    with running(home):
        start_trading(home)
        with_positions(home, 2)
        assert home.end(signal.SIGTERM) == 0
        all_gone(home.home.root)
    assert_protected(home)
    trades = {row[0] for row in ledger_rows(home.home, "SELECT trade_id FROM trade WHERE closed_us IS NULL")}
    with running(home):
        wait_for(lambda: home.state() in TRADING, 30)
        known = {row[0] for row in ledger_rows(home.home, "SELECT trade_id FROM trade")}
        assert trades <= known
        home.raise_flag("control_stop.flag")
        wait_for(lambda: home.state() == "stopped", 30, lambda: str(home.ask("control.state")["closing"]))
    assert_books_are_sound(home.home)


def launch_once(root: Path, **environment: str) -> tuple[int, str]:
    """Start the launcher where it cannot go on; its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "tbot_bot.control.launch"],
        cwd=REPOSITORY,
        env=os.environ | {"TBOT_HOME": str(root), "TBOT_WEB_PORT": str(free_port())} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_second_start_on_the_same_home_is_refused_and_the_first_unharmed(new_home: HomeMaker) -> None:
    home = new_home()
    with running(home):
        wait_for(lambda: {"runner", "venue", "bot"} <= set(processes_of(home.home.root)))
        first = processes_of(home.home.root)
        second = RunningHome(home.home.root).start(wait=False)
        assert second.process is not None
        assert second.process.wait(30) == 78
        assert f"Another runner (process {first['runner'].pid}) has the home {home.home.root}" in second.said()
        assert "TBOT_HOME=/another/folder" in second.said()
        second.ended()
        code, text = launch_once(home.home.root)
        assert code == 1
        assert "Cannot start: Another runner" in text
        assert "Traceback" not in text
        assert home.ask("account.view")["username"] == "ada"
        assert {name: one.pid for name, one in processes_of(home.home.root).items()} == {
            name: one.pid for name, one in first.items()
        }
        assert home.home.bot_state.read_text() == "stopped\n"


def test_a_busy_port_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, text = launch_once(tmp_path / "home", TBOT_WEB_PORT=port)
    assert code == 1
    assert text.startswith(f"Cannot start: Port {port} on 127.0.0.1 is not free")
    assert "TBOT_WEB_PORT=" in text
    assert not (tmp_path / "home" / "storage").exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TBOT_WEB_HOST", "0.0.0.0", "SSH tunnel"),  # noqa: S104 - it is refused
        ("TBOT_WEB_HOST", "bot.example.org", "127.0.0.1"),
        ("TBOT_WEB_PORT", "eighty", "port number"),
        ("TBOT_WEB_PORT", "0", "port number"),
        ("TBOT_WEB_PORT", "65536", "port number"),
        ("TBOT_DATABASE_URL", "postgresql://bot:hunter2@localhost/tbot", "SQLite"),
    ],
)
def test_an_environment_that_cannot_be_obeyed_is_refused(tmp_path: Path, name: str, value: str, words: str) -> None:
    code, text = launch_once(tmp_path / "home", **{name: value})
    assert code == 1
    assert text.startswith(f"Cannot start: {name}")
    assert words in text
    assert "hunter2" not in text
    assert len(text.splitlines()) == 1


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, text = launch_once(tmp_path / "file")
    assert code == 1
    assert str(tmp_path / "file") in text
    assert "Traceback" not in text


def test_ending_the_launcher_before_it_is_up_leaves_nothing(tmp_path: Path) -> None:
    launch = Launched(tmp_path / "home")
    wait_for(lambda: "runner" in processes_of(tmp_path / "home"), 30)
    runner: psutil.Process = processes_of(tmp_path / "home")["runner"]
    launch.process.send_signal(signal.SIGHUP)
    assert launch.process.wait(40) == 0
    runner.wait(10)
    all_gone(tmp_path / "home")
