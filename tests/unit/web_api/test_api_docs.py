"""The page of the reference: everything in the document is on it, and it can be searched."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from tbot_bot.api.permissions import Role
from tbot_web.support.api_view import Reference
from tbot_web.support.openapi import document
from tests.unit.web.canned import CannedRunner
from tests.unit.web.conftest import Served
from tests.unit.web.pages import Browser


def shown(page: str) -> set[str]:
    """The operations that the page unfolds to."""
    return set(re.findall(r'<div id="(\w+)" class="body"', page)) - {"problem"}


def test_the_document_is_served_to_whoever_may_see_the_status(
    app: Flask, web: Served, runner: CannedRunner, admin: Browser
) -> None:
    assert admin.get("/api/openapi.json").json() == document(app)
    viewer = web.browser(tbot_session=runner.sign_in(Role.VIEWER))
    assert viewer.get("/api/openapi.json").json()["openapi"] == "3.1.0"
    assert viewer.get("/api/docs").status_code == 200


def test_every_operation_field_and_shape_is_on_the_page(app: Flask, admin: Browser) -> None:
    found, page = document(app), admin.get("/api/docs").text.replace("<wbr>", "")
    for path, methods in found["paths"].items():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
            assert path in page
    for schema in found["components"]["schemas"].values():
        for field in schema.get("properties", {}):
            assert f'<th scope="row" class="mono">{field}</th>' in page
    assert "list of " in page
    assert "integer, at least 1, at most 500" in page


def test_every_link_within_the_page_leads_somewhere(admin: Browser) -> None:
    for address in ("/api/docs", "/api/docs?text=trade"):
        page = admin.get(address).text
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        (
            "POST Idempotency-Key",
            {
                "post_control_perform",
                "post_control_pause_strategy",
                "post_audit_begin",
                "post_notifications_test_all",
                *(f"post_backups_{name}" for name in ("make_one", "restore_one", "purge_all")),
                *(f"post_users_{name}" for name in ("invite_one", "reset_one")),
                *(f"post_orders_{name}" for name in ("exit_one", "cancel_one", "reread_one", "sign_one")),
            },
        ),
        ("holdings_balance", {"get_status_document"}),
        ("Execution", {"get_trades_one", "get_journal_rows"}),
        ("/logs", {"get_logs_errors", "get_logs_index", "get_logs_lines"}),
    ],
)
def test_it_can_be_searched(app: Flask, admin: Browser, text: str, expected: set[str] | None) -> None:
    page = admin.http.get("/api/docs", params={"text": text}).text
    assert shown(page) == (expected or {one.id for one in Reference.of(document(app)).operations})


def test_no_match_says_so_and_shows_what_was_typed_as_text(admin: Browser) -> None:
    page = admin.http.get("/api/docs", params={"text": "<b>nothing"}).text
    assert "Nothing matches" in page
    assert "&lt;b&gt;nothing" in page
    assert "<b>nothing" not in page


def test_a_stranger_is_sent_to_sign_in_and_a_program_is_told(web: Served, runner: CannedRunner) -> None:
    page = web.browser().get("/api/docs")
    assert (page.status_code, page.headers["Location"]) == (303, "/login?next=/api/docs")
    told = web.browser().get("/api/openapi.json")
    assert (told.status_code, told.json()["code"]) == (401, "not_signed_in")


def test_only_ourselves_may_frame_it(admin: Browser) -> None:
    assert "frame-ancestors 'self'" in admin.get("/api/docs").headers["Content-Security-Policy"]
    assert '<iframe title="API" data-panel="api_docs" data-src="/api/docs"' in admin.get("/").text


@pytest.mark.parametrize("state", ["registration", "graceful_closing_positions", "error"])
def test_it_is_loaded_in_the_main_phase_alone(runner: CannedRunner, admin: Browser, state: str) -> None:
    runner.publish(state)
    assert admin.get("/api/docs").status_code == 404
    assert admin.get("/api/openapi.json").status_code == 404
