"""The dead-man's message with whole processes: killed, orphaned, stopped, started again."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.integration.conftest import HomeMaker
from tests.integration.homes import TRADING, start_trading, with_positions
from tests.support.hooks import Call, HookServer
from tests.support.running import RunningHome, wait_for

KEY = "sixteen letters!"


@pytest.fixture
def hook() -> Iterator[HookServer]:
    with HookServer() as served:
        yield served


def tell_to(home: RunningHome, hook: HookServer) -> psutil.Process:
    """Configure the webhook, and wait for the sentinel that comes with it."""
    items = home.ask("configuration.view")["items"]
    version = next(one["version"] for one in items if one["category"] == "notifications")
    secret = {"NOTIFY_WEBHOOK_URL": hook.url, "NOTIFY_WEBHOOK_KEY": KEY, "NOTIFY_HEARTBEAT_URL": hook.url}
    params = {"category": "notifications", "version": version, "values": {}, "cleared": []}
    home.ask_sealed("configuration.change", secret, **params)
    found: psutil.Process = wait_for(lambda: sentinel_of(home), 20)
    wait_for(lambda: any(call.method == "GET" for call in hook.calls), 20)
    return found


def sentinel_of(home: RunningHome) -> psutil.Process | None:
    assert home.process is not None
    for child in psutil.Process(home.process.pid).children():
        with contextlib.suppress(psutil.ZombieProcess, psutil.NoSuchProcess):  # it ended meanwhile
            if "tbot_bot.control.sentinel" in child.cmdline():
                return child
    return None


def told(hook: HookServer, kind: str) -> list[Call]:
    return [call for call in hook.calls if call.method == "POST" and call.json["kind"] == kind]


def test_an_end_that_nobody_asked_for_is_told_with_the_last_known_state(new_home: HomeMaker) -> None:
    of_killed, of_orphan = HookServer(), HookServer()
    with of_killed, of_orphan, new_home("killed") as killed, new_home("orphan") as orphan:
        killed.start()
        orphan.start()
        sentinels = [tell_to(killed, of_killed), tell_to(orphan, of_orphan)]
        start_trading(killed)
        with_positions(killed)
        for sentinel in sentinels:
            shown = " ".join([*sentinel.cmdline(), *sentinel.environ().values()])
            assert "abracadabra" not in shown
            assert KEY not in shown
        sentinels[0].terminate()  # whoever ends all of us does not silence it
        assert killed.process is not None
        assert orphan.process is not None
        killed.end(signal.SIGKILL)
        assert orphan.process.stdin is not None
        orphan.process.stdin.close()
        wait_for(lambda: told(of_killed, "stopped") and told(of_orphan, "stopped"), 60)
        for hook, words, state in (
            (of_killed, "ended without a farewell", TRADING),
            (of_orphan, "What had started the control process is gone", {"stopped", "shutdown"}),
        ):
            (call,) = told(hook, "stopped")
            (event,) = call.json["events"]
            assert words in event["sentence"]
            assert event["facts"]["state"] in state
            assert event["facts"]["open positions"]
        gone, left = psutil.wait_procs(sentinels, 10)
        assert (len(gone), left) == (2, [])


def test_a_stop_in_order_is_silent_and_leaves_nothing(new_home: HomeMaker, hook: HookServer) -> None:
    with new_home() as home:
        home.start()
        sentinel = tell_to(home, hook)
        assert home.end(signal.SIGTERM) == 0
        assert psutil.wait_procs([sentinel], 5)[1] == []
        home.start()
        wait_for(lambda: sentinel_of(home), 20)
        home.end()
    assert told(hook, "stopped") == []


def test_a_runner_that_is_started_again_tells_it_itself(new_home: HomeMaker, hook: HookServer) -> None:
    with new_home() as home:
        home.start()
        sentinel = tell_to(home, hook)
        home.end(signal.SIGKILL)
        home.start()
        (call,) = wait_for(lambda: told(hook, "stopped"), 20)
        assert "up again" in call.json["events"][0]["sentence"]
        assert psutil.wait_procs([sentinel], 30)[1] == []
        assert len(told(hook, "stopped")) == 1
        home.end()


def test_a_sentinel_that_is_killed_is_started_again(new_home: HomeMaker, hook: HookServer) -> None:
    with new_home() as home:
        home.start()
        first = tell_to(home, hook)
        first.kill()
        second = wait_for(lambda: (found := sentinel_of(home)) and found.pid != first.pid and found, 20)
        assert second.is_running()
        home.end()
    assert told(hook, "stopped") == []
