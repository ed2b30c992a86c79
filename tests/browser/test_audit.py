"""The audit page in the console: verified beside the bot, narrowed, read record by record, exported."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.browser.launched import Launched
from tests.browser.watched import Watched, look, panel_frame

pytestmark = pytest.mark.browser


def test_the_trail_is_verified_read_and_exported(ada: Watched, registered: Launched) -> None:
    page = ada.page
    page.goto("/?panel=audit")
    panel = panel_frame(page, "audit")
    panel.get_by_role("button", name="Verify all").click()
    expect(panel.locator("#check")).to_contain_text("as it was written", timeout=60_000)
    expect(panel.locator("#check")).to_contain_text("every hash, seal, checkpoint and key")

    page.goto("/audit/?verb=user.create")
    expect(page.locator("#records tbody tr")).to_have_count(2)
    wrong = look(page, "audit")
    page.locator("#records tbody a").first.click()
    expect(page.get_by_role("heading", name="Before and after")).to_be_visible()
    expect(page.locator("tr.here")).to_contain_text("user.create")
    expect(page.get_by_role("region", name="Records of this request").locator("tbody tr")).to_have_count(2)
    wrong += look(page, "audit-record")

    page.goto("/audit/?actor=nobody")
    expect(page.get_by_text("No record matches")).to_be_visible()
    page.get_by_role("link", name="Show all").first.click()
    with page.expect_download() as started:
        page.get_by_role("link", name="JSON").click()
    exported = json.loads(started.value.path().read_text())
    seqs = [one["item"]["seq"] for one in exported["items"]]
    assert seqs == list(range(seqs[0], 0, -1))
    page.reload()
    expect(page.locator("#records tbody tr").first).to_contain_text("audit.export")

    page.goto("/audit/journal/")
    expect(page.get_by_text("debits equal credits", exact=True)).to_be_visible()
    expect(page.locator("#txn-1")).to_contain_text("Contributed capital")
    wrong += look(page, "journal")
    assert not wrong, "\n".join(wrong)
