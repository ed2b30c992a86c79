"""Every answer carries the same protection, whatever it is; static files are kept, nothing else is."""

from __future__ import annotations

import socket

import pytest

from tbot_bot.api.errors import ApiError
from tests.unit.web.canned import RUNNER_GONE, CannedRunner
from tests.unit.web.conftest import Served
from tests.unit.web.pages import Browser

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def policy(answer: object) -> dict[str, str]:
    text = answer.headers["Content-Security-Policy"]  # type: ignore[attr-defined]  # an httpx2 response
    return {part.split(" ")[0]: part.partition(" ")[2] for part in text.split("; ")}


def break_account(runner: CannedRunner) -> None:
    def broken(_caller: object, _params: object) -> None:
        raise RuntimeError("secret detail of the failure")

    runner.special["account.view"] = broken


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/login", 303),
        ("GET", "/account/", 200),
        ("GET", "/account", 308),
        ("GET", "/nowhere", 404),
        ("GET", "/static/nowhere.css", 404),
        ("DELETE", "/account/", 405),
        ("POST", "/logout", 400),
        ("POST", "/account/password", 413),
        ("GET", "/account/?error", 500),
        ("GET", "/static/css/tokens.css", 200),
    ],
)
def test_every_answer_is_protected(admin: Browser, runner: CannedRunner, method: str, path: str, status: int) -> None:
    if status == 500:
        break_account(runner)
    body = b"x" * (200 * 1024) if status == 413 else b""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = admin.http.request(method, path, content=body, headers=form)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
    told = policy(answer)
    assert told["default-src"] == "'self'"
    assert told["object-src"] == told["base-uri"] == "'none'"
    assert told["frame-ancestors"] == ("'self'" if path.startswith("/account") else "'none'")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in answer.headers
    assert answer.headers["Cache-Control"] == ("no-cache" if path.endswith("tokens.css") else "no-store")


def test_an_error_says_what_happened_and_gives_an_id(admin: Browser, runner: CannedRunner) -> None:
    break_account(runner)
    page = admin.get("/account/")
    assert "Something went wrong" in page.text
    assert "Error id" in page.text
    assert "secret detail" not in page.text
    problem = admin.get("/account/", Accept="application/json")
    assert problem.headers["Content-Type"] == "application/problem+json"
    assert len(problem.json()["error_id"]) == 8


def test_a_failure_of_the_portal_itself_is_told_the_same_way(
    admin: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_parts: object, **_named: object) -> None:
        raise RuntimeError("secret detail of the failure")

    monkeypatch.setattr("tbot_web.py.account_web.render_template", broken)
    answer = admin.get("/account/", Accept="application/json")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "secret" not in answer.text


@RUNNER_GONE
@pytest.mark.parametrize("path", ["/login", "/account/", "/healthz", "/readyz", "/static/css/tokens.css"])
def test_the_same_holds_without_a_runner(web: Served, runner: CannedRunner, path: str) -> None:
    runner.stop()
    answer = web.browser(tbot_session="x").get(path)
    assert answer.status_code == (503 if path in {"/login", "/account/", "/readyz"} else 200)
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
    assert "default-src" in policy(answer)


def test_a_static_file_named_by_its_content_is_kept_for_good(web: Served) -> None:
    browser = web.browser()
    page = browser.get("/login").text
    versioned = page.partition('href="/static/css/tokens.css?v=')[2].partition('"')[0]
    assert browser.get(f"/static/css/tokens.css?v={versioned}").headers["Cache-Control"].endswith("immutable")
    assert browser.get("/static/css/tokens.css?v=other").headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "[::2]", "[", ""])
def test_a_foreign_host_is_not_answered(web: Served, host: str) -> None:
    answer = web.browser().get("/healthz", Host=host)
    assert answer.status_code == 421
    assert answer.json()["code"] == "foreign_host"
    page = web.browser().get("/login", Host=host)
    assert page.status_code == 421
    assert "default-src" in policy(page)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "127.0.0.1:8080", "[::1]:8080"])
def test_our_own_names_are_answered(web: Served, host: str) -> None:
    assert web.browser().get("/healthz", Host=host).status_code == 200


def test_a_script_in_the_host_is_only_text(web: Served) -> None:
    page = web.browser().get("/login", Host="<script>alert(1)</script>")
    assert "<script>alert" not in page.text


def test_a_request_without_host_is_not_answered(web: Served) -> None:
    host, port = web.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 421 " in raw.recv(100)


def test_behind_tls_cookies_are_tied_to_the_host(web: Served, runner: CannedRunner) -> None:
    from tbot_bot.api.lifecycle import Phase
    from tbot_web.py.portal_web_main import create_app

    app = create_app(Phase.MAIN, web.portal)
    client = app.test_client()
    answer = client.get("/login", base_url="https://127.0.0.1")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-tbot_form=")
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_retry_after_follows_the_runner(admin: Browser, runner: CannedRunner) -> None:
    runner.special["account.view"] = ApiError.of(429, "slow_down", "Too often", retry_after_s=30)
    assert admin.get("/account/").headers["Retry-After"] == "30"


def test_a_wrong_method_says_which_are_right(admin: Browser) -> None:
    assert "GET" in admin.http.delete("/account/").headers["Allow"]
