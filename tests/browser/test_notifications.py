"""Notifications with a real system: nobody to tell, a webhook set up and tested, its failure seen on the page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_configuration import review, save
from tests.browser.watched import Watched, look
from tests.support.hooks import HookServer
from tests.support.running import wait_for

pytestmark = pytest.mark.browser


def test_a_webhook_is_set_up_tested_and_its_failure_is_seen(ada: Watched) -> None:
    page = ada.page
    page.goto("/notifications/")
    expect(page.get_by_text("Nobody is told of anything")).to_be_visible()
    wrong = look(page, "notifications-silent")
    page.get_by_role("link", name="Set one up").click()
    card = page.locator("[data-category=notifications]")
    with HookServer() as hook:
        card.locator("[name=NOTIFY_WEBHOOK_URL]").fill(hook.url)
        card.locator("[name=NOTIFY_WEBHOOK_KEY]").fill("sixteen letters!")
        card.get_by_role("button", name="Test the connection").click()
        expect(card.locator(".tested")).to_contain_text("A test message was taken by webhook")
        review(page, "notifications")
        assert "abracadabra" not in page.content()
        save(page)
        page.goto("/notifications/")
        hook.calls.clear()
        hook.status = 503
        page.get_by_role("button", name="Send a test message").click()
        expect(page.locator(".notice")).to_contain_text("on its way")
        hook.wait_for(1)

        def shows_the_failure() -> bool:
            page.reload()
            return page.get_by_text("failed (503)").count() > 0

        wait_for(shows_the_failure, 20, page.content)
        expect(page.locator("#channels")).to_contain_text(re.compile(r"Failing, \d in a row"))
        page.get_by_text("asked for a test message").click()
        wrong += look(page, "notifications-failing")
        hook.status = 204

        def is_sent() -> bool:
            page.reload()
            return page.locator("#outbox .mark-ok").count() > 0

        wait_for(is_sent, 40, page.content)
    ids = {call.headers["X-TBot-Id"] for call in hook.calls}
    assert len(ids) == 1
    assert "abracadabra" not in page.content()
    wrong += look(page, "notifications-sent")
    assert not wrong, "\n".join(wrong)
