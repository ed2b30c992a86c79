"""A change needs a token of this browser's own; tokens survive a rotation, and workers agree on them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.web.canned import PASSWORD, RUNNER_GONE, CannedRunner
from tests.unit.web.conftest import Served
from tests.unit.web.pages import Browser

FORM = "/account/"
ACT = "/account/sessions/end"


def ends(runner: CannedRunner) -> int:
    return runner.asked["session.end"]


def test_a_change_with_its_token_is_done(admin: Browser, runner: CannedRunner) -> None:
    assert admin.send(ACT, {"handle": "h1"}, seen_on=FORM).status_code == 303
    assert ends(runner) == 1
    token = admin.token(FORM)
    assert admin.post(ACT, X_CSRFToken=token).status_code == 303
    assert ends(runner) == 2


def test_a_missing_or_forged_token_is_refused(admin: Browser, runner: CannedRunner) -> None:
    token = admin.token(FORM)
    for wrong in ("", "nonsense", token[:-2], token + "x"):
        answer = admin.post(ACT, {"csrf_token": wrong})
        assert answer.status_code == 400
        assert "This page is out of date" in answer.text
    assert admin.post(ACT, Accept="application/json").json()["code"] == "csrf"
    assert ends(runner) == 0


def test_the_token_of_another_session_is_refused(web: Served, admin: Browser, runner: CannedRunner) -> None:
    other = web.browser(tbot_session=runner.sign_in())
    token = other.token(FORM)
    admin.get(FORM)
    assert admin.post(ACT, {"csrf_token": token}).status_code == 400
    assert ends(runner) == 0


def test_a_token_of_before_the_login_is_void_after_it(web: Served, runner: CannedRunner) -> None:
    browser = web.browser()
    before = browser.token("/login")
    assert browser.send("/login", {"username": "ada", "password": PASSWORD}, seen_on="/login").status_code == 303
    assert browser.post(ACT, {"csrf_token": before}).status_code == 400
    assert ends(runner) == 0


def test_a_form_made_before_a_rotation_still_submits(admin: Browser, runner: CannedRunner) -> None:
    token = admin.token(FORM)
    runner.generation += 1
    runner.bump()
    assert admin.post(ACT, {"csrf_token": token}).status_code == 303
    assert ends(runner) == 1


def test_a_key_that_is_no_longer_accepted_signs_nothing(admin: Browser, runner: CannedRunner) -> None:
    token = admin.token(FORM)
    runner.generation += 2
    runner.bump()
    assert admin.post(ACT, {"csrf_token": token}).status_code == 400
    assert admin.send(ACT, {}, seen_on=FORM).status_code == 303


def test_workers_agree_before_and_after_a_rotation(runner: CannedRunner, serve: Callable[[], Served]) -> None:
    first, second = serve(), serve()
    session = runner.sign_in()
    browser = first.browser(tbot_session=session)
    token = browser.token(FORM)
    at_second = second.browser(tbot_session=session, tbot_form=browser.cookies()["tbot_form"])
    assert at_second.post(ACT, {"csrf_token": token}).status_code == 303
    runner.generation += 1
    runner.bump()
    token = at_second.token(FORM)
    assert browser.post(ACT, {"csrf_token": token}).status_code == 303
    assert ends(runner) == 2


@RUNNER_GONE
def test_without_keys_no_form_is_taken(runner: CannedRunner, serve: Callable[[], Served]) -> None:
    runner.stop()
    assert serve().browser().post("/login", {"username": "ada"}).status_code == 503


@RUNNER_GONE
def test_keys_are_kept_while_the_runner_is_silent(admin: Browser, runner: CannedRunner) -> None:
    token = admin.token(FORM)
    runner.stop()
    runner.bump()
    assert admin.post(ACT, {"csrf_token": "forged"}).status_code == 503
    runner.start()
    assert admin.post(ACT, {"csrf_token": token}).status_code == 303


@pytest.mark.parametrize("path", ["/login", "/logout", "/account/password", ACT])
def test_no_change_is_exempt(admin: Browser, path: str) -> None:
    assert admin.post(path).status_code == 400
