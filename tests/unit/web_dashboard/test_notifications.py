from __future__ import annotations

import re
from typing import Any

import pytest

from tbot_bot.api.errors import ApiError
from tbot_bot.api.notifications import Notifications
from tbot_bot.api.permissions import Role
from tests.unit.web.canned import CannedRunner
from tests.unit.web.pages import Browser
from tests.unit.web_dashboard.canned_notifications import notice, notifications, silent


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.mark.parametrize("role", list(Role))
def test_everyone_reads_it_and_administrators_test_it(runner: CannedRunner, web: Any, role: Role) -> None:
    browser = web.browser(tbot_session=runner.sign_in(role))
    page = browser.get("/notifications/")
    assert page.status_code == 200
    assert ("Send a test message" in page.text) is (role is Role.ADMIN)
    assert 'data-panel="notifications"' in browser.get("/").text
    sent = browser.send("/notifications/test", {}, seen_on="/account/")
    assert sent.status_code == (303 if role is Role.ADMIN else 403)


def test_each_message_says_how_far_it_came(admin: Browser) -> None:
    page = text_of(admin.get("/notifications/").text)
    assert "Waiting 1 Stale the oldest for 54 min" in page
    assert "Sent, 24 h 2 Stale the last" in page
    assert "Given up 1 Stale after a day of tries" in page
    assert "Failing, 4 in a row" in page
    assert "hooks.example.org failed (503). next try 14:03" in page
    assert "after 150 tries" in page
    assert "gathers until 14:03" in page


def test_what_was_told_is_text(admin: Browser) -> None:
    page = admin.get("/notifications/").text
    assert "ada &lt;b&gt;pulled&lt;/b&gt;" in page
    assert "<summary>event 3</summary>" in page
    assert re.search(r"event 2\s*</li><li>.*event 1\s*</li>", page, re.DOTALL)


def test_a_kind_can_be_chosen(admin: Browser) -> None:
    page = admin.get("/notifications/?kind=kill").text
    assert "The kill switch is triggered: ada." in page
    assert "No snapshot could be made" not in page
    assert '<option value="kill" selected>Kill switch triggered</option>' in page
    assert "No notice of this kind" in admin.get("/notifications/?kind=restore").text


def test_with_nobody_to_tell_it_says_so_and_where_to_change_it(admin: Browser, runner: CannedRunner, web: Any) -> None:
    runner.special["notifications.list"] = lambda *_: silent()
    page = admin.get("/notifications/").text
    assert "Nobody is told of anything" in page
    assert 'href="/configuration#notifications-title"' in page
    assert "Send a test message" not in page
    assert "No notice yet" in page
    viewer = web.browser(tbot_session=runner.sign_in(Role.VIEWER)).get("/notifications/").text
    assert "An administrator sets one up" in viewer


def test_a_disk_that_refuses_is_told(admin: Browser, runner: CannedRunner) -> None:
    runner.special["notifications.list"] = lambda *_: notifications(unrecorded=3)
    assert "3 cannot be recorded" in admin.get("/notifications/").text


def test_a_test_that_is_refused_says_why(admin: Browser, runner: CannedRunner) -> None:
    def refuse(*_: Any) -> Any:
        raise ApiError.of(409, "no_channel", "No channel is configured", "There is none.", "Set one.")

    admin.send("/notifications/test", {}, seen_on="/notifications/")
    assert runner.asked["notifications.test"] == 1
    runner.special["notifications.test"] = refuse
    answer = admin.send("/notifications/test", {}, seen_on="/notifications/")
    assert answer.status_code == 409
    assert "No channel is configured" in answer.text


def test_an_unknown_state_of_a_message_is_shown_as_it_is(admin: Browser, runner: CannedRunner) -> None:
    from tests.unit.web_dashboard.canned_notifications import way

    odd = notice(1, "kill", "Kill switch triggered", "It was.", way("mail", "lost", 0))
    runner.special["notifications.list"] = lambda *_: notifications(items=[odd])
    assert "lost" in admin.get("/notifications/").text


def test_the_document_for_programs(admin: Browser) -> None:
    found = Notifications.model_validate_json(admin.poll("/notifications/api").content)
    assert found == notifications()
