from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import httpx2
import pytest

from tbot_bot.api.audit import AskAudit, AskAuditExport, AuditPage, AuditVerification
from tbot_bot.api.errors import ApiError, not_allowed
from tbot_bot.api.permissions import Permission, Role
from tbot_web.support import audit_export, audit_view
from tests.unit.web.canned import CannedRunner
from tests.unit.web.pages import Browser
from tests.unit.web_dashboard import canned_audit
from tests.unit.web_dashboard.canned_audit import CHANGE, COUNT


def asked(runner: CannedRunner) -> Any:
    return next(params for name, _, params in reversed(runner.calls) if name == "audit.list")


def links(page: str) -> list[int]:
    return [int(seq) for seq in re.findall(r'href="/audit/(\d+)"', page)]


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("auditor", 200), ("operator", 403), ("viewer", 403)])
def test_administrators_and_auditors_read_it(runner: CannedRunner, web: Any, role: str, status: int) -> None:
    browser = web.browser(tbot_session=runner.sign_in(Role(role)))
    for address in ("/audit/", "/audit/7", "/audit/api", "/audit/api/7"):
        assert browser.get(address).status_code == status, address
    assert ('data-panel="audit"' in browser.get("/").text) is (status == 200)


def test_the_newest_come_first_and_older_ones_by_pages(admin: Browser) -> None:
    page = admin.get("/audit/").text
    assert links(page) == list(range(COUNT, COUNT - 50, -1))
    older = re.findall(r'href="(/audit/\?cursor=\d+)"', page)
    assert links(admin.get(older[0]).text)[:1] == [COUNT - 50]
    first = AuditPage.model_validate_json(admin.poll("/audit/api?limit=2").content)
    assert ([one.seq for one in first.items], first.next) == ([COUNT, COUNT - 1], str(COUNT - 1))


def test_each_end_has_its_mark_and_word(admin: Browser) -> None:
    page = admin.get("/audit/").text
    for kind, word in (("ok", "ok"), ("warn", "refused"), ("bad", "failed")):
        assert re.search(rf'class="mark mark-{kind}".*?<span>{word}</span>', page, re.DOTALL)
    assert ">asked</span>" in page


def test_the_filter_stands_in_the_address_and_goes_along(runner: CannedRunner, admin: Browser) -> None:
    query = "actor=runner&verb=lifecycle.move&phase=event&result=ok&target=id&since=2026-11-22T07:00&until=2026-11-23"
    page = admin.get(f"/audit/?{query}").text
    assert asked(runner) == AskAudit(
        actor="runner", verb="lifecycle.move", phase="event", result="ok", target="id",
        since="2026-11-22T07:00:00Z", until="2026-11-23T00:00:00Z", limit=50,
    )  # fmt: skip
    for shown in ('value="runner"', 'value="2026-11-22T07:00"', 'value="2026-11-23T00:00"', "Show all"):
        assert shown in page
    older = re.findall(r'href="/audit/(\?[^"]*cursor=[^"]*)"', page)[0].replace("&amp;", "&")
    admin.get("/audit/" + older)
    assert asked(runner).model_dump(exclude={"cursor"}) == AskAudit.model_validate(
        {"actor": "runner", "verb": "lifecycle.move", "phase": "event", "result": "ok", "target": "id",
         "since": "2026-11-22T07:00:00Z", "until": "2026-11-23T00:00:00Z", "limit": 50}
    ).model_dump(exclude={"cursor"})  # fmt: skip
    assert "No record matches" in admin.get("/audit/?actor=nobody").text


@pytest.mark.parametrize(
    "query", ["since=yesterday", "until=2026-13-01", "phase=before", "result=good", "cursor=-1", "limit=0"]
)
def test_what_cannot_be_a_filter_is_refused(admin: Browser, query: str) -> None:
    assert admin.poll(f"/audit/api?{query}").status_code == 400


def test_a_change_is_shown_side_by_side_with_its_intent(admin: Browser) -> None:
    page = admin.get(f"/audit/{COUNT}").text
    assert "<del>mail.example.org</del>" in page
    assert "<ins>&lt;b&gt;relay&lt;/b&gt;</ins>" in page
    assert '<span class="muted">same</span>' in page
    assert links(page) == [COUNT - 1]
    assert f'href="/audit/?request_id={CHANGE}"' in page
    for shown in ("192.0.2.7", "the old host is switched off", "5f" * 32, "state idle"):
        assert shown in page
    assert "What it changed stands in its outcome" in admin.get(f"/audit/{COUNT - 1}").text
    assert "It stands alone" in admin.get("/audit/5").text


def test_a_record_that_is_not_there(admin: Browser) -> None:
    for seq in (COUNT + 1, 0, 10**30):
        assert admin.get(f"/audit/{seq}").status_code == 404


def test_changes_are_told_field_by_field() -> None:
    found = audit_view.changes({"a": "1", "b": {"c": 1, "d": []}, "e": "x"}, {"a": "1", "b": {"c": 2}, "f": None})
    assert [(one.name, one.before, one.after) for one in found] == [
        ("b.c", "1", "2"),
        ("b.d", "[]", None),
        ("e", "x", None),
        ("f", None, "null"),
        ("a", "1", "1"),
    ]
    assert audit_view.changes(None, None) == []


def test_a_verification_is_begun_followed_and_told(runner: CannedRunner, admin: Browser) -> None:
    assert "All 120 records up to 120" in admin.get("/audit/").text
    runner.special["audit.verification"] = lambda *_: canned_audit.running()
    sent = admin.send("/audit/verify", {}, seen_on="/audit/")
    assert (sent.status_code, sent.headers["Location"]) == (303, "/audit/")
    page = admin.get("/audit/").text
    assert "40,000 of 1,000,000 records" in page
    assert '<progress value="40000" max="1000000"' in page
    assert "data-running" in page
    shown = AuditVerification.model_validate_json(admin.poll("/audit/api/verify").content)
    assert (shown.running, shown.checked) == (True, 40_000)
    begun = admin.post("/audit/api/verify", X_CSRFToken=admin.token("/audit/"), Idempotency_Key="verify-0001")
    assert AuditVerification.model_validate_json(begun.content).running
    assert [caller.request_id for name, caller, _ in runner.calls if name == "audit.verify"][-1] == "verify-0001"


def test_a_finding_names_the_first_wrong_place(runner: CannedRunner, admin: Browser) -> None:
    runner.special["audit.verification"] = lambda *_: canned_audit.verification(last=canned_audit.BROKEN)
    page = admin.get("/audit/").text
    assert "First wrong place: record 17. Entry 17 is not what was written there" in page
    assert "mark-bad" in page
    runner.special["audit.verification"] = lambda *_: canned_audit.verification(last=None)
    assert "Nobody has asked for it yet" in admin.get("/audit/").text
    runner.special["audit.verification"] = lambda *_: canned_audit.verification(trouble="It ended early.", last=None)
    assert "It ended early." in admin.get("/audit/").text


def test_what_is_shown_is_exported_whole_and_safe_to_open(runner: CannedRunner, admin: Browser) -> None:
    answer = admin.get("/audit/export?format=csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit.csv"'
    head, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    assert head == list(audit_export.COLUMNS)
    assert [int(one[0]) for one in rows] == list(range(COUNT, 0, -1))
    assert rows[2][head.index("actor")] == "'=cmd|' /C calc'!A0"
    assert json.loads(rows[0][head.index("after")])["SMTP_HOST"] == "<b>relay</b>"
    pages = [(caller, asked) for name, caller, asked in runner.calls if name == "audit.export"]
    assert [asked.cursor for _, asked in pages] == [None, str(COUNT - 49), str(COUNT - 99)]
    assert len({caller.request_id for caller, _ in pages}) == 1


def test_an_export_keeps_to_the_filter(runner: CannedRunner, admin: Browser) -> None:
    link = re.findall(r'href="(/audit/export[^"]+format=json)"', admin.get("/audit/?actor=ada").text)
    answer = admin.get(link[0].replace("&amp;", "&"))
    assert answer.headers["Content-Type"] == "application/json"
    assert [one["item"]["seq"] for one in answer.json()["items"]] == [COUNT, COUNT - 1]
    assert json.loads(admin.get("/audit/export?format=json&actor=nobody").text) == {"items": []}
    lines = admin.get("/audit/export?format=md&actor=ada").text.splitlines()
    assert len(lines) == 4
    assert r"\<b\>relay\</b\>" in lines[2]
    assert all(re.findall(r"(?<!\\)\|", line) == ["|"] * (len(audit_export.COLUMNS) + 1) for line in lines)
    assert admin.get("/audit/export?format=pdf").status_code == 400
    runner.special["audit.export"] = not_allowed(Permission.AUDIT_VIEW)
    assert admin.get("/audit/export?format=csv").status_code == 403


def test_an_export_that_breaks_off_does_not_look_whole(runner: CannedRunner, admin: Browser) -> None:
    def first_page_only(caller: Any, asked: AskAuditExport) -> Any:
        if asked.cursor:
            raise ApiError.of(503, "audit_unavailable", "The audit log is not available")
        return canned_audit.export(caller, asked)

    runner.special["audit.export"] = first_page_only
    with pytest.raises(httpx2.RemoteProtocolError):
        admin.get("/audit/export?format=csv")


def test_each_anchor_shows_how_far_it_goes_and_what_is_wrong(runner: CannedRunner, admin: Browser) -> None:
    page = admin.get("/audit/").text
    assert "/mnt/anchor/bot.jsonl" in page
    assert "48 s" in page
    assert "This machine has no such journal." in page
    runner.special["audit.verification"] = lambda *_: canned_audit.verification(anchors=[])
    assert "No anchor is configured" in admin.get("/audit/").text
