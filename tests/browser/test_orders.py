"""Exit one position in part, cancel and re-read an order in a browser, each asked beforehand with its figures."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import journey
from tests.browser.launched import Launched
from tests.browser.test_acts import books
from tests.browser.watched import Watched, look
from tests.support.running import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("trading")]


@pytest.fixture(scope="module")
def registered(running: Launched, browser: Browser) -> Launched:
    """A market that is slow enough to act in."""
    context = browser.new_context()
    page = context.new_page()
    journey.configure(page, running, SIM_SPEED="60")
    journey.register(page)
    context.close()
    return running


def test_a_limit_exit_of_a_part_is_asked_sent_read_again_and_cancelled(ada: Watched, trading: Launched) -> None:
    page = ada.page
    held = dict(books(trading)[0])
    page.goto("/trades/")
    page.get_by_role("link", name=re.compile("^Exit ")).first.click()
    symbol = heading(page).rpartition(" ")[2]
    quantity = f"{abs(held[symbol]).normalize():f}"
    assert heading(page) == f"Exit {quantity} {symbol}"
    wrong = look(page, "order-exit")

    part = int(quantity) // 2
    page.get_by_label("At a limit").check()
    page.get_by_label("Quantity").fill(str(part))
    page.get_by_label("Limit, USD").fill("9999.999" if held[symbol] > 0 else "0.001")
    page.get_by_role("button", name="Show its figures").click()
    expect(page.get_by_text("is not a price at which")).to_have_count(2)
    wrong += look(page, "order-exit-refused")
    page.get_by_label("Limit, USD").fill("9999.99" if held[symbol] > 0 else "0.01")
    page.get_by_role("button", name="Show its figures").click()
    expect(page.locator(".sentence")).to_contain_text(f"{part} {symbol} at")
    page.get_by_role("button", name=f"Exit {part} of {quantity} {symbol}").click()
    expect(page.locator(".notice")).to_contain_text("is at the broker")
    wrong += look(page, "orders-with-exit")

    row = page.locator("#working tbody tr", has_text=re.compile("-X"))
    row.get_by_role("button", name=re.compile("Re-read")).click()
    expect(page.locator(".notice")).to_contain_text("accepted, 0 of")
    page.locator("#working tbody tr", has_text=re.compile("-X")).get_by_role("link", name="Cancel…").click()
    wrong += look(page, "order-cancel")
    page.get_by_role("button", name="Cancel the exit").click()
    expect(page.locator(".notice")).to_contain_text("The order was cancelled.")
    assert not wrong, "\n".join(wrong)


def test_a_part_at_the_market_leaves_the_rest_with_its_stop(ada: Watched, trading: Launched) -> None:
    page = ada.page
    journey.wait_for_positions(page)
    page.goto("/?panel=trades")
    panel = page.frame_locator("iframe[data-panel=trades]")
    panel.get_by_role("link", name=re.compile("^Exit ")).last.click()
    question = page.frame_locator("iframe[data-panel=orders]")  # the shell opened the panel of orders
    title = question.locator("#confirm-title").inner_text()
    symbol, quantity = title.split()[-1], Decimal(title.split()[1])
    question.get_by_label("Quantity").fill("1")
    question.get_by_role("button", name="Show its figures").click()
    question.get_by_role("button", name=f"Exit 1 of {quantity} {symbol}").click()
    expect(question.locator(".notice")).to_contain_text(f"The exit of 1 {symbol} is")
    wait_for(lambda: abs(dict(books(trading)[0]).get(symbol, Decimal(0))) == quantity - 1, 20)


def heading(page: Page) -> str:
    expect(page.locator("#confirm-title")).to_be_visible()
    return page.locator("#confirm-title").inner_text()
