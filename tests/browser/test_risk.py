"""Defense mode in the browser: asked for with a reason, on every page while it stands, and ended."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import journey
from tests.browser.launched import Launched
from tests.browser.watched import Watched, look

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("trading")]


def test_defense_mode_is_begun_shown_on_every_page_and_ended(ada: Watched, trading: Launched) -> None:
    page = ada.page
    if journey.bot(page)["defense_mode_active"]:  # the market may have called for it by itself
        _act(ada, "end_defense", "a quiet start")
    usual = journey.bot(page)["max_allowed_trades"]
    dialog = journey.ask_for(page, "begin_defense")
    wrong = look(page, "confirm-begin-defense", full=False)
    dialog.get_by_label("Reason").fill("news at the hour")
    journey.confirm(dialog)
    banner = page.locator("#banners .banner-warn", has_text="Defense mode since")
    expect(banner).to_contain_text("news at the hour (ada)")
    found = journey.bot(page)
    assert found["defense_mode_active"]
    assert found["defense_reasons"][0] == "news at the hour (ada)"
    assert found["max_allowed_trades"] == usual // 2
    page.goto("/?panel=trades")
    expect(banner).to_be_visible()
    wrong += look(page, "main-defense", full=False)
    page.goto("/status/")
    expect(page.locator("#risk")).to_contain_text("news at the hour (ada)")
    wrong += look(page, "status-defense")
    page.goto("/")
    _act(ada, "end_defense", "the news are out")
    expect(page.locator("#banners")).not_to_contain_text("Defense mode")
    assert journey.bot(page)["max_allowed_trades"] == usual
    assert not wrong, "\n".join(wrong)


def _act(ada: Watched, act: str, reason: str) -> None:
    dialog = journey.ask_for(ada.page, act)
    dialog.get_by_label("Reason").fill(reason)
    journey.confirm(dialog)
