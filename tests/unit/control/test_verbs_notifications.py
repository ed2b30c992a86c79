"""The outbox through its verbs, of a home that is configured to tell people, and of one that is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tbot_bot.api.errors import ApiError
from tbot_bot.api.permissions import Permission
from tbot_bot.api.verbs import VERBS
from tbot_bot.control.configured_routes import open_postman
from tbot_bot.control.verbs_notifications import NotificationVerbs
from tbot_bot.domain.notices import NoticeKind
from tests.support.hooks import HookServer
from tests.unit.control.backstage import Backstage, call, furnished


class Desk:
    """The verbs over a home, and its postman, who is told when to go."""

    def __init__(self, house: Backstage) -> None:
        self.house = house
        self.notices = house.foundation.notices
        self.postman = open_postman(house.foundation)
        self.handlers = NotificationVerbs(house.foundation, self.postman).handlers()
        self.sessions: dict[str, str] = {}

    def ask(self, verb: str, name: str = "admin") -> Any:
        if name not in self.sessions:
            self.sessions[name] = self.house.sign_in(name)
        return call(self.handlers, verb, self.house.caller(self.sessions[name]))

    def configure(self, hook: HookServer) -> None:
        self.house.foundation.rotation.rotate(
            lambda present: (
                present | {"notifications": {"NOTIFY_WEBHOOK_URL": hook.url, "NOTIFY_WEBHOOK_KEY": "sixteen letters!"}}
            ),
            request_id="notify-1",
            reason="test",
            actor="test",
            target="test",
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(furnished(tmp_path / "home"))
    yield made
    made.house.foundation.close()


@pytest.fixture
def hook() -> Iterator[HookServer]:
    with HookServer() as served:
        yield served


def test_status_reads_and_configuration_tests() -> None:
    assert VERBS["notifications.list"].permission is Permission.STATUS_VIEW
    assert VERBS["notifications.test"].permission is Permission.CONFIGURATION_EDIT


def test_a_test_goes_out_and_is_shown_with_how_far_it_came(desk: Desk, hook: HookServer) -> None:
    desk.configure(hook)
    desk.ask("notifications.test")
    (gathering,) = desk.ask("notifications.list").items
    assert (gathering.kind, gathering.deliveries) == ("test", [])
    assert gathering.gathers_until == gathering.first_at
    hook.status = 503
    desk.postman.turn()
    found = desk.ask("notifications.list")
    (shown,), webhook = found.items, found.channels[1]
    assert [(one.channel, one.status, one.tries, one.error) for one in shown.deliveries] == [
        ("webhook", "waiting", 1, "127.0.0.1 failed (503).")
    ]
    assert shown.deliveries[0].next_at == webhook.rests_until
    assert (webhook.configured, webhook.towards, webhook.failures) == (True, "127.0.0.1", 1)
    hook.status = 200
    desk.house.clock.move(seconds=5)
    desk.postman.turn()
    found = desk.ask("notifications.list")
    assert [(one.status, one.tries, one.next_at) for one in found.items[0].deliveries] == [("sent", 2, None)]
    assert (found.channels[1].failures, found.channels[1].rests_until) == (0, None)
    assert desk.house.audited("notifications.test")[0].actor == "Admin"


def test_without_a_channel_a_test_says_where_to_set_one_up(desk: Desk) -> None:
    with pytest.raises(ApiError) as error:
        desk.ask("notifications.test")
    assert error.value.problem.code == "no_channel"
    assert "Configuration" in error.value.problem.next_step
    desk.postman.turn()
    assert desk.ask("notifications.list").items == []


def test_a_viewer_sees_what_happened_but_neither_people_nor_where_it_goes(desk: Desk, hook: HookServer) -> None:
    desk.configure(hook)
    desk.notices.tell(NoticeKind.KILL, "The kill switch was pulled.")
    desk.notices.tell(NoticeKind.NEW_DEVICE, "Ada signed in at 192.0.2.7.")
    seen = {name: desk.ask("notifications.list", name) for name in ("admin", "auditor", "operator", "viewer")}
    kinds = {name: [one.kind for one in found.items] for name, found in seen.items()}
    assert kinds["admin"] == kinds["auditor"] == ["new_device", "kill"]
    assert kinds["operator"] == kinds["viewer"] == ["kill"]
    assert [seen[name].channels[1].towards for name in seen] == ["127.0.0.1", "", "", ""]
