"""Code after the password, lock and unlock, and the account page's second factor and recovery codes."""

from __future__ import annotations

from typing import Any

import pytest

from tbot_bot.api import sessions
from tbot_bot.api.errors import ApiError
from tbot_bot.api.model import Nothing
from tbot_bot.api.permissions import Role
from tests.unit.web.canned import CODES, PASSWORD, CannedRunner
from tests.unit.web.conftest import Served
from tests.unit.web.pages import Browser

ADDRESS = "otpauth://totp/RIGD_US_SIM_001:ada?secret=ABCDEFGH&issuer=RIGD_US_SIM_001"
BEGUN = sessions.NewFactor(secret="ABCDEFGH", address=ADDRESS)


@pytest.fixture(autouse=True)
def factors(runner: CannedRunner) -> None:
    def log_in(*_: Any) -> sessions.LoggedIn:
        return sessions.LoggedIn(session=None, half_way="half-a-way", username="ada", role=Role.ADMIN)

    def give_code(caller: Any, params: sessions.GiveCode) -> sessions.LoggedIn:
        secret = runner.unseal("session.give_code", caller, params)
        if secret["half_way"] != "half-a-way":
            raise ApiError.of(401, "sign_in_over", "Sign in again")
        if secret["code"] != "123456":
            raise ApiError.of(409, "wrong_code", "The code was refused")
        return sessions.LoggedIn(session=runner.sign_in(), username="ada", role=Role.ADMIN)

    def enrol(caller: Any, params: sessions.ProveFactor) -> sessions.Rotated:
        if runner.unseal("account.enrol_second_factor", caller, params)["code"] != "123456":
            raise ApiError.of(409, "wrong_code", "The code was refused")
        return sessions.Rotated(generation=7)

    runner.special |= {
        "session.log_in": log_in,
        "session.give_code": give_code,
        "account.begin_second_factor": lambda *_: BEGUN,
        "account.enrol_second_factor": enrol,
        "account.remove_second_factor": lambda *_: sessions.Rotated(generation=8),
        "account.renew_recovery_codes": lambda *_: sessions.RecoveryCodes(codes=CODES, generation=9),
    }


def begin(web: Served) -> Browser:
    browser = web.browser()
    form = {"username": "ada", "password": PASSWORD, "next": "/account/"}
    page = browser.send("/login", form, seen_on="/login?next=/account/")
    assert (page.status_code, "One more step" in page.text) == (200, True)
    assert "tbot_session" not in browser.cookies()
    return browser


def test_a_code_follows_the_password(web: Served, runner: CannedRunner) -> None:
    browser = begin(web)
    form = {"half_way": "half-a-way", "code": " 123456 ", "next": "/account/"}
    done = browser.send("/login/code", form, seen_on="/login")
    assert (done.status_code, done.headers["Location"]) == (303, "/account/")
    assert browser.cookies()["tbot_session"] in runner.roles


def test_a_wrong_code_asks_again_and_a_late_one_for_the_password(web: Served, runner: CannedRunner) -> None:
    browser = begin(web)
    wrong = browser.send("/login/code", {"half_way": "half-a-way", "code": "1"}, seen_on="/login")
    assert (wrong.status_code, "The code was refused" in wrong.text) == (409, True)
    assert 'name="half_way" value="half-a-way"' in wrong.text
    late = browser.send("/login/code", {"half_way": "old", "code": "123456"}, seen_on="/login")
    assert (late.status_code, 'name="password"' in late.text) == (401, True)
    runner.special["session.give_code"] = ApiError.of(503, "users", "The users database cannot be used")
    assert browser.send("/login/code", {}, seen_on="/login").status_code == 503


def test_locked_and_unlocked(admin: Browser, runner: CannedRunner, web: Served) -> None:
    locked = sessions.Verdict(status=sessions.SessionStatus.LOCKED, user_id=1, username="ada", role=Role.ADMIN)
    session = admin.cookies()["tbot_session"]

    def lock(*_: Any) -> Any:
        runner.special["session.verdict"] = lambda *_: locked
        runner.bump()
        return Nothing()

    def unlock(caller: Any, params: sessions.StepUp) -> sessions.SteppedUp:
        if runner.unseal("session.unlock", caller, params)["password"] != PASSWORD:
            raise ApiError.of(409, "wrong_password", "This was refused", "The password is not right.")
        del runner.special["session.verdict"]
        runner.bump()
        return sessions.SteppedUp(session=session, until="2026-11-22T09:00:00Z")

    runner.special |= {"session.lock": lock, "session.unlock": unlock}
    assert admin.send("/lock", {}, seen_on="/account/").headers["Location"] == "/login"
    assert admin.get("/account/").headers["Location"] == "/login?next=/account/"
    page = admin.get("/login?next=/account/").text
    assert "ada is still signed in here" in page
    wrong = admin.send("/login/unlock", {"password": "guess"}, seen_on="/login")
    assert (wrong.status_code, "The password is not right." in wrong.text) == (409, True)
    done = admin.send("/login/unlock", {"password": PASSWORD, "next": "/account/"}, seen_on="/login")
    assert done.headers["Location"] == "/account/"
    assert admin.get("/account/").status_code == 200
    runner.special["session.unlock"] = ApiError.of(503, "users", "The users database cannot be used")
    assert admin.send("/login/unlock", {}, seen_on="/account/").status_code == 503


def test_a_secret_is_shown_proven_and_told(admin: Browser, runner: CannedRunner) -> None:
    assert "Show the secret" in admin.get("/account/second_factor").text
    shown = admin.send("/account/second_factor", {"password": PASSWORD}, seen_on="/account/second_factor")
    assert "ABCDEFGH" in shown.text
    assert "<svg" in shown.text
    form = {"secret": BEGUN.secret, "address": ADDRESS, "code": "1"}
    wrong = admin.send("/account/second_factor/prove", form, seen_on="/account/second_factor")
    assert (wrong.status_code, "The code was refused" in wrong.text, "ABCDEFGH" in wrong.text) == (409, True, True)
    odd = admin.send("/account/second_factor/prove", form | {"address": "ä" * 300}, seen_on="/account/second_factor")
    assert (odd.status_code, "Show the secret" in odd.text) == (409, True)
    done = admin.send("/account/second_factor/prove", form | {"code": "123456"}, seen_on="/account/second_factor")
    assert done.headers["Location"] == "/account/"
    assert "Generation 7." in admin.get("/account/").text


def test_removed_and_codes_renewed(admin: Browser) -> None:
    gone = admin.send("/account/second_factor/remove", {"password": PASSWORD}, seen_on="/account/")
    assert gone.headers["Location"] == "/account/"
    assert "Generation 8." in admin.get("/account/").text
    page = admin.send("/account/recovery_codes", {"password": PASSWORD}, seen_on="/account/").text
    assert all(code in page for code in CODES)


@pytest.mark.parametrize("path", ["second_factor", "second_factor/remove", "recovery_codes"])
def test_a_wrong_password_changes_nothing(admin: Browser, runner: CannedRunner, path: str) -> None:
    before = {name: runner.asked[name] for name in runner.special if name.startswith("account.")}
    page = admin.send(f"/account/{path}", {"password": "guess"}, seen_on="/account/")
    assert (page.status_code, "The password is not right" in page.text) == (409, True)
    assert before == {name: runner.asked[name] for name in before}
