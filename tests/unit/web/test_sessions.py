"""Who the portal takes someone for, how long it relies on it, and what counts as a person's act."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tbot_bot.api.permissions import Role
from tbot_bot.api.sessions import SessionStatus, Verdict
from tbot_bot.domain.time import to_rfc3339
from tests.unit.web.canned import RUNNER_GONE, CannedRunner, MovingClock
from tests.unit.web.conftest import Served
from tests.unit.web.pages import Browser

PAGE = "/account/"
VERDICT = "session.verdict"


def test_a_verdict_is_reused_until_the_epoch_moves(admin: Browser, runner: CannedRunner) -> None:
    assert [admin.get(PAGE).status_code for _ in range(3)] == [200, 200, 200]
    assert runner.asked[VERDICT] == 1
    runner.bump()
    admin.get(PAGE)
    assert runner.asked[VERDICT] == 2


def test_a_verdict_is_reused_for_at_most_twenty_seconds(
    admin: Browser, runner: CannedRunner, clock: MovingClock
) -> None:
    admin.poll(PAGE)
    clock.move(timedelta(seconds=19))
    admin.poll(PAGE)
    assert runner.asked[VERDICT] == 1
    clock.move(timedelta(seconds=1))
    admin.poll(PAGE)
    assert runner.asked[VERDICT] == 2


def test_a_verdict_never_outlives_the_session(admin: Browser, runner: CannedRunner, clock: MovingClock) -> None:
    ends = clock.now() + timedelta(seconds=5)
    runner.special[VERDICT] = lambda caller, _params: caller.verdict.model_copy(
        update={"absolute_expires_at": to_rfc3339(ends)}
    )
    admin.poll(PAGE)
    runner.special[VERDICT] = lambda _caller, _params: Verdict(status=SessionStatus.EXPIRED)
    clock.move(timedelta(seconds=4))
    assert admin.poll(PAGE).status_code == 200
    clock.move(timedelta(seconds=1))
    assert admin.poll(PAGE).status_code == 303


def test_revocation_is_immediate(admin: Browser, runner: CannedRunner) -> None:
    assert admin.get(PAGE).status_code == 200
    runner.roles.clear()
    runner.bump()
    assert admin.get(PAGE).status_code == 303


def test_without_an_epoch_nothing_is_reused(admin: Browser, runner: CannedRunner) -> None:
    (runner.root / "control" / "epoch").unlink()
    admin.poll(PAGE)
    admin.poll(PAGE)
    assert runner.asked[VERDICT] == 2


def test_a_clock_set_back_does_not_prolong_a_verdict(admin: Browser, runner: CannedRunner, clock: MovingClock) -> None:
    admin.poll(PAGE)
    clock.move(timedelta(hours=-1))
    admin.poll(PAGE)
    assert runner.asked[VERDICT] == 2


def test_polling_does_not_touch(admin: Browser, runner: CannedRunner, clock: MovingClock) -> None:
    for _ in range(3):
        admin.poll(PAGE)
        admin.get(PAGE, Sec_Fetch_Mode="cors")
        admin.get("/status/api")
        clock.move(timedelta(seconds=25))
    assert runner.asked[VERDICT] > 2
    assert runner.touches == 0


def test_navigations_touch_now_and_then(admin: Browser, runner: CannedRunner, clock: MovingClock) -> None:
    for _ in range(4):
        admin.get(PAGE, Sec_Fetch_Mode="navigate")
        clock.move(timedelta(seconds=5))
    assert runner.touches == 2


def test_changes_touch(admin: Browser, runner: CannedRunner) -> None:
    token = admin.token(PAGE)
    runner.bump()
    before = runner.touches
    admin.post("/account/sessions/end", {"csrf_token": token}, Sec_Fetch_Mode="cors")
    assert runner.touches == before + 1


def test_many_sessions_are_forgotten_oldest_first(
    web: Served, runner: CannedRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tbot_web.support.session_manager._KEPT_MAX", 2)
    browsers = [web.browser(tbot_session=runner.sign_in()) for _ in range(3)]
    for browser in browsers:
        browser.poll(PAGE)
    browsers[2].poll(PAGE)
    assert runner.asked[VERDICT] == 3
    browsers[0].poll(PAGE)
    assert runner.asked[VERDICT] == 4


@RUNNER_GONE
def test_without_the_runner_nobody_is_let_in_on_a_guess(
    admin: Browser, runner: CannedRunner, clock: MovingClock
) -> None:
    admin.get(PAGE)
    clock.move(timedelta(seconds=21))
    runner.stop()
    answer = admin.get(PAGE)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert "The control process is not answering" in answer.text
    runner.start()
    assert admin.get(PAGE).status_code == 200


def test_a_cookie_that_cannot_be_ours_is_no_session(web: Served, runner: CannedRunner) -> None:
    assert web.browser(tbot_session="x" * 201).get(PAGE).status_code == 303
    assert runner.asked[VERDICT] == 0


def test_a_role_without_the_permission_is_told_which(web: Served, runner: CannedRunner) -> None:
    viewer = web.browser(tbot_session=runner.sign_in(Role.VIEWER))
    answer = viewer.get("/configuration")
    assert answer.status_code == 403
    assert "configuration.view" in answer.text
    problem = viewer.get("/configuration", Accept="application/json")
    assert problem.headers["Content-Type"] == "application/problem+json"
    assert problem.json()["code"] == "not_allowed"
