"""The console while the bot trades: every page looked at, the keyboard, what refreshes, themes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Frame, expect
from playwright.sync_api import Page as Tab

from tbot_bot.api.lifecycle import Phase
from tbot_web.py import discover
from tbot_web.support.page import Page
from tests.browser import journey
from tests.browser.conftest import Visit
from tests.browser.launched import Launched
from tests.browser.watched import Watched, look, look_again, panel_frame, violations
from tests.support.running import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("trading")]
#: Tables whose columns do not all fit into what is shown.
CUT_OFF = """(within) => [...within.querySelectorAll('.scroll')]
  .filter((box) => box.scrollWidth > box.clientWidth + 1)
  .map((box) => box.getAttribute('aria-label'))"""
PANELS = [module.page for module in discover() if module.page.panel and Phase.MAIN in module.page.phases]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.slug)
def test_a_panel_alone(ada: Watched, panel: Page) -> None:
    ada.page.goto(panel.address)
    expect(ada.page.locator("h1")).to_be_visible()
    wrong = look(ada.page, panel.slug)
    assert not wrong, "\n".join(wrong)


def test_a_trade_and_what_is_not_there(ada: Watched) -> None:
    page = ada.page
    page.goto("/trades/")
    page.locator("tbody a").first.click()
    expect(page.get_by_role("heading", name="Ledger postings behind it")).to_be_visible()
    expect(page.get_by_text("each transaction sums to zero", exact=True)).to_be_visible()
    wrong = look(page, "trade")
    with ada.excusing("status of 404"):
        page.goto("/no-such-page")
        wrong += look(page, "not-found")
        page.goto("/trades/T-20000101-0001")
        wrong += look(page, "trade-missing")
    page.goto("/trades/?symbol=NOSUCH")
    expect(page.get_by_text("No closed trade matches")).to_be_visible()
    wrong += look(page, "trades-no-match")
    assert not wrong, "\n".join(wrong)


def test_the_minutes_around_a_trade_are_drawn_and_read_by_the_keyboard(ada: Watched) -> None:
    page = ada.page
    page.goto("/trades/")
    page.locator("tbody a").first.click()
    expect(page.locator("#price canvas")).to_have_count(1)
    slider, said = page.get_by_label("Minute", exact=True), page.locator("#price output")
    before = said.inner_text()
    slider.focus()
    page.keyboard.press("Home")
    expect(said).not_to_have_text(before)
    assert re.fullmatch(r"\d\d:\d\d UTC: open [\d.,]+, high [\d.,]+, low [\d.,]+, close [\d.,]+.*", said.inner_text())
    assert slider.get_attribute("aria-valuetext") == said.inner_text()
    few = page.locator("#price tbody tr").count()
    page.get_by_role("link", name="Whole session").click()
    expect(page.get_by_role("link", name="Whole session")).to_have_attribute("aria-current", "true")
    assert page.locator("#price tbody tr").count() >= few


@pytest.mark.parametrize("panel", ["status", "trades"])
def test_the_shell(ada: Watched, panel: str) -> None:
    ada.page.goto(f"/?panel={panel}")
    panel_frame(ada.page, panel)
    titles = [frame.get_attribute("title") for frame in ada.page.locator("iframe").all()]
    assert len(set(titles)) == len(titles) == len(PANELS)
    wrong = look(ada.page, f"main-{panel}", full=False)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("act", ["pause", "stop", "kill"])
def test_a_confirmation(ada: Watched, act: str) -> None:
    page = ada.page
    dialog = journey.ask_for(page, act)
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    wrong = look(page, f"confirm-{act}", full=False)
    expect(page.locator(f"#controls .act-{act}")).to_be_visible()  # it is folded in at a phone's width
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator(f"#controls .act-{act}")).to_be_focused()
    page.goto(f"/control/confirm/{act}")
    wrong += look(page, f"confirm-{act}-alone")
    assert not wrong, "\n".join(wrong)


def test_the_focus_returns_to_the_control_that_asked(ada: Watched) -> None:
    page = ada.page
    for close in ("Escape", "Enter"):  # Enter is on Cancel, which has the focus
        dialog = journey.ask_for(page, "stop")
        page.evaluate(
            "document.querySelector('#controls .act-stop').replaceWith("
            "document.querySelector('#controls .act-stop').cloneNode(true))"
        )  # as a refresh does
        page.keyboard.press(close)
        expect(dialog).to_be_hidden()
        expect(page.locator("#controls .act-stop")).to_be_focused()


def test_on_a_phone_kill_is_in_reach_and_nothing_is_cut(ada: Watched) -> None:
    page = ada.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    expect(page.locator("#controls .act-kill")).to_be_visible()
    expect(page.locator("#controls .act-stop")).to_be_hidden()
    assert page.evaluate("document.querySelector('.middle').getBoundingClientRect().top") < 130
    page.get_by_role("button", name="More acts").click()
    expect(page.locator("#controls .act-stop")).to_be_visible()
    dialog = journey.ask_for(page, "kill")
    assert dialog.evaluate(CUT_OFF) == []
    page.keyboard.press("Escape")
    expect(page.locator("#controls .act-kill")).to_be_focused()
    page.goto("/trades/")
    expect(page.locator("#closed-trades tbody td[data-label='PnL, USD']").first).to_be_visible()
    assert page.locator("body").evaluate(CUT_OFF) == []


def test_menus_and_dialogs(ada: Watched) -> None:
    page = ada.page
    page.locator("#account-menu summary").click()
    wrong = look(page, "menu", full=False)
    page.get_by_role("button", name="Activity").click()
    expect(page.get_by_role("dialog", name="Activity")).to_contain_text("Nothing yet.")
    wrong += violations(page)
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert not wrong, "\n".join(wrong)


def test_everything_is_reached_by_the_keyboard(ada: Watched) -> None:
    page = ada.page
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the panel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#frames")).to_be_focused()
    for letter, panel in (("t", "trades"), ("o", "logs"), ("a", "account"), ("s", "status")):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        expect(page.locator(f"iframe[data-panel={panel}]")).to_be_visible()
        expect(page.locator(f"nav a[data-open={panel}]")).to_have_attribute("aria-current", "page")
    page.keyboard.press("?")
    shortcuts = page.get_by_role("dialog", name="Shortcuts")
    expect(shortcuts).to_be_visible()
    wrong = violations(page)
    page.keyboard.press("Escape")
    expect(shortcuts).to_be_hidden()

    page.goto("/")
    assert "Kill" in tab_until(page, "act-kill")
    page.keyboard.press("Enter")
    expect(page.locator("#confirm-dialog[open]").get_by_role("link", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    assert not wrong, "\n".join(wrong)


def test_shortcuts_work_from_inside_a_panel(ada: Watched) -> None:
    page = ada.page
    page.goto("/?panel=trades")
    frame = panel_frame(page, "trades")
    page.keyboard.press("/")
    expect(frame.locator("#symbol")).to_be_focused()
    page.keyboard.type("g s/?")  # typing is typing
    expect(frame.locator("#symbol")).to_have_value("g s/?")
    frame.get_by_role("heading", name="Closed").click()
    page.keyboard.press("/")
    expect(frame.locator("#symbol")).to_be_focused()
    frame.get_by_role("heading", name="Closed").click()
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.locator("iframe[data-panel=logs]")).to_be_visible()


def test_figures_refresh_in_place_and_leave_the_focus_alone(ada: Watched) -> None:
    page = ada.page
    page.goto("/")
    frame = panel_frame(page, "status")
    frame.evaluate("window.loadedOnce = true")
    page.evaluate("window.loadedOnce = true")
    region = frame.get_by_role("region", name="Open trades").or_(frame.get_by_role("region", name="Bot")).first
    region.focus()
    path = "document.activeElement.getAttribute('aria-label') || document.activeElement.tagName"
    focused = frame.evaluate(path)
    seen = set()

    def refreshed() -> bool:
        look_again(page)
        seen.add((frame.locator("#freshness time").get_attribute("datetime"), frame.locator("#figures-1").inner_text()))
        return len({figures for _, figures in seen}) >= 3

    wait_for(refreshed, 30, lambda: str(seen))
    assert frame.evaluate(path) == focused
    assert frame.evaluate("window.loadedOnce")
    assert page.evaluate("window.loadedOnce")


def test_updates_can_be_paused(ada: Watched) -> None:
    page = ada.page
    frame = panel_frame(page, "status")
    frame.get_by_role("button", name="pause", exact=True).click()
    resume = frame.get_by_role("button", name="updates paused, resume")
    expect(resume).to_be_visible()
    shown = frame.locator("#freshness time").get_attribute("datetime")
    before = journey.status(page)["as_of"]
    wait_for(lambda: journey.status(page)["as_of"] != before)
    look_again(page)
    assert frame.locator("#freshness time").get_attribute("datetime") == shown
    resume.click()
    expect(frame.locator("#freshness time")).not_to_have_attribute("datetime", shown or "")


def test_the_plot_is_drawn_as_soon_as_there_is_a_curve(ada: Watched) -> None:
    page = ada.page
    frame = panel_frame(page, "status")
    wait_for(lambda: len(page.request.get("/status/api/equity").json()["items"]) > 1, 60)
    look_again(page)
    expect(frame.locator("[data-plot=equity] canvas")).to_be_visible()


def test_the_log_follows_its_end(ada: Watched) -> None:
    page = ada.page
    page.goto("/logs/?name=system")
    lines = page.locator("#lines tbody tr")
    first = lines.count()
    expect(page.locator("[data-tail-words]")).to_have_text("Live")
    wait_for(lambda: lines.count() > first, 40, lambda: f"{first} lines and no more")
    page.locator("#text").fill("no line says this")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("No line matches")).to_be_visible()


def test_a_theme_is_kept_and_reaches_the_panels(ada: Watched, visit: Visit, trading: Launched) -> None:
    page = ada.page
    page.locator("#account-menu summary").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    frame = panel_frame(page, "status")
    expect(frame.locator("html")).to_have_attribute("data-theme", "dark")
    dark = ground(page)
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert ground(page) == dark == ground(panel_frame(page, "status"))
    assert dark != ground(visit(signed_in=True).page)


def test_the_address_names_the_panel(ada: Watched) -> None:
    page = ada.page
    page.goto("/")
    page.locator("nav a[data-open=logs]").click()
    expect(page).to_have_url(re.compile(r"panel=logs"))
    page.go_back()
    expect(page.locator("iframe[data-panel=status]")).to_be_visible()


def tab_until(page: Tab, name: str, most: int = 40) -> str:
    """Press Tab until the focused element has the class; return its text."""
    for _ in range(most):
        page.keyboard.press("Tab")
        classes, text = page.evaluate("[document.activeElement.className, document.activeElement.textContent]")
        if name in classes.split():
            return text
    raise AssertionError(f"{name} is not reached in {most} steps")


def ground(frame: Tab | Frame) -> str:
    return frame.evaluate("getComputedStyle(document.body).backgroundColor")
