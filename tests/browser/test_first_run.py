"""From the printed address to a trade on the dashboard, as a person goes; every page looked at on the way."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser import journey
from tests.browser.conftest import Visit
from tests.browser.launched import Launched
from tests.browser.watched import Watched, glance, look

pytestmark = pytest.mark.browser
#: The browser names the document itself as a failed resource when a form comes back with messages.
REFUSED_FORM = "Failed to load resource: the server responded with a status of (400|401|422)"


def test_the_whole_way(running: Launched, visit: Visit) -> None:
    ada = visit()
    wrong = ask_for_the_token(ada, running.setup_address())
    wrong += configure(ada)
    wrong += register(ada)
    wrong += sign_in(ada)
    what_the_token_opened_is_gone(ada)
    wrong += trade(ada)
    assert not wrong, "\n".join(wrong)


def ask_for_the_token(ada: Watched, setup: str) -> list[str]:
    """Without the token the page only asks for it; a wrong one opens nothing; the right one leaves the address bar."""
    page = ada.page
    page.goto("/")
    expect(page.get_by_role("heading", name="The setup token is asked for first")).to_be_visible()
    expect(page.locator("form.settings")).to_have_count(0)
    with ada.excusing(REFUSED_FORM):
        page.goto("/configuration?setup=wrong-token")
        expect(page.get_by_role("alert")).to_be_visible()
        wrong = look(page, "setup-token")
    page.goto(setup)
    assert page.url == f"{ada.base}/configuration"
    return wrong + look(page, "configuration-first")


def configure(ada: Watched) -> list[str]:
    """A refused form says so at the field and keeps what was typed; a good one leads to the wait and on."""
    page = ada.page
    save = page.get_by_role("button", name="Save and set up the bot")
    with ada.excusing(REFUSED_FORM):
        page.locator("[name=BOT_ID]").fill("no spaces allowed")
        page.locator("[name=SIM_SPEED]").fill("600")
        save.click()
        expect(page.locator("[name=BOT_ID]")).to_have_attribute("aria-invalid", "true")
        expect(page.locator("[name=BOT_ID]")).to_be_focused()
        expect(page.locator("[name=BOT_ID]")).to_have_value("no spaces allowed")
        expect(page.locator("[name=SIM_SPEED]")).to_have_value("600")
        wrong = look(page, "configuration-refused")
    page.locator("[name=BOT_ID]").fill("042")
    save.click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    wrong += glance(page, "wait")
    page.wait_for_url("**/register", timeout=60_000)
    return wrong + look(page, "register")


def register(ada: Watched) -> list[str]:
    """Mistakes are named and passwords not sent back; then the codes are shown."""
    page = ada.page
    with ada.excusing(REFUSED_FORM):
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Mail address").fill("not an address")
        page.get_by_label("Password", exact=True).fill("short")
        page.get_by_label("Password again").fill("other")
        page.get_by_role("button", name="Register the administrator").click()
        expect(page.locator("[aria-invalid=true]")).to_have_count(3)
        expect(page.locator("[aria-invalid=true]").first).to_be_focused()
        expect(page.get_by_label("Username")).to_have_value("ada")
        expect(page.get_by_label("Password", exact=True)).to_have_value("")
        wrong = look(page, "register-refused")
    codes = journey.register(page)
    assert len(set(codes)) == len(codes) >= 8
    return wrong + look(page, "recovery-codes")


def sign_in(ada: Watched) -> list[str]:
    """From the codes to the login page; a wrong password says so and keeps the name."""
    page = ada.page
    page.get_by_role("link", name="I have kept them: sign in").click()
    wrong = look(page, "login")
    with ada.excusing(REFUSED_FORM):
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Password").fill("not the password")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_label("Username")).to_have_value("ada")
        return wrong + look(page, "login-refused")


def what_the_token_opened_is_gone(ada: Watched) -> None:
    for address in ("/register", "/configuration?setup=anything"):
        with ada.excusing("status of 404"):
            ada.page.goto(address)
        expect(ada.page.locator("form.settings, [name=confirm_password]")).to_have_count(0)


def trade(ada: Watched) -> list[str]:
    """Start, and see the first trade on the dashboard."""
    page = ada.page
    journey.sign_in(page, ada.base)
    expect(page.locator("#identity")).to_have_text("RIGD_US_SIM_042")
    wrong = look(page, "main-stopped", full=False)
    journey.start_trading(page)
    journey.wait_for_positions(page)
    panel = page.frame_locator("iframe[data-panel=status]")
    expect(panel.locator("#open-trades tbody tr").first).to_be_visible(timeout=30_000)
    expect(page.locator("#controls .act-kill")).to_have_text(
        re.compile(r"Kill: flatten \d+ position"), use_inner_text=True
    )
    return wrong
