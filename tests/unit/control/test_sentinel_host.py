"""The runner's end of the sentinel's line, with a real sentinel behind it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tbot_bot.control.child import Child
from tbot_bot.control.sentinel import Farewell, Word
from tbot_bot.control.sentinel_host import SentinelHost, last_known
from tbot_bot.domain.lifecycle import State
from tbot_bot.monitoring.log_book import LogBook
from tests.support.hooks import HookServer
from tests.unit.control.backstage import Backstage, furnished, wait_until
from tests.unit.control.stage import Stage


class Post:
    """A host on a home; `again` is what the next runner has."""

    def __init__(self, house: Backstage) -> None:
        self.house = house
        self.log_book = LogBook(house.home.system_logs, house.clock)
        self.host = self.again()

    def again(self) -> SentinelHost:
        facts = {"state": "idle"}
        return SentinelHost(self.house.foundation, self.log_book, lambda: facts, self.house.lifecycle)

    def configure(self, url: str) -> None:
        chosen = {"NOTIFY_HEARTBEAT_URL": url}
        self.house.foundation.rotation.rotate(
            lambda present: present | {"notifications": chosen},
            request_id=f"notify-{len(url)}",
            reason="test",
            actor="test",
            target="test",
        )

    @property
    def child(self) -> Child:
        self.host.poll()
        assert self.host._keeper.child is not None
        return self.host._keeper.child

    def told(self) -> list[str]:
        return [one.last.sentence for one in self.house.foundation.record.outbox.newest(9)]

    def close(self) -> None:
        child = self.host._keeper.child
        self.host.farewell(Farewell.RESTART)
        if child is not None:
            child.wait(20)
        for log in self.log_book._files.values():
            log.close()
        self.house.foundation.close()


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    made = Post(furnished(tmp_path / "home"))
    yield made
    made.close()


@pytest.fixture
def hook() -> Iterator[HookServer]:
    with HookServer() as served:
        yield served


def test_with_nobody_to_tell_there_is_none(post: Post) -> None:
    post.host.poll()
    assert post.host._keeper.child is None


def test_it_follows_the_configuration(post: Post, hook: HookServer) -> None:
    post.configure(hook.url)
    first = post.child
    assert hook.wait_for(1)[0].method == "GET"
    with HookServer() as other:
        post.configure(other.url + "/other")
        assert post.child is first
        assert other.wait_for(1)[0].path.endswith("/other")
    post.configure("")
    post.host.poll()
    assert post.host._keeper.child is None
    assert first.process.wait(5) == 0


def test_an_end_that_was_asked_for_ends_it_at_once(post: Post, hook: HookServer) -> None:
    post.configure(hook.url)
    child = post.child
    hook.wait_for(1)
    post.host.farewell(Farewell.ASKED)
    assert child.process.poll() == 0


def test_one_that_does_not_listen_is_never_waited_for(post: Post, hook: HookServer) -> None:
    post.configure(hook.url)
    stuck = post.child
    hook.wait_for(1)
    stuck.process.send_signal(signal.SIGSTOP)
    for _ in range(100):
        post.host._say(Word(facts={"state": "x" * 3000}))
    assert stuck.process.wait(5) == -signal.SIGKILL
    wait_until(lambda: post.host.poll() or post.host._keeper.child not in (None, stuck), "another was started")


@pytest.mark.parametrize(
    ("how", "is_told"),
    [
        (None, True),
        (Farewell.FAILED, True),
        (Farewell.ORPHANED, True),
        (Farewell.ASKED, False),
        (Farewell.RESTART, False),
    ],
)
def test_the_next_start_tells_of_an_end_that_nobody_asked_for(post: Post, how: Farewell | None, is_told: bool) -> None:
    post.host.begin()
    assert post.told() == []
    if how is not None:
        post.host.farewell(how)
    post.again().begin()
    assert [("up again" in sentence) for sentence in post.told()] == [True] * is_told


def test_what_is_known_last_names_state_and_positions(stage: Stage) -> None:
    stage.start()
    stage.tell_market(window="trading")
    stage.ask_entry("AAA", "100")
    known = last_known(stage.lifecycle, stage.conductor)
    assert known["state"] == State.TRADING
    assert known["open positions"] == "none"
    assert known["market time"].startswith(("20", "19"))
    assert last_known(stage.lifecycle, None).keys() == {"state", "since", "why"}
