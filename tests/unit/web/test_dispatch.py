"""The application follows the published state at once; a state that nobody knows is said to be unknown."""

from __future__ import annotations

import threading

import pytest

from tests.unit.web.canned import RUNNER_GONE, SETUP_SESSION, CannedRunner
from tests.unit.web.conftest import Served
from tests.unit.web.pages import Browser

STATES = {"initialize": "configuration", "registration": "registration", "idle": "main", "error": "error"}


def test_a_change_of_state_takes_effect_with_the_next_request(web: Served, runner: CannedRunner) -> None:
    browser = web.browser()
    for state, phase in STATES.items():
        runner.publish(state)
        assert browser.get("/healthz").json() == {
            "status": "ok",
            "phase": phase,
            "state": state,
            "version": "0.1.0",
        }


def test_threads_never_see_an_old_phase(web: Served, runner: CannedRunner) -> None:
    """Each thread asks only after the state is published, while others are still being answered."""
    wrong: list[tuple[str, int]] = []
    expected = {"initialize": 404, "idle": 200}
    turn = threading.Barrier(5)

    def look() -> None:
        browser = Browser(web.address, {})
        try:
            for number in range(20):
                state = ("initialize", "idle")[number % 2]
                turn.wait(10)
                turn.wait(10)
                status = browser.get("/login").status_code
                if status != expected[state]:
                    wrong.append((state, status))
        finally:
            browser.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(20):
        turn.wait(10)
        runner.publish(("initialize", "idle")[number % 2])
        turn.wait(10)
    for thread in threads:
        thread.join(10)
    assert wrong == []


@pytest.mark.parametrize("content", [None, "", "dancing", "idle\nidle", "\xff", "i" * 1000])
@RUNNER_GONE
def test_a_state_that_is_none_is_unknown(web: Served, runner: CannedRunner, content: str | None) -> None:
    path = runner.root / "control" / "bot_state.txt"
    path.unlink() if content is None else path.write_text(content, "latin-1")
    stranger, admin = web.browser(), web.browser(tbot_session=runner.sign_in())
    assert stranger.get("/healthz").json() == {"status": "ok", "phase": None, "state": None, "version": "0.1.0"}
    waiting = stranger.get("/anything/at/all")
    assert waiting.status_code == 503
    assert "data-retry" in waiting.text
    assert stranger.post("/configuration").status_code in {400, 503}
    assert admin.get("/account/").status_code == 200  # the runner, asked for its own record, said idle
    runner.stop()
    assert admin.get("/account/").status_code == 503


@RUNNER_GONE
def test_the_runner_gone_and_back(web: Served, runner: CannedRunner) -> None:
    admin = web.browser(tbot_session=runner.sign_in())
    runner.stop()
    assert admin.get("/healthz").json()["status"] == "runner_down"
    assert admin.get("/readyz").status_code == 503
    assert "The control process is not answering" in admin.get("/account/").text
    assert admin.get("/account/", Accept="application/json").json()["code"] == "runner_unreachable"
    runner.start()
    assert admin.get("/readyz").status_code == 200
    assert admin.get("/account/").status_code == 200


def test_in_error_the_reason_is_for_those_who_may_see_it(web: Served, runner: CannedRunner) -> None:
    runner.publish("error")
    stranger, admin = web.browser(), web.browser(tbot_session=runner.sign_in())
    page = stranger.get("/")
    assert page.status_code == 503
    assert "needs an administrator" in page.text
    assert "The disk is full" not in page.text
    assert "/login" in page.text
    assert "The disk is full" in admin.get("/").text
    assert "/control/confirm/reset" in admin.get("/").text
    assert admin.get("/", Accept="application/json").json()["code"] == "bot_in_error"


@RUNNER_GONE
def test_in_error_the_page_stands_without_the_runner(web: Served, runner: CannedRunner) -> None:
    admin = web.browser(tbot_session=runner.sign_in())
    assert admin.get("/account/").status_code == 200
    runner.publish("error")
    runner.stop()
    assert "needs an administrator" in admin.get("/").text


@pytest.mark.parametrize("state", ["shutdown_triggered", "shutdown"])
def test_shutting_down_has_its_own_page(web: Served, runner: CannedRunner, state: str) -> None:
    runner.publish(state)
    page = web.browser().get("/")
    assert page.status_code == 503
    assert f'data-left="{state}"' in page.text
    assert web.browser().get("/", Accept="application/json").json()["code"] == "shutting_down"


def test_a_setup_session_is_no_login(web: Served, runner: CannedRunner) -> None:
    assert web.browser(tbot_setup=SETUP_SESSION).get("/account/").status_code == 303
