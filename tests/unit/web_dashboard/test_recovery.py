"""The recovery page: only while the home is damaged, only for whoever holds the token."""

from __future__ import annotations

from typing import Any

import pytest

from tbot_bot.api.backups import BackupPart, Restore
from tbot_bot.api.control import ControlState
from tbot_bot.api.errors import ApiError
from tests.unit.web.canned import SETUP_SESSION, TOKEN, CannedRunner
from tests.unit.web.conftest import Served
from tests.unit.web.pages import Browser
from tests.unit.web_dashboard.canned_backups import DIGEST, FINDINGS, NEWEST

PREVIEW = f"/recovery/restore/{NEWEST}?part=secrets&part=users"


def state(**changes: Any) -> ControlState:
    return ControlState(
        state="error", paused=False, kill_armed=False, kill_triggered=False, acts=[], closing=None, error=None,
        last_good_state=None,
    ).model_copy(update=changes)  # fmt: skip


@pytest.fixture(autouse=True)
def desk(runner: CannedRunner) -> None:
    runner.at_the_desk = True
    runner.special["control.state"] = lambda *_: state(recovery=True)
    runner.publish("error")


@pytest.fixture
def holder(web: Served) -> Browser:
    """Whoever exchanged the token."""
    return web.browser(tbot_setup=SETUP_SESSION)


def test_the_start_page_asks_for_the_token_and_tells_no_stranger_what_was_found(web: Served) -> None:
    page = web.browser().get("/")
    assert page.status_code == 503
    assert "is damaged and was not opened" in page.text
    assert 'action="/recovery/token"' in page.text
    assert "/login" not in page.text
    assert FINDINGS[0].subject not in page.text
    assert web.browser().get("/", Accept="application/json").json()["code"] == "home_damaged"


def test_the_token_typed_opens_it_and_a_wrong_one_is_asked_for_again(web: Served) -> None:
    browser = web.browser()
    refused = browser.send("/recovery/token", {"token": "guess"}, seen_on="/")
    assert (refused.status_code, "That is not the setup token" in refused.text) == (401, True)
    assert 'name="token"' in refused.text
    opened = browser.send("/recovery/token", {"token": f" {TOKEN} "}, seen_on="/")
    assert (opened.status_code, opened.headers["Location"]) == (303, "/recovery/")
    assert "Users database" in browser.get("/recovery/").text
    assert "Restore what is damaged" in browser.get("/").text


def test_the_printed_address_opens_it_and_leaves_no_token_in_the_address(web: Served) -> None:
    browser = web.browser()
    answer = browser.get(f"/recovery/?setup={TOKEN}")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/recovery/")
    assert browser.cookies()["tbot_setup"] == SETUP_SESSION


def test_a_failure_at_the_exchange_is_no_refusal(web: Served, runner: CannedRunner) -> None:
    runner.special["setup.exchange"] = ApiError.of(500, "internal", "It broke")
    assert web.browser().get("/recovery/?setup=x").status_code == 500


def test_without_the_token_nothing_is_shown(web: Served, admin: Browser) -> None:
    for browser in (web.browser(), admin):
        for path in ("/recovery/", PREVIEW):
            answer = browser.get(path)
            assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_it_names_what_was_found_and_what_can_be_restored(holder: Browser) -> None:
    page = holder.get("/recovery/").text
    for finding in FINDINGS:
        assert finding.what in page
        assert finding.next_step in page
    assert page.count(">Verify</button>") == 8
    assert page.count(">Restore…</a>") == 7  # the generation in use, too: it may be what is damaged
    assert "Purge" not in page


def test_verify(holder: Browser) -> None:
    answer = holder.send("/recovery/verify", {"id": NEWEST}, seen_on="/recovery/")
    assert answer.headers["Location"] == f"/recovery/?checked={NEWEST}#checked"
    assert "is as it was written" in holder.get(f"/recovery/?checked={NEWEST}").text
    gone = holder.send("/recovery/verify", {"id": "generation-000099"}, seen_on="/recovery/")
    assert (gone.status_code, "There is no such backup" in gone.text) == (404, True)


def test_restore_asks_for_a_reason_and_no_password(holder: Browser, runner: CannedRunner) -> None:
    page = holder.get(PREVIEW).text
    assert 'name="password"' not in page
    runner._replace("epoch", "desk-1")
    form = {"digest": DIGEST, "part": ["secrets", "users"], "reason": "a flipped byte"}
    answer = holder.http.post(f"/recovery/restore/{NEWEST}", data=form | {"csrf_token": holder.token(PREVIEW)})
    assert answer.headers["Location"] == "/backups/wait?after=desk"
    parts = [BackupPart.SECRETS, BackupPart.USERS]
    assert runner.calls[-1][2] == Restore(id=NEWEST, parts=parts, digest=DIGEST, reason="a flipped byte")


def test_nothing_to_restore_says_where_to_bring_it(holder: Browser, runner: CannedRunner) -> None:
    shown = runner.special["recovery.view"]()
    bare = shown.model_copy(update={"backups": shown.backups.model_copy(update={"items": []})})
    runner.special["recovery.view"] = lambda *_: bare
    assert "copy it to storage/backups" in holder.get("/recovery/").text


def test_a_view_that_fails_is_said(holder: Browser, runner: CannedRunner) -> None:
    runner.special["recovery.view"] = ApiError.of(503, "backup", "Backups cannot be read")
    assert holder.get("/recovery/").status_code == 503


def test_an_error_that_was_opened_names_findings_to_those_who_may_see_them(
    web: Served, admin: Browser, runner: CannedRunner
) -> None:
    runner.at_the_desk = False
    runner.special["control.state"] = lambda *_: state(
        error="The users database was changed.", since="2026-11-22T07:59:00Z", findings=FINDINGS,
        last_good_state="graceful_closing_positions",
    )  # fmt: skip
    page = admin.get("/").text
    for text in (FINDINGS[1].what, "22 Nov 2026 07:59:00", "graceful closing positions", 'href="/backups/"'):
        assert text in page, text
    assert FINDINGS[1].what not in web.browser().get("/").text
