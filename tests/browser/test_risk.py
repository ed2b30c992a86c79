"""Defense mode and a difference between broker and books in the browser: shown, ended, signed."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tbot_bot.brokers.registry import broker_kind
from tbot_bot.brokers.setup import BrokerSetup
from tbot_bot.config.paths import Home
from tbot_bot.domain.money import Quantity
from tbot_bot.domain.orders import Book, OrderRequest, OrderType, Side
from tests.browser import journey
from tests.browser.launched import Launched
from tests.browser.watched import Watched, look
from tests.support.running import PASSWORD, wait_for

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


def test_a_difference_blocks_is_shown_and_is_signed(ada: Watched, trading: Launched) -> None:
    page = ada.page
    _trade_behind_its_back(trading)
    wait_for(lambda: not journey.bot(page)["tied_out"], 60, lambda: str(journey.status(page)))
    page.goto("/?panel=status")
    expect(page.locator("#banners")).to_contain_text("Entries are paused")
    expect(page.locator("#banners")).to_contain_text("broker, books and ledger disagree")
    wrong = look(page, "main-break", full=False)
    page.goto("/status/")
    panel = page.locator(".tie-out")
    expect(panel).to_contain_text("The broker filled an order that is not ours")
    wrong += look(page, "status-break")
    panel.get_by_role("link", name="Sign the difference").click()
    expect(page.locator("#confirm")).to_contain_text("Accepted is exactly this: cash -")
    wrong += look(page, "confirm-sign-break")
    page.get_by_label("Reason").fill("Bought by telephone.")
    page.get_by_label("Your password again").fill(PASSWORD)
    page.get_by_role("button", name="Sign the difference").click()
    expect(page.locator("#banners")).not_to_contain_text("Entries are paused")
    page.goto("/status/")
    expect(panel).to_contain_text("ada accepted exactly this")
    expect(panel).to_contain_text("Bought by telephone.")
    wrong += look(page, "status-break-signed")
    assert not wrong, "\n".join(wrong)


def _trade_behind_its_back(trading: Launched) -> None:
    """Somebody else buys in the same account."""
    broker = broker_kind("SIM").connect(BrokerSetup({}, Home(trading.home).venue_socket))
    wait_for(lambda: broker.clock().is_open, 60)
    bought = OrderRequest("by-telephone", Book.STRATEGY, "BRIX", Side.BUY, Quantity.of(7), OrderType.MARKET)
    broker.submit(bought)
    broker.close()


def _act(ada: Watched, act: str, reason: str) -> None:
    dialog = journey.ask_for(ada.page, act)
    dialog.get_by_label("Reason").fill(reason)
    journey.confirm(dialog)
