"""A damaged home in the browser: the start page asks for the token, the desk restores, and one signs in as always."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import journey
from tests.browser.launched import Launched, launched
from tests.browser.watched import Watched, look
from tests.support.running import wait_for

pytestmark = pytest.mark.browser


def test_from_a_flipped_byte_back_to_the_console(registered: Launched, browser: Browser) -> None:
    one = Watched(browser, registered.base)
    journey.sign_in(one.page, registered.base)
    one.page.goto("/backups/")
    one.page.get_by_role("button", name="Make a snapshot now").click()
    expect(one.page.get_by_role("status").filter(has_text="A snapshot was made")).to_be_visible()
    one.close()
    assert registered.end() == 0
    victim = registered.home / "storage" / "current" / "secrets" / "smtp.json.enc"
    content = bytearray(victim.read_bytes())
    content[-9] ^= 1
    victim.write_bytes(content)
    with launched(Launched(registered.home)) as running:
        repaired(running, browser)


def repaired(running: Launched, browser: Browser) -> None:
    running.ready()
    wait_for(lambda: any("/recovery/?setup=" in line for line in running.lines), 60, lambda: "\n".join(running.lines))
    watched = Watched(browser, running.base)
    page = watched.page
    with watched.excusing("status of 503", "status of 401"):
        page.goto("/")
        expect(page.get_by_role("heading", name="is damaged and was not opened").last).to_be_visible()
        wrong = look(page, "damaged")
        page.get_by_label("Recovery token").fill("a guess")
        page.get_by_role("button", name="Open the recovery").click()
        expect(page.get_by_role("alert").filter(has_text="The setup token was refused")).to_be_visible()
        page.get_by_label("Recovery token").fill((running.home / "control" / "setup_token").read_text().strip())
        page.get_by_role("button", name="Open the recovery").click()
    expect(page.get_by_role("heading", name="What was found")).to_be_visible()
    expect(page.locator(".findings")).to_contain_text("smtp.json.enc")
    wrong += look(page, "recovery")
    page.get_by_role("button", name="Verify the snapshot of").first.click()
    expect(page.locator("#checked")).to_contain_text("is as it was written")
    page.get_by_role("link", name="Restore the snapshot of").first.click()
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_label("Your password again")).to_have_count(0)
    wrong += look(page, "recovery-restore")
    page.get_by_label("Reason, kept in the audit trail").fill("a flipped byte")
    with watched.excusing("Failed to load resource"):
        page.locator("form .danger").click()
        expect(page.get_by_role("heading", name="The control process starts again")).to_be_visible()
        page.wait_for_url("**/login**", timeout=60_000)
    wait_for(lambda: any("RIGD TradeBot is up" in line for line in running.lines), 60, lambda: "\n".join(running.lines))
    page.get_by_label("Username").fill(journey.USERNAME)
    page.get_by_label("Password").fill(journey.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Backups", exact=True)).to_be_visible()
    watched.close()
    assert watched.faults == []
    assert not wrong, "\n".join(wrong)
