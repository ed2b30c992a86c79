from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tbot_bot.api.control import Act, ActOutcome, Issued, PauseStrategy
from tbot_bot.api.errors import ApiError
from tbot_bot.api.model import Nothing
from tbot_bot.api.permissions import Role
from tbot_bot.api.sessions import SteppedUp
from tests.support.running import wait_for
from tests.unit.web.canned import PASSWORD, RUNNER_GONE, CannedRunner
from tests.unit.web.pages import Browser
from tests.unit.web_dashboard import documents


@pytest.fixture(autouse=True)
def acts(runner: CannedRunner) -> None:
    outcome = ActOutcome(state="idle", message="Done.")
    runner.special |= {
        "control.issue_start": lambda *_: Issued(request_id="issued-request", expires_at="2026-11-22T15:00:00Z"),
        "control.record_act": lambda *_: Nothing(),
        "control.pause": lambda *_: outcome,
        "control.reset": lambda *_: outcome,
    }


@pytest.fixture
def operator(runner: CannedRunner, web: Any) -> Browser:
    return web.browser(tbot_session=runner.sign_in(Role.OPERATOR))


def act(browser: Browser, name: str, **sent: str) -> httpx2.Response:
    token = browser.token("/control/confirm/kill")
    return browser.http.post(
        f"/control/api/{name}", json=sent, headers={"X-CSRFToken": token, "Idempotency-Key": "request-1"}
    )


class TestConfirm:
    def test_it_has_the_figures_effects_and_a_button_that_says_it_again(self, operator: Browser) -> None:
        page = operator.get("/control/confirm/kill").text
        assert "Close 2 positions at market, about 2,854.47 USD" in page
        assert "Holdings are not touched." in page
        assert '<button type="submit" class="danger">Kill: flatten 2 positions</button>' in page
        assert "data-cancel autofocus" in page

    def test_a_grave_act_asks_for_name_reason_and_password(self, admin: Browser) -> None:
        page = admin.get("/control/confirm/reset").text
        for name in ('name="typed"', 'name="password"', 'name="reason"', "RIGD_US_SIM_001"):
            assert name in page

    def test_what_is_not_possible_has_no_button(self, runner: CannedRunner, operator: Browser) -> None:
        refused = documents.preview(Act.STOP, allowed=False, refusal="The bot is stopped already.")
        runner.special["control.preview"] = lambda *_: refused
        page = operator.get("/control/confirm/stop").text
        assert "The bot is stopped already." in page
        assert "<button" not in page.partition("data-act")[2].partition("</form>")[0]

    def test_permissions(self, runner: CannedRunner, web: Any, operator: Browser) -> None:
        assert operator.get("/control/confirm/reset").status_code == 403
        assert operator.get("/control/confirm/sing").status_code == 404
        viewer = web.browser(tbot_session=runner.sign_in(Role.VIEWER))
        assert viewer.get("/control/confirm/kill").status_code == 403

    def test_when_the_preview_fails_only_kill_is_offered(self, runner: CannedRunner, operator: Browser) -> None:
        runner.special["control.preview"] = ApiError.of(500, "internal", "It broke")
        assert operator.get("/control/confirm/stop").status_code == 500
        kill = operator.get("/control/confirm/kill")
        assert kill.status_code == 200
        assert "Kill: flatten all positions</button>" in kill.text


class TestActs:
    def test_start_leaves_a_flag_that_names_the_issued_id(self, operator: Browser, flags: Path) -> None:
        assert act(operator, "start").status_code == 200
        assert json.loads((flags / "control_start.flag").read_text()) == {"request_id": "issued-request"}

    def test_stop_is_recorded_first(self, runner: CannedRunner, operator: Browser, flags: Path) -> None:
        assert "Stop is asked for" in act(operator, "stop").json()["message"]
        assert (flags / "control_stop.flag").exists()
        name, caller, params = runner.calls[-1]
        assert (name, caller.request_id, params.act) == ("control.record_act", "request-1", Act.STOP)

    def test_stop_works_without_a_record(self, runner: CannedRunner, operator: Browser, flags: Path) -> None:
        runner.special["control.record_act"] = ApiError.of(500, "internal", "It broke")
        assert "when the control process answers again" in act(operator, "stop").json()["message"]
        assert (flags / "control_stop.flag").exists()

    def test_a_verb_carries_reason_and_request_id(self, runner: CannedRunner, operator: Browser) -> None:
        assert act(operator, "pause", reason=" news ").json() == {"state": "idle", "message": "Done."}
        name, caller, params = runner.calls[-1]
        assert (name, caller.request_id, params.reason) == ("control.pause", "request-1", "news")

    def test_a_form_goes_back_to_the_console(self, operator: Browser, flags: Path) -> None:
        answer = operator.send("/control/api/stop", {}, seen_on="/control/confirm/stop")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        assert (flags / "control_stop.flag").exists()

    def test_a_refused_form_shows_the_question_again(self, runner: CannedRunner, operator: Browser) -> None:
        runner.special["control.pause"] = ApiError.of(409, "not_now", "Entries are paused already")
        answer = operator.send("/control/api/pause", {}, seen_on="/control/confirm/pause")
        assert answer.status_code == 409
        assert "Entries are paused already" in answer.text
        assert 'action="/control/api/pause"' in answer.text

    def test_no_act_without_a_token(self, operator: Browser, flags: Path) -> None:
        assert operator.post("/control/api/kill").status_code == 400
        assert (flags / "kill_armed").exists()

    def test_a_list_is_no_confirmation(self, operator: Browser) -> None:
        token = operator.token("/control/confirm/kill")
        answer = operator.http.post("/control/api/pause", json=["x"], headers={"X-CSRFToken": token})
        assert answer.json()["code"] == "bad_request"

    def test_a_folder_that_cannot_be_written_is_said(self, operator: Browser, flags: Path) -> None:
        (flags / "control_stop.flag").mkdir()
        answer = act(operator, "stop")
        assert (answer.status_code, answer.json()["code"]) == (503, "flag_not_written")


class TestKill:
    def test_it_renames_the_armed_file_and_is_recorded(
        self, runner: CannedRunner, operator: Browser, flags: Path
    ) -> None:
        assert "Kill switch triggered" in act(operator, "kill").json()["message"]
        assert (flags / "control_kill.flag").read_text() == "armed"
        assert runner.asked["control.record_act"] == 1

    def test_twice_says_already(self, operator: Browser) -> None:
        act(operator, "kill")
        assert "already triggered" in act(operator, "kill").json()["message"]

    def test_a_record_that_hangs_does_not_hold_it_up(
        self, runner: CannedRunner, operator: Browser, flags: Path
    ) -> None:
        release = threading.Event()

        def record(*_: Any) -> Nothing:
            release.wait(10)
            return Nothing()

        runner.special["control.record_act"] = record
        began = time.monotonic()
        answer = act(operator, "kill")
        release.set()
        assert answer.status_code == 200
        assert time.monotonic() - began < 4
        assert (flags / "control_kill.flag").exists()

    def test_a_runner_that_hangs_altogether_does_not_hold_it_up(
        self, runner: CannedRunner, operator: Browser, flags: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = operator.token("/control/confirm/kill")
        release, pulled = threading.Event(), []

        def hang(*_: Any) -> Any:
            release.wait(10)
            raise ApiError.of(503, "late", "Too late")

        monkeypatch.setattr(runner, "judge", hang)
        runner.special["web.keys"] = hang
        runner.bump()
        began = time.monotonic()
        thread = threading.Thread(
            target=lambda: pulled.append(
                operator.http.post("/control/api/kill", json={}, headers={"X-CSRFToken": token}).status_code
            )
        )
        thread.start()
        wait_for((flags / "control_kill.flag").exists, 10)
        taken = time.monotonic() - began
        thread.join()
        release.set()
        assert taken < 2
        assert pulled == [200]

    @RUNNER_GONE
    def test_it_works_without_the_runner(self, runner: CannedRunner, operator: Browser, flags: Path) -> None:
        token = operator.token("/control/confirm/kill")
        runner.stop()
        runner.bump()
        assert "is not answering" in operator.get("/control/confirm/kill").text
        answer = operator.http.post("/control/api/kill", json={}, headers={"X-CSRFToken": token})
        assert answer.status_code == 200
        assert (flags / "control_kill.flag").exists()
        assert operator.http.post("/control/api/pause", json={}, headers={"X-CSRFToken": token}).status_code == 503

    def test_a_folder_that_cannot_be_written_is_said(self, operator: Browser, flags: Path) -> None:
        token = operator.token("/control/confirm/kill")
        (flags / "kill_armed").unlink()
        flags.rmdir()
        answer = operator.http.post("/control/api/kill", json={}, headers={"X-CSRFToken": token})
        assert (answer.status_code, answer.json()["code"]) == (503, "flag_not_written")


class TestStepUp:
    @pytest.fixture(autouse=True)
    def step_up(self, runner: CannedRunner) -> None:
        def stepped(caller: Any, params: Any) -> SteppedUp:
            if runner.unseal("session.step_up", caller, params) != {"password": PASSWORD}:
                raise ApiError.of(403, "bad_password", "That is not your password")
            del runner.roles[caller.session]
            runner.roles["renewed"] = Role.ADMIN
            return SteppedUp(session="renewed", until="2026-11-22T08:15:00Z")

        runner.special["session.step_up"] = stepped

    def test_the_act_and_the_browser_go_on_with_the_new_session(self, runner: CannedRunner, admin: Browser) -> None:
        answer = act(admin, "reset", typed="RIGD_US_SIM_001", reason="checked", password=PASSWORD)
        assert answer.status_code == 200
        name, caller, params = runner.calls[-1]
        assert (name, caller.session, params.typed) == ("control.reset", "renewed", "RIGD_US_SIM_001")
        assert answer.headers["Set-Cookie"].startswith("tbot_session=renewed;")

    def test_a_refused_act_keeps_the_new_session_all_the_same(self, runner: CannedRunner, admin: Browser) -> None:
        runner.special["control.reset"] = ApiError.of(400, "wrong_name", "That is not the name")
        answer = act(admin, "reset", typed="x", password=PASSWORD)
        assert answer.status_code == 400
        assert answer.headers["Set-Cookie"].startswith("tbot_session=renewed;")

    def test_a_wrong_password_does_nothing(self, runner: CannedRunner, admin: Browser) -> None:
        assert act(admin, "reset", typed="RIGD_US_SIM_001", password="wrong").status_code == 403
        assert runner.asked["control.reset"] == 0


class TestActsPage:
    def test_it_stands_where_there_is_no_console(self, runner: CannedRunner, admin: Browser) -> None:
        runner.special["control.state"] = lambda *_: documents.control_state(
            [Act.RESET], state="error", error="The disk is full.", last_good_state="idle", kill_armed=False
        )
        runner.publish("error")
        page = admin.get("/control/").text
        for words in (
            "The disk is full.",
            "last good state was idle",
            "Kill switch armed: <strong>no",
            "/control/confirm/reset",
        ):
            assert words in page

    def test_nothing_to_do_and_no_answer(self, runner: CannedRunner, admin: Browser) -> None:
        runner.special["control.state"] = lambda *_: documents.control_state([], kill_triggered=True)
        page = admin.get("/control/").text
        assert "Nothing to do here now" in page
        assert "<span>yes</span>" in page.partition("Triggered: ")[2][:400]
        runner.special["control.state"] = ApiError.of(500, "internal", "It broke")
        assert admin.get("/control/").status_code == 500


class TestOneStrategy:
    def test_it_is_paused_and_resumed_with_a_question(self, admin: Browser, runner: CannedRunner) -> None:
        runner.special["control.pause_strategy"] = lambda *_: ActOutcome(state="idle", message="Done.")
        question = "/control/strategies/open"
        assert "Hold back its entries" in admin.get(question).text
        assert admin.send(question, {"paused": "true", "reason": "wild"}, seen_on=question).status_code == 303
        assert runner.calls[-1][2] == PauseStrategy(strategy="open", paused=True, reason="wild")
        headers = {"X-CSRFToken": admin.token(question)}
        body = {"strategy": "open", "paused": False}
        answer = admin.http.post("/control/api/strategies", json=body, headers=headers)
        assert (answer.status_code, answer.json()["message"]) == (200, "Done.")
        assert admin.get("/control/strategies/moon").status_code == 404

    def test_a_refusal_is_told_with_the_question(self, admin: Browser, runner: CannedRunner) -> None:
        question = "/control/strategies/open"
        runner.special["control.pause_strategy"] = ApiError.of(409, "act_refused", "Not possible now")
        answer = admin.send(question, {"paused": "true"}, seen_on=question)
        assert (answer.status_code, "Not possible now" in answer.text) == (409, True)
        runner.special["status.document"] = ApiError.of(500, "internal", "Something went wrong")
        assert "Something went wrong" in admin.get(question).text
