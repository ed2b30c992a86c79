"""The sentinel by itself: when it speaks, when it keeps quiet, what it fetches; its pauses move the clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tbot_bot.api.settings import Configuration
from tbot_bot.config.configuration_change import texts
from tbot_bot.control.sentinel import (
    HEARTBEAT_EVERY_S,
    PATIENCE_S,
    SILENCE_S,
    UP_WAIT_S,
    Farewell,
    Sentinel,
    Word,
    runner_answers,
)
from tests.support.hooks import HookServer
from tests.unit.audit.parts import HandClock
from tests.unit.control.backstage import furnished_home

FACTS = {"state": "trading", "open positions": "AAA 100"}


class Watch:
    """A sentinel whose steady clock is moved by hand and by its own pauses."""

    def __init__(self, hook: HookServer, **configured: str) -> None:
        self.now_s = 1000.0
        self.is_up = False
        self.asked_up = 0
        self.comes_up_at_s: float | None = None
        self.sentinel = Sentinel(HandClock(), self._up, self.pass_s, lambda: self.now_s)
        chosen = Configuration(
            **{"NOTIFY_WEBHOOK_URL": hook.url, "NOTIFY_WEBHOOK_KEY": "sixteen letters!"} | configured  # type: ignore[arg-type] # texts, as a form gives them
        )
        self.say(settings=texts(chosen), facts=FACTS)

    def _up(self) -> bool:
        self.asked_up += 1
        return self.is_up or (self.comes_up_at_s is not None and self.now_s >= self.comes_up_at_s)

    def say(self, **word: Any) -> None:
        self.sentinel.hear(Word(**word).model_dump_json(exclude_defaults=True))

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def hook() -> Iterator[HookServer]:
    with HookServer() as served:
        yield served


def kinds(hook: HookServer) -> list[str]:
    return [call.json["kind"] for call in hook.calls if call.method == "POST"]


def test_an_end_without_a_farewell_is_told_with_what_was_known(hook: HookServer) -> None:
    watch = Watch(hook)
    watch.sentinel.gone()
    (call,) = hook.calls
    (event,) = call.json["events"]
    assert call.json["kind"] == "stopped"
    assert "ended without a farewell" in event["sentence"]
    assert "protective orders stand at the broker" in event["sentence"]
    assert event["facts"] == FACTS
    assert watch.now_s - 1000 >= UP_WAIT_S


@pytest.mark.parametrize("how", [Farewell.FAILED, Farewell.ORPHANED])
def test_other_ends_are_told_by_their_name(hook: HookServer, how: Farewell) -> None:
    watch = Watch(hook)
    watch.say(farewell=how)
    watch.sentinel.gone()
    words = {Farewell.FAILED: "failed and ended", Farewell.ORPHANED: "What had started the control process is gone"}
    assert words[how] in hook.calls[0].json["events"][0]["sentence"]


def test_a_runner_that_is_up_again_tells_it_itself(hook: HookServer) -> None:
    watch = Watch(hook)
    watch.comes_up_at_s = watch.now_s + 3
    watch.sentinel.gone()
    assert hook.calls == []
    assert watch.now_s < 1000 + UP_WAIT_S


def test_the_one_that_ends_is_not_taken_for_another(hook: HookServer) -> None:
    watch = Watch(hook)
    watch.sentinel._is_up = lambda: watch.now_s < 1001  # its socket is closed a moment after its end of the line
    watch.sentinel.gone()
    assert kinds(hook) == ["stopped"]


def test_a_stop_that_was_asked_for_is_told_only_to_who_wants_it(hook: HookServer) -> None:
    quiet, curious = Watch(hook), Watch(hook, NOTIFY_WEBHOOK_WITHOUT="")
    for watch in (quiet, curious):
        watch.say(farewell=Farewell.ASKED)
        watch.sentinel.gone()
    assert kinds(hook) == ["farewell"]
    assert quiet.now_s == 1000.0


def test_a_restart_is_not_told(hook: HookServer) -> None:
    watch = Watch(hook, NOTIFY_WEBHOOK_WITHOUT="")
    watch.say(farewell=Farewell.RESTART)
    watch.sentinel.gone()
    assert hook.calls == []


def test_who_does_not_want_the_kind_is_not_told(hook: HookServer) -> None:
    watch = Watch(hook, NOTIFY_WEBHOOK_WITHOUT="stopped")
    watch.sentinel.gone()
    assert hook.calls == []


def test_a_message_is_tried_again_under_its_id_until_it_is_taken(hook: HookServer) -> None:
    watch = Watch(hook)
    hook.status = 503
    watch.sentinel._pause = lambda seconds: (  # type: ignore[assignment] # what a pause does here
        watch.pass_s(seconds),
        setattr(hook, "status", 503 if len(hook.calls) < 4 else 204),
    )
    watch.sentinel.gone()
    assert len(hook.calls) == 5
    assert len({call.json["id"] for call in hook.calls}) == 1


def test_it_gives_up_after_an_hour_or_once_a_runner_is_up(hook: HookServer) -> None:
    hook.status = 503
    watch = Watch(hook)
    watch.sentinel.gone()
    assert 5 < len(hook.calls) < 20
    assert watch.now_s - 1000 <= UP_WAIT_S + PATIENCE_S
    hook.calls.clear()
    watch = Watch(hook)
    watch.comes_up_at_s = watch.now_s + UP_WAIT_S + 12
    watch.sentinel.gone()
    assert len(hook.calls) == 2


def test_a_runner_that_hangs_is_told_of_once(hook: HookServer) -> None:
    watch = Watch(hook)
    for _ in range(4):
        watch.pass_s(SILENCE_S / 2)
        watch.sentinel.look()
    assert kinds(hook) == ["stopped"]
    assert "no sign for 120 s" in hook.calls[0].json["events"][0]["sentence"]
    watch.say(facts=FACTS)
    watch.pass_s(SILENCE_S)
    watch.sentinel.look()
    assert len(hook.calls) == 2


def test_the_heartbeat_is_fetched_each_minute_while_all_is_well(hook: HookServer) -> None:
    watch = Watch(hook, NOTIFY_HEARTBEAT_URL=hook.url)

    def minute(**word: Any) -> int:
        before = len(hook.calls)
        for _ in range(12):
            watch.say(**word)
            watch.sentinel.look()
            watch.pass_s(HEARTBEAT_EVERY_S / 12)
        return len(hook.calls) - before

    assert [minute(facts=FACTS), minute(facts=FACTS)] == [1, 1]
    assert minute(well=False) == 0
    assert minute(facts=FACTS) == 1
    watch.pass_s(HEARTBEAT_EVERY_S)
    watch.sentinel.look()
    assert {call.method for call in hook.calls} == {"GET"}
    assert len(hook.calls) == 3


def test_a_heartbeat_that_is_not_taken_harms_nothing(hook: HookServer) -> None:
    hook.status = 500
    watch = Watch(hook, NOTIFY_HEARTBEAT_URL=hook.url)
    watch.sentinel.look()
    assert len(hook.calls) == 1


@pytest.mark.parametrize("line", ["", "nonsense", '{"farewell": "perhaps"}', '{"settings": {"NOTIFY_MAIL_TO": "x"}}'])
def test_what_is_not_understood_changes_nothing(hook: HookServer, line: str) -> None:
    watch = Watch(hook)
    watch.sentinel.hear(line)
    watch.sentinel.gone()
    assert kinds(hook) == ["stopped"]


def test_nobody_answers_where_no_runner_is(tmp_path: Any) -> None:
    home = furnished_home(tmp_path / "home")
    assert not runner_answers(home)
    home.runner_socket.parent.mkdir(parents=True, exist_ok=True)
    assert not runner_answers(home)
