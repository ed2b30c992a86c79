"""The backups page in the console: make, verify, and an older generation restored as a new one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Frame, Page, expect

from tests.browser import journey
from tests.browser.launched import Launched
from tests.browser.watched import Watched, look, panel_frame
from tests.support.running import PASSWORD, wait_for

pytestmark = pytest.mark.browser


def test_a_generation_comes_back_as_a_new_one(ada: Watched, registered: Launched) -> None:
    page = ada.page
    panel = opened(page)
    before = generation(panel)
    panel.get_by_label("Reason, if there is one").fill("before the change")
    panel.get_by_role("button", name="Make a snapshot now").click()
    expect(panel.get_by_role("status").filter(has_text="A snapshot was made")).to_be_visible()
    panel.get_by_role("button", name="Verify the snapshot of").first.click()
    expect(panel.locator("#checked")).to_contain_text("is as it was written")
    wrong = look(page, "backups", full=False)

    assert not mail_password_is_set(page)
    change_mail_password(page)
    assert mail_password_is_set(page)
    panel = opened(page)
    assert generation(panel) == before + 1
    panel.get_by_role("link", name=f"Restore generation {before} of").click()
    button = panel.get_by_role("button", name=f"Restore keys and secrets from generation {before} of")
    expect(button).to_be_visible()
    wrong += look(page, "backups-restore", full=False)
    panel.get_by_label("Reason, kept in the audit trail").fill("to see it work")
    panel.get_by_label("Your password again").fill(PASSWORD)
    with ada.excusing(r"Failed to load resource", r"foreign request"):
        button.click()
        expect(page.get_by_role("heading", name="The control process starts again")).to_be_visible()
        wrong += look(page, "comeback")
        expect(page.get_by_role("heading", name="Backups", exact=True)).to_be_visible(timeout=60_000)
    assert int(page.locator("#figures .figure-value").first.inner_text()) == before + 2
    assert not wrong, "\n".join(wrong)
    assert not mail_password_is_set(page)
    done = {record["verb"]: record for record in audit_trail(registered) if record["result"] == "ok"}
    assert done["configuration.change"]["generation"] == before + 1
    assert done["configuration.change"]["after"]["SMTP_PASSWORD"] == "changed"
    assert done["backups.restore"]["detail"]["why"] == "to see it work"
    assert done["rotation.commit"]["generation"] == before + 2
    assert "backups.make" in done


def opened(page: Page) -> Frame:
    """The panel in the console."""
    page.goto("/?panel=backups")
    return panel_frame(page, "backups")


def generation(panel: Frame) -> int:
    return int(panel.locator("#figures .figure-value").first.inner_text())


def change_mail_password(page: Page) -> None:
    """Change a credential as a person does."""
    page.goto("/configuration")
    card = page.locator("[data-category=smtp]")
    for name, value in {
        "SMTP_HOST": "mail.example.org",
        "SMTP_USER": "bot",
        "SMTP_PASSWORD": "a password of the mail server",
        "SMTP_FROM": "bot@example.org",
    }.items():
        card.locator(f"[name={name}]").fill(value)
    card.get_by_role("button", name="Review the change").click()
    page.get_by_role("button", name="Save the change of").click()
    expect(page.locator(".notice")).to_contain_text("Saved: generation")


def mail_password_is_set(page: Page) -> bool:
    page.goto("/configuration")
    placeholder = page.locator("[name=SMTP_PASSWORD]").get_attribute("placeholder") or ""
    return placeholder.startswith("set;")


def audit_trail(running: Launched) -> list[dict[str, Any]]:
    database = running.home / "storage" / "AUDIT.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as audit:
        return [json.loads(body) for (body,) in audit.execute("SELECT body FROM entry ORDER BY seq")]


def test_purge_says_what_it_destroys(ada: Watched) -> None:
    panel = opened(ada.page)
    panel.get_by_role("link", name="Purge older generations").click()
    expect(panel.get_by_label("Oldest generation to keep")).to_be_visible()
    panel.get_by_label("Oldest generation to keep").select_option("1")
    panel.get_by_role("button", name="Show what would be destroyed").click()
    expect(panel.get_by_role("button", name="Purge everything before generation 1")).to_be_visible()
    wrong = look(ada.page, "backups-purge", full=False)
    panel.get_by_label("Reason, kept in the audit trail").fill("a revoked key")
    panel.get_by_label("Type RIGD_US_SIM_001 to confirm").fill("RIGD_US_SIM_001")
    panel.get_by_label("Your password again").fill(PASSWORD)
    panel.get_by_role("button", name="Purge everything before generation 1").click()
    expect(panel.get_by_role("status").filter(has_text="Destroyed: 1 generation and")).to_be_visible()
    wait_for(lambda: journey.bot(ada.page)["state"] == "stopped")
    assert not wrong, "\n".join(wrong)
