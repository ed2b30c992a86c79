"""Signing in and out, and one's own account."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.api.errors import ApiError
from tbot_web.support.auth_web import LoginForm, safe_next
from tests.unit.web.canned import CODES, PASSWORD, RUNNER_GONE, CannedRunner
from tests.unit.web.conftest import Served
from tests.unit.web.pages import Browser


def sign_in(browser: Browser, **form: str) -> tuple[int, str | None]:
    answer = browser.send("/login", {"username": "ada", "password": PASSWORD, **form}, seen_on="/login")
    return answer.status_code, answer.headers.get("Location")


def test_a_login_leads_where_one_wanted_to_go(web: Served, runner: CannedRunner) -> None:
    browser = web.browser()
    assert sign_in(browser, next="/account/") == (303, "/account/")
    assert browser.cookies()["tbot_session"] in runner.roles
    assert browser.get("/account/").status_code == 200
    assert browser.get("/login?next=/account/").headers["Location"] == "/account/"
    assert PASSWORD not in str(runner.calls)


def test_the_cookie_is_for_the_server_alone(web: Served) -> None:
    browser = web.browser()
    answer = browser.send("/login", {"username": "ada", "password": PASSWORD}, seen_on="/login")
    (cookie,) = [line for line in answer.headers.get_list("Set-Cookie") if line.startswith("tbot_session=")]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Expires" not in cookie


def test_a_wrong_password_says_so_and_keeps_the_name(web: Served) -> None:
    browser = web.browser()
    answer = browser.send("/login", {"username": "ada", "password": "wrong-secret"}, seen_on="/login")
    assert answer.status_code == 401
    assert "Username or password is wrong" in answer.text
    assert 'value="ada"' in answer.text
    assert "wrong-secret" not in answer.text
    assert "tbot_session" not in browser.cookies()


def test_throttling_is_shown_with_the_form(web: Served, runner: CannedRunner) -> None:
    runner.special["session.log_in"] = ApiError.of(429, "throttled", "Too many tries", "Wait 8 s.", retry_after_s=8)
    answer = web.browser().send("/login", {"username": "ada", "password": "x"}, seen_on="/login")
    assert answer.status_code == 429
    assert "Wait 8 s." in answer.text


def test_a_runner_that_fails_is_no_wrong_password(web: Served, runner: CannedRunner) -> None:
    runner.special["session.log_in"] = ApiError.of(503, "users_unavailable", "The users database is not available")
    assert sign_in(web.browser())[0] == 503


def test_a_recovery_code_takes_the_place_of_the_password(web: Served) -> None:
    browser = web.browser()
    page = browser.get("/login?with=code").text
    assert 'name="recovery_code"' in page
    assert 'name="password"' not in page
    form = {"username": "ada", "recovery_code": f" {CODES[0]} "}
    assert browser.send("/login", form, seen_on="/login?with=code").status_code == 303
    wrong = web.browser().send("/login", {"username": "ada", "recovery_code": "x"}, seen_on="/login?with=code")
    assert 'name="recovery_code"' in wrong.text


@pytest.mark.parametrize("form", [{"username": ""}, {"password": ""}, {"username": "a" * 65}, {"password": "p" * 1025}])
def test_what_cannot_be_right_is_not_asked(web: Served, runner: CannedRunner, form: dict[str, str]) -> None:
    assert sign_in(web.browser(), **form)[0] == 400
    assert runner.asked["session.log_in"] == 0


def test_the_form_never_shows_its_secret() -> None:
    assert "hunter2" not in repr(LoginForm.of({"username": "ada", "password": "hunter2"}))


def test_signing_out_ends_the_session_everywhere(admin: Browser, runner: CannedRunner) -> None:
    answer = admin.send("/logout", {}, seen_on="/account/")
    assert answer.headers["Location"] == "/login"
    assert any(line.startswith("tbot_session=;") for line in answer.headers.get_list("Set-Cookie"))
    assert runner.roles == {}


@RUNNER_GONE
def test_signing_out_is_not_claimed_without_the_runner(admin: Browser, runner: CannedRunner) -> None:
    token = admin.token("/account/")
    runner.stop()
    answer = admin.post("/logout", {"csrf_token": token})
    assert answer.status_code == 503
    assert "tbot_session" not in str(answer.headers.get_list("Set-Cookie"))


FOREIGN = [
    "https://evil.example/",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "javascript:alert(1)",
    "evil",
    "",
    " /status/",
    "/ok\r\nSet-Cookie: a=b",
]


@pytest.mark.parametrize("target", FOREIGN)
def test_a_login_never_leads_elsewhere(web: Served, target: str) -> None:
    assert sign_in(web.browser(), next=target) == (303, "/")


def test_our_own_addresses_are_kept() -> None:
    assert safe_next("/trades/?symbol=SPY&page=2#row") == "/trades/?symbol=SPY&page=2#row"
    assert safe_next(None) == "/"


@settings(deadline=None)
@given(st.text(alphabet="/\\:.@ \t\r\nabht%#?", max_size=12))
def test_no_text_leads_to_another_host(target: str) -> None:
    led = safe_next(target)
    assert led.startswith("/")
    assert not led.startswith(("//", "/\\"))
    assert not set(led) & set("\\ \t\r\n")


def test_the_account_shows_ones_sessions(admin: Browser) -> None:
    page = admin.get("/account/").text
    assert "ada@example.org" in page
    assert "Chromium on Android" in page
    assert page.count("this one") == 1


def test_a_password_is_changed_and_the_generation_told(admin: Browser, runner: CannedRunner) -> None:
    form = {"current_password": PASSWORD, "new_password": "better horse", "confirm_password": "better horse"}
    assert admin.send("/account/password", form, seen_on="/account/").headers["Location"] == "/account/"
    assert "generation 2" in admin.get("/account/").text
    assert "generation 2" not in admin.get("/account/").text
    assert "better horse" not in str(runner.calls)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"current_password": "wrong"}, "This is not your password."),
        ({"confirm_password": "other"}, "The two passwords differ"),
        ({"new_password": "", "confirm_password": ""}, "Fill this in"),
    ],
)
def test_a_password_that_cannot_be_changed_is_explained(admin: Browser, change: dict[str, str], message: str) -> None:
    form = {"current_password": PASSWORD, "new_password": "better horse", "confirm_password": "better horse"}
    answer = admin.send("/account/password", form | change, seen_on="/account/")
    assert answer.status_code == 400
    assert message in answer.text
    assert "better horse" not in answer.text


def test_a_failed_change_is_shown_as_it_is(admin: Browser, runner: CannedRunner) -> None:
    runner.special["account.change_password"] = ApiError.of(507, "no_space", "The disk is full")
    form = {"current_password": PASSWORD, "new_password": "better horse", "confirm_password": "better horse"}
    assert admin.send("/account/password", form, seen_on="/account/").status_code == 507


def test_ending_all_other_sessions(admin: Browser, runner: CannedRunner) -> None:
    assert admin.send("/account/sessions/end", {}, seen_on="/account/").status_code == 303
    assert "Every other session was ended." in admin.get("/account/").text
    (params,) = [params for verb, _, params in runner.calls if verb == "session.end"]
    assert params.handle is None  # type: ignore[attr-defined]  # an EndSession


def test_counters_are_for_those_who_are_signed_in(admin: Browser) -> None:
    text = admin.get("/metrics").text
    assert "tbot_up 1" in text
    admin.get("/account/")
    assert 'tbot_web_requests_total{method="GET",status="200",view="account.show"} 1.0' in admin.get("/metrics").text
