"""The steps that a person takes in the browser, from the printed address to a trading bot."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.launched import Launched
from tests.support.running import PASSWORD, wait_for

USERNAME = "ada"


def configure(page: Page, running: Launched, **values: str) -> None:
    """Open the printed address, fill in what differs from the defaults, save, and wait for the set-up."""
    page.goto(running.setup_address())
    for name, value in values.items():
        page.locator(f"[name={name}]").fill(value)
    page.get_by_role("button", name="Save and set up the bot").click()
    page.wait_for_url("**/register", timeout=60_000)


def register(page: Page) -> list[str]:
    """Make the first administrator; return the recovery codes."""
    page.get_by_label("Username").fill(USERNAME)
    page.get_by_label("Mail address").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Register the administrator").click()
    expect(page.get_by_role("heading", name="Recovery codes", exact=True)).to_be_visible()
    return page.locator("#codes code").all_inner_texts()


def sign_in(page: Page, base: str, password: str = PASSWORD, username: str = USERNAME) -> None:
    """Sign in and see the console."""
    page.goto(f"{base}/login")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#shell")).to_be_visible()


def ask_for(page: Page, act: str) -> Locator:
    """Press an act's button on the control bar; return the dialog that asks."""
    expect(page.locator("[data-theme-choice][aria-pressed=true]")).to_have_count(1)  # the console's scripts have run
    page.locator(f"#controls .act-{act}").click()
    dialog = page.locator("#confirm-dialog[open]")
    expect(dialog.locator("h1")).to_be_visible()
    return dialog


def confirm(dialog: Locator) -> None:
    """Say yes."""
    dialog.locator("form .actions button").click()
    expect(dialog).to_be_hidden()


def status(page: Page) -> dict[str, Any]:
    """The status document as the portal gives it to this person."""
    answer = page.request.get("/status/api", headers={"X-Poll": "1"})
    assert answer.ok, answer.text()
    return answer.json()


def bot(page: Page) -> dict[str, Any]:
    """The one bot's row of the status document."""
    return status(page)["bots"][0]


def start_trading(page: Page) -> None:
    """Press Start, confirm, and wait until the bot may trade."""
    confirm(ask_for(page, "start"))
    wait_for(lambda: bot(page)["state"] not in {"stopped", "started"}, 30, lambda: str(status(page)))


def wait_for_positions(page: Page) -> None:
    """Wait until the strategies hold something."""
    wait_for(lambda: bot(page)["open_positions"], 60, lambda: str(status(page)))
