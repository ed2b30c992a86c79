"""From the printed address to a trade on the dashboard, as a person goes; every page looked at on the way."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser import journey
from tests.browser.conftest import Visit
from tests.browser.launched import Launched
from tests.browser.watched import SCREENSHOTS, look, violations
from tests.support.running import PASSWORD, wait_for

pytestmark = pytest.mark.browser
#: The browser names the document itself as a failed resource when a form comes back with messages.
REFUSED_FORM = "Failed to load resource: the server responded with a status of (400|401|422)"


def test_the_whole_way(running: Launched, visit: Visit) -> None:
    ada = visit()
    page = ada.page
    wrong: list[str] = []

    # without the token the page only asks for it, and a wrong one opens nothing
    setup = running.setup_address()
    page.goto(running.base)
    expect(page.get_by_role("heading", name="The setup token is asked for first")).to_be_visible()
    expect(page.locator("form.settings")).to_have_count(0)
    with ada.excusing(REFUSED_FORM):
        page.goto(f"{running.base}/configuration?setup=wrong-token")
        expect(page.get_by_role("alert")).to_be_visible()
        wrong += look(page, "setup-token")

    # the printed address opens the form and leaves no token in the address bar
    page.goto(setup)
    assert page.url == f"{running.base}/configuration"
    wrong += look(page, "configuration-first")

    # a refused form says so at the field and keeps what was typed
    with ada.excusing(REFUSED_FORM):
        page.locator("[name=BOT_ID]").fill("no spaces allowed")
        page.locator("[name=SIM_SEED]").fill("4711")
        page.get_by_role("button", name="Save and set up the bot").click()
        expect(page.locator("[name=BOT_ID]")).to_have_attribute("aria-invalid", "true")
        expect(page.locator("[name=BOT_ID]")).to_be_focused()
        expect(page.locator("[name=BOT_ID]")).to_have_value("no spaces allowed")
        expect(page.locator("[name=SIM_SEED]")).to_have_value("4711")
        wrong += look(page, "configuration-refused")

    page.locator("[name=BOT_ID]").fill("042")
    page.locator("[name=SIM_SEED]").fill("7")
    page.locator("[name=SIM_SPEED]").fill("300")
    page.get_by_role("button", name="Save and set up the bot").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    wrong += [f"wait: {found}" for found in violations(page)]
    page.screenshot(path=SCREENSHOTS / "wait-light-1440.png", full_page=True)
    page.wait_for_url("**/register", timeout=60_000)
    wrong += look(page, "register")

    with ada.excusing(REFUSED_FORM):
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Mail address").fill("not an address")
        page.get_by_label("Password", exact=True).fill("short")
        page.get_by_label("Password again").fill("other")
        page.get_by_role("button", name="Register the administrator").click()
        expect(page.locator("[aria-invalid=true]").first).to_be_focused()
        expect(page.get_by_label("Username")).to_have_value("ada")
        expect(page.get_by_label("Password", exact=True)).to_have_value("")
        wrong += look(page, "register-refused")

    codes = journey.register(page)
    assert len(set(codes)) == len(codes) >= 8
    wrong += look(page, "recovery-codes")

    page.get_by_role("link", name="I have kept them: sign in").click()
    wrong += look(page, "login")
    with ada.excusing(REFUSED_FORM):
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Password").fill("not the password")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_label("Username")).to_have_value("ada")
        wrong += look(page, "login-refused")

    # what the setup token opened is gone for good
    for address in ("/register", "/configuration?setup=anything"):
        with ada.excusing("404"):
            page.goto(running.base + address)
        expect(page.locator("form.settings, [name=confirm_password]")).to_have_count(0)

    journey.sign_in(page, running.base, PASSWORD)
    expect(page.locator("#identity")).to_have_text("RIGD_US_SIM_042")
    wrong += look(page, "main-stopped", full=False)
    journey.start_trading(page)
    journey.wait_for_positions(page)
    panel = page.frame_locator("iframe[data-panel=status]")
    expect(panel.locator("#open-trades tbody tr").first).to_be_visible(timeout=30_000)
    expect(page.locator("#controls .act-kill")).to_have_text(re.compile(r"Kill: flatten \d+ position"))
    assert wait_for(lambda: journey.bot(page)["last_trade_id"], 30)
    assert not wrong, "\n".join(wrong)
