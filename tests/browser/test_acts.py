"""Pause, resume, stop, start again and kill from the browser, each saying beforehand exactly what the books say."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import journey
from tests.browser.launched import Launched
from tests.browser.watched import Watched, look
from tests.support.running import PASSWORD, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("trading")]
POSITIONS = """
    SELECT symbol, (entry_quantity - exit_quantity) * CASE side WHEN 'buy' THEN 1 ELSE -1 END
    FROM trade WHERE closed_us IS NULL ORDER BY 1
"""
ORDERS = """
    SELECT count(*) FROM trade_order
    WHERE book = 'strategy' AND status IN ('pending', 'accepted', 'partially_filled')
"""
Books = tuple[list[tuple[str, Decimal]], int]


def test_pause_and_resume(ada: Watched, trading: Launched) -> None:
    page = ada.page
    journey.confirm(agreeing(page, "pause", lambda: books(trading)))
    expect(page.locator("#banners")).to_contain_text("Entries are paused")
    assert journey.bot(page)["paused"]
    expect(page.locator("#controls .act-pause")).to_have_count(0)
    journey.confirm(journey.ask_for(page, "resume"))
    expect(page.locator("#banners")).not_to_contain_text("Entries are paused")
    assert not journey.bot(page)["paused"]


def test_stop_closes_what_it_said(ada: Watched, trading: Launched) -> None:
    page = ada.page
    journey.wait_for_positions(page)
    journey.confirm(agreeing(page, "stop", lambda: books(trading)))
    expect(page.locator("#toasts")).to_contain_text("Stop is asked for")
    wait_for(lambda: journey.bot(page)["state"] == "stopped", 60, lambda: str(journey.status(page)))
    assert books(trading) == ([], 0)
    expect(page.locator("#controls .act-start")).to_be_visible(timeout=20_000)
    expect(page.locator("#controls .act-kill")).to_have_text("Kill: lock trading…", use_inner_text=True)


def test_kill_flattens_what_it_said_and_stays_pulled(ada: Watched, trading: Launched) -> None:
    page = ada.page
    journey.start_trading(page)
    journey.wait_for_positions(page)
    journey.confirm(agreeing(page, "kill", lambda: books(trading)))
    expect(page.locator("#toasts")).to_contain_text("Kill switch triggered")
    wait_for(lambda: journey.bot(page)["state"] == "stopped", 60, lambda: str(journey.status(page)))
    assert books(trading) == ([], 0)
    assert journey.bot(page)["kill_switch_triggered"]
    expect(page.locator("#banners")).to_contain_text("The kill switch is triggered")
    expect(page.locator("#controls .act-start")).to_have_count(0)
    expect(page.locator("#shell")).to_have_attribute("data-closing", "")
    wrong = look(page, "main-killed", full=False)

    # what cannot be undone asks for the name, the reason and the password; too early it says how long to wait
    dialog = journey.ask_for(page, "reset")
    dialog.get_by_label("Reason").fill("the test is over")
    dialog.get_by_label("Type").fill("RIGD_US_SIM_001")
    dialog.get_by_label("Your password again").fill(PASSWORD)
    wrong += look(page, "confirm-reset", full=False)
    with ada.excusing("status of 409"):
        dialog.get_by_role("button", name="Reset the kill switch").click()
        expect(dialog.get_by_role("alert")).to_contain_text("Wait")
    expect(dialog.get_by_label("Reason")).to_have_value("the test is over")
    assert journey.bot(page)["kill_switch_triggered"]
    assert not wrong, "\n".join(wrong)


def agreeing(page: Page, act: str, read: Callable[[], Books]) -> Locator:
    """The act's dialog with figures that are the books' own; asked again when the books moved meanwhile."""

    def ask() -> Locator | None:
        before = read()
        dialog = journey.ask_for(page, act)
        if before[0] and read() == before:
            assert said(dialog) == before
            return dialog
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        return None

    return wait_for(ask, 60, lambda: str(read()))


def said(dialog: Locator) -> Books:
    """Positions by symbol, and the number of orders, as the dialog lists them."""
    rows = dialog.locator("table", has_text="Positions").locator("tbody tr")
    positions = [tuple(row.locator("td").all_inner_texts()[1:3]) for row in rows.all()]
    orders = dialog.locator("table", has_text="Orders").locator("tbody tr").count()
    return sorted((symbol, Decimal(figure(quantity))) for symbol, quantity in positions), orders


def figure(text: str) -> str:
    return text.replace("\N{MINUS SIGN}", "-").replace(",", "")


def books(running: Launched) -> Books:
    """The strategy book as the ledger's file has it."""
    (path,) = running.home.glob("output/*/ledgers/LEDGER.db")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        positions = [(symbol, Decimal(quantity).scaleb(-9)) for symbol, quantity in ledger.execute(POSITIONS)]
        (orders,) = ledger.execute(ORDERS).fetchone()
    return positions, orders
