from __future__ import annotations

import re
from typing import Any

import pytest

from tbot_bot.api.journal import AskJournal, JournalPage, TrialBalance
from tbot_bot.api.permissions import Role
from tests.unit.web.canned import CannedRunner
from tests.unit.web.pages import Browser
from tests.unit.web_dashboard import canned_journal
from tests.unit.web_dashboard.canned_journal import COUNT
from tests.unit.web_dashboard.test_pages import BROKEN


def shown(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'<tbody id="txn-(\d+)"', page)]


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("auditor", 200), ("operator", 403), ("viewer", 403)])
def test_administrators_and_auditors_read_it(runner: CannedRunner, web: Any, role: str, status: int) -> None:
    browser = web.browser(tbot_session=runner.sign_in(Role(role)))
    for address in ("/audit/journal/", "/audit/journal/api", "/audit/journal/api/balance"):
        assert browser.get(address).status_code == status, address


def test_a_transaction_shows_its_entries_proof_and_cause(admin: Browser) -> None:
    page = admin.get("/audit/journal/").text
    assert shown(page) == list(range(COUNT, COUNT - 50, -1))
    newest = page[page.index(f'id="txn-{COUNT}"') : page.index(f'id="txn-{COUNT - 1}"')]
    for part in (
        "7,412.5500",
        "0.4925",
        "7,413.0425",
        "bought 98 SPY",
        f"fill E-{COUNT}",
        "event 71, fill from broker",
    ):
        assert part in newest, part
    assert 'href="/trades/T-20101119-0008"' in newest
    assert newest.count("7,413.0425") == 3  # the credit, and both sums
    assert "debits equal credits" in page
    older = re.findall(r'href="(/audit/journal/\?cursor=\d+)"', page)
    assert shown(admin.get(older[0]).text) == list(range(COUNT - 50, 0, -1))


def test_the_filter_stands_in_the_address(runner: CannedRunner, admin: Browser) -> None:
    page = admin.get("/audit/journal/?account=3.10&book=strategy&from_day=2010-11-19&to_day=2010-11-19").text
    asked = next(params for name, _, params in reversed(runner.calls) if name == "journal.list")
    assert asked == AskJournal(
        account="3.10", book="strategy", from_day="2010-11-19", to_day="2010-11-19", cursor=None, limit=50
    )
    assert shown(page) == [1]
    assert 'value="3.10"' in page
    assert "No transaction matches" in admin.get("/audit/journal/?account=9").text


@pytest.mark.parametrize("query", ["account=x", "book=other", "from_day=yesterday", "cursor=-1", "limit=0"])
def test_what_cannot_be_a_filter_is_refused(admin: Browser, query: str) -> None:
    assert admin.poll(f"/audit/journal/api?{query}").status_code == 400
    assert admin.get(f"/audit/journal/?{query}").status_code == 400


def test_what_does_not_balance_is_said(runner: CannedRunner, admin: Browser) -> None:
    wrong = canned_journal.row(1).model_copy(update={"entries": canned_journal.row(1).entries[:1]})
    runner.special["journal.list"] = lambda *_: JournalPage(items=[wrong])
    runner.special["journal.balance"] = lambda *_: canned_journal.balance(balanced=False)
    assert admin.get("/audit/journal/").text.count("debits and credits differ") == 2


def test_one_part_that_fails_leaves_the_other(runner: CannedRunner, admin: Browser) -> None:
    runner.special["journal.balance"] = BROKEN
    page = admin.get("/audit/journal/").text
    assert "The books could not be read" in page
    assert shown(page)


def test_for_programs(admin: Browser) -> None:
    found = JournalPage.model_validate_json(admin.poll("/audit/journal/api?limit=2").content)
    assert ([one.txn_id for one in found.items], found.next) == ([COUNT, COUNT - 1], str(COUNT - 1))
    assert TrialBalance.model_validate_json(admin.poll("/audit/journal/api/balance").content).balanced
