"""From the printed address to the first administrator."""

from __future__ import annotations

import json
import re

import pytest

from tbot_bot.api.errors import ApiError
from tests.unit.web.canned import CODES, SETUP_SESSION, TOKEN, CannedRunner, steps_of
from tests.unit.web.conftest import Served
from tests.unit.web.pages import Browser


@pytest.fixture
def setup(web: Served, runner: CannedRunner) -> Browser:
    """A browser with a setup session, in the first state."""
    runner.publish("initialize")
    return web.browser(tbot_setup=SETUP_SESSION)


def flag(runner: CannedRunner) -> dict[str, str]:
    path = runner.root / "control" / "flags" / "provision.flag"
    found: dict[str, str] = json.loads(path.read_text())
    return found


def test_the_printed_address_is_exchanged_and_cleaned(web: Served, runner: CannedRunner) -> None:
    runner.publish("initialize")
    browser = web.browser()
    answer = browser.get(f"/configuration?setup={TOKEN}")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert browser.cookies()["tbot_setup"] == SETUP_SESSION
    assert 'name="ENTITY_CODE"' in browser.get("/configuration").text


def test_without_the_token_the_pages_only_ask_for_it(web: Served, runner: CannedRunner) -> None:
    runner.publish("initialize")
    browser = web.browser()
    page = browser.get("/configuration")
    assert 'name="token"' in page.text
    assert 'name="ENTITY_CODE"' not in page.text
    assert browser.send("/configuration", {"ENTITY_CODE": "X"}, seen_on="/configuration").status_code == 303
    assert runner.asked["configuration.submit"] == 0
    assert browser.get("/configuration/api/progress").status_code == 401
    wrong = browser.send("/configuration/token", {"token": "wrong"}, seen_on="/configuration")
    assert wrong.status_code == 401
    assert "not the setup token" in wrong.text
    right = browser.send("/configuration/token", {"token": f" {TOKEN} "}, seen_on="/configuration")
    assert right.headers["Location"] == "/"
    assert browser.get("/configuration/api/progress").status_code == 200


def test_a_failing_runner_is_not_taken_for_a_wrong_token(web: Served, runner: CannedRunner) -> None:
    runner.publish("initialize")
    runner.special["setup.exchange"] = ApiError.of(500, "internal", "Something went wrong inside")
    assert web.browser().get("/configuration?setup=x").status_code == 500


def test_the_form_follows_from_the_declared_settings(setup: Browser) -> None:
    page = setup.get("/configuration").text
    assert 'name="SIM_SPEED" value="120"' in page
    assert 'name="BOT_ID" value="007"' in page
    assert '<option value="SIM" selected>Simulated market (SIM)</option>' in page
    assert '<option value="starttls" selected>STARTTLS</option>' in page
    assert "Allowed: text" not in page
    assert "Stored encrypted, never shown again.</p>" in page
    assert "ALPACA" not in page
    assert [group for group in ("Identity", "Simulated market", "Mail") if f"<legend>{group}" in page] == [
        "Identity",
        "Simulated market",
        "Mail",
    ]


def test_save_alone_is_enough(setup: Browser, runner: CannedRunner) -> None:
    answer = setup.send("/configuration", {}, seen_on="/configuration")
    assert answer.headers["Location"] == "/configuration/wait"
    (submitted,) = [(caller, params) for verb, caller, params in runner.calls if verb == "configuration.submit"]
    assert submitted[1].sealed is None  # type: ignore[attr-defined]  # a SubmitConfiguration
    assert flag(runner) == {"request_id": submitted[0].request_id}


def test_secrets_travel_sealed(setup: Browser, runner: CannedRunner) -> None:
    mail = {
        "SMTP_HOST": "mail.example.org",
        "SMTP_FROM": "bot@example.org",
        "SMTP_USER": "bot",
        "SMTP_PASSWORD": "canary-secret",
    }
    assert setup.send("/configuration", mail, seen_on="/configuration").status_code == 303
    caller, params = next((caller, params) for verb, caller, params in runner.calls if verb == "configuration.submit")
    assert "canary-secret" not in params.model_dump_json()
    assert runner.unseal("configuration.submit", caller, params) == {"SMTP_PASSWORD": "canary-secret"}
    assert "SMTP_PASSWORD" not in params.values  # type: ignore[attr-defined]  # a SubmitConfiguration
    assert "canary" not in (runner.root / "control" / "flags" / "provision.flag").read_text()


def test_wrong_input_is_kept_and_explained_in_place(setup: Browser, runner: CannedRunner) -> None:
    typed = {"SIM_SPEED": "0", "ENTITY_CODE": "ACME", "SMTP_PASSWORD": "canary-secret"}
    answer = setup.send("/configuration", typed, seen_on="/configuration")
    assert answer.status_code == 400
    assert "Market speed must be between 1 and 36000" in answer.text
    assert 'value="ACME"' in answer.text
    assert "canary-secret" not in answer.text
    assert runner.asked["configuration.submit"] == 0


def test_what_the_runner_refuses_is_explained_in_place_too(setup: Browser, runner: CannedRunner) -> None:
    runner.special["configuration.submit"] = ApiError.of(
        400, "bad_input", "Refused", fields={"SIM_REPLAY_DIR": "There are no bars in that folder."}
    )
    answer = setup.send("/configuration", {"ENTITY_CODE": "ACME"}, seen_on="/configuration")
    assert answer.status_code == 400
    assert "no bars in that folder" in answer.text
    assert 'value="ACME"' in answer.text
    runner.special["configuration.submit"] = ApiError.of(409, "wrong_phase", "Already stored")
    assert setup.send("/configuration", {}, seen_on="/configuration").status_code == 409


def test_a_go_ahead_that_cannot_be_written_is_told(setup: Browser, runner: CannedRunner) -> None:
    token = setup.token("/configuration")
    (runner.root / "control" / "flags").rmdir()
    answer = setup.post("/configuration", {"csrf_token": token})
    assert answer.status_code == 503
    assert "go-ahead could not be written" in answer.text


def test_the_wait_shows_each_step_and_a_retry_for_a_failed_one(setup: Browser, runner: CannedRunner) -> None:
    runner.saved = True
    assert setup.get("/configuration").headers["Location"] == "/configuration/wait"
    runner.steps = steps_of({"keys": "done", "databases": "running", "chart": "waiting"})
    page = setup.get("/configuration/wait").text
    assert "1 of 3 steps done" in page
    assert "Retry" not in page
    runner.steps, runner.failed = steps_of({"keys": "done", "databases": "failed"}), True
    assert "Retry the failed step" in setup.get("/configuration/wait").text
    assert setup.get("/configuration/api/progress").json()["failed"] is True
    assert setup.send("/configuration/retry", {}, seen_on="/configuration/wait").status_code == 303
    assert runner.asked["provision.retry"] == 1


FORM = {"username": "ada", "email": "ada@example.org", "password": "correct horse", "confirm_password": "correct horse"}


def test_the_first_administrator_gets_recovery_codes_once(setup: Browser, runner: CannedRunner) -> None:
    runner.publish("registration")
    answer = setup.send("/register", FORM, seen_on="/register")
    assert answer.status_code == 200
    assert re.findall(r"<li><code>([^<]+)</code>", answer.text) == CODES
    assert answer.headers["Cache-Control"] == "no-store"
    assert any(line.startswith("tbot_setup=;") for line in answer.headers.get_list("Set-Cookie"))
    assert "correct horse" not in str(runner.calls)
    caller, params = next((caller, params) for verb, caller, params in runner.calls if verb == "register.first_admin")
    typed = {"password": "correct horse", "confirm_password": "correct horse"}
    assert runner.unseal("register.first_admin", caller, params) == typed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"username": "root", "email": "nobody", "confirm_password": "other"}, "root is not allowed."),
        ({"username": "root", "email": "x" * 5000}, "root is not allowed."),
    ],
)
def test_a_registration_that_cannot_be_right_is_explained(
    setup: Browser, runner: CannedRunner, change: dict[str, str], message: str
) -> None:
    runner.publish("registration")
    answer = setup.send("/register", FORM | change, seen_on="/register")
    assert answer.status_code == 400
    assert message in answer.text
    assert runner.asked["register.first_admin"] == 1  # one judge, so that all mistakes are told at once
    assert "correct horse" not in answer.text


def test_a_refusal_that_concerns_no_field_is_shown_as_it_is(setup: Browser, runner: CannedRunner) -> None:
    runner.publish("registration")
    runner.special["register.first_admin"] = ApiError.of(409, "admin_exists", "There is an administrator already")
    answer = setup.send("/register", FORM, seen_on="/register")
    assert answer.status_code == 409
    assert "There is an administrator already" in answer.text
