"""The configuration of a bot that is set up: shown masked, changed after a review, tested, renewed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tbot_bot.api.configuration import (
    ADDED_LATER,
    AskTest,
    Category,
    Changed,
    ConfigurationView,
    ConnectionTest,
    SubmitChange,
    settings_of,
)
from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.permissions import Role
from tests.unit.web.canned import PASSWORD, CannedRunner, configuration_view
from tests.unit.web.conftest import Served
from tests.unit.web.pages import Browser

MAIL = {
    "SMTP_HOST": "mail.example.org",
    "SMTP_PORT": "587",
    "SMTP_USER": "bot",
    "SMTP_PASSWORD": "canary-secret",
    "SMTP_FROM": "bot@example.org",
    "SMTP_SECURITY": "starttls",
    "version": "1",
}


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the form on a page."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page))


def asked(runner: CannedRunner, verb: str) -> Any:
    """The last request for a verb."""
    return [params for name, _, params in runner.calls if name == verb][-1]


def reviewed(admin: Browser, **change: str) -> str:
    answer = admin.send("/configuration/smtp", MAIL | change, seen_on="/configuration")
    assert answer.status_code == 200, answer.text
    return answer.text


def token(admin: Browser) -> str:
    return re.findall(r'name="csrf-token" content="([^"]+)"', admin.get("/configuration").text)[0]


def put(admin: Browser, values: dict[str, str], **headers: str) -> Any:
    named = {"X-CSRFToken": token(admin)} | {name.replace("_", "-"): value for name, value in headers.items()}
    return admin.http.put("/configuration/api/smtp", json={"values": values}, headers=named)


def test_each_category_has_its_version_age_and_last_test(admin: Browser, runner: CannedRunner) -> None:
    page = admin.get("/configuration").text
    assert '<h2 id="generation-title">Generation 1</h2>' in page
    assert "1 h 0 min ago" in page
    assert "by ada: configuration saved" in page
    assert page.count("version 1, changed") == len(Category)
    assert "Never tested" in page
    assert "set; leave empty to keep it" in page
    assert "Simulated market (SIM)" in page
    assert '<a class="button" href="/backups/" data-panel="backups">Earlier generations</a>' in page
    assert admin.get("/configuration/").status_code == 200


def test_what_is_fixed_is_read_and_not_typed(admin: Browser) -> None:
    page = admin.get("/configuration").text
    typed = set(re.findall(r' name="([A-Z_]+)"', page))
    later = {field.name for category in ADDED_LATER for field in settings_of(category)}
    assert typed == {"SIM_SPEED", *(name for name in MAIL if name != "version"), *later}
    assert "Cannot change. The market&#39;s books began with it" in page
    assert "Cannot change. It stands in every record" in page


def test_a_running_market_says_why_it_cannot_be_changed(admin: Browser, runner: CannedRunner) -> None:
    runner.special["configuration.view"] = lambda *_: configuration_view(7, locked="Stop the bot first.")
    page = admin.get("/configuration").text
    assert "Stop the bot first." in page
    assert 'name="SIM_SPEED"' not in page
    assert 'name="SMTP_HOST"' in page


def test_while_closing_it_is_read_only(admin: Browser, runner: CannedRunner) -> None:
    runner.publish("graceful_closing_positions")
    page = admin.get("/configuration").text
    assert "Generation 1" in page
    assert "Review the change" not in page
    assert admin.get("/configuration/rotate").status_code == 404


def test_only_an_administrator_sees_it(web: Served, runner: CannedRunner) -> None:
    for role in (Role.OPERATOR, Role.AUDITOR, Role.VIEWER):
        browser = web.browser(tbot_session=runner.sign_in(role))
        assert browser.get("/configuration").status_code == 403
        assert browser.get("/configuration/api").json()["code"] == "not_allowed"


def test_a_change_is_reviewed_and_then_saved(admin: Browser, runner: CannedRunner) -> None:
    page = reviewed(admin)
    assert "Change Mail?" in page
    assert "mail.example.org" in page
    assert "canary-secret" not in page
    assert runner.asked["configuration.change"] == 0
    assert asked(runner, "configuration.preview").given == ["SMTP_PASSWORD"]
    sent = hidden(page)
    saved = admin.http.post("/configuration/smtp/save", data=sent)
    assert (saved.status_code, saved.headers["Location"]) == (303, "/configuration")
    assert "Saved: generation 2." in admin.get("/configuration").text
    assert runner.secret == {"SMTP_PASSWORD": "canary-secret"}
    change: SubmitChange = asked(runner, "configuration.change")
    assert (change.category, change.version) == ("smtp", 1)
    assert change.values == {name: MAIL[name] for name in MAIL if name not in {"version", "SMTP_PASSWORD"}}
    assert "canary-secret" not in str(runner.calls)
    (caller,) = [caller for name, caller, _ in runner.calls if name == "configuration.change"]
    assert caller.request_id == sent["request_id"]


def test_a_secret_left_empty_stays_and_one_marked_goes(admin: Browser, runner: CannedRunner) -> None:
    kept = hidden(reviewed(admin, SMTP_PASSWORD=""))
    admin.http.post("/configuration/smtp/save", data=kept)
    assert (runner.secret, asked(runner, "configuration.change").cleared) == ({}, [])
    gone = hidden(reviewed(admin, SMTP_PASSWORD="typed too", **{"clear-SMTP_PASSWORD": "yes"}))
    admin.http.post("/configuration/smtp/save", data=gone)
    assert (runner.secret, asked(runner, "configuration.change").cleared) == ({}, ["SMTP_PASSWORD"])


def test_what_was_not_touched_is_not_sent(admin: Browser, runner: CannedRunner) -> None:
    """So that a change that somebody else made meanwhile is not taken back unseen."""
    page = admin.get("/configuration").text
    shown = {name: value for name, value in hidden(page).items() if name.startswith("was-SMTP")}
    assert shown["was-SMTP_PORT"] == "587"
    sent = hidden(reviewed(admin, SMTP_PASSWORD="", SMTP_HOST="other.example.org", **shown | {"was-SMTP_USER": "bot"}))
    assert {name for name in sent if name.startswith("SMTP")} == {"SMTP_HOST", "SMTP_FROM"}
    assert asked(runner, "configuration.preview").values == {
        "SMTP_HOST": "other.example.org",
        "SMTP_FROM": "bot@example.org",
    }


def test_nothing_to_save_is_said(admin: Browser, runner: CannedRunner) -> None:
    same = {"SIM_SPEED": "120", "version": "1"}
    answer = admin.send("/configuration/broker", same, seen_on="/configuration")
    assert answer.headers["Location"] == "/configuration"
    assert "nothing to save" in admin.get("/configuration").text
    assert runner.asked["configuration.change"] == 0


def test_a_mistake_is_told_at_its_field_and_what_was_typed_stays(admin: Browser, runner: CannedRunner) -> None:
    runner.special["configuration.preview"] = ApiError.of(
        422, "form_invalid", "Please look", "Nothing was changed.", fields={"SMTP_FROM": "Sender address is needed"}
    )
    answer = admin.send("/configuration/smtp", MAIL, seen_on="/configuration")
    assert answer.status_code == 422
    assert 'aria-describedby="field-SMTP_FROM-help field-SMTP_FROM-error" aria-invalid="true"' in answer.text
    assert 'value="mail.example.org"' in answer.text
    assert "canary-secret" not in answer.text
    assert 'name="SIM_SPEED" value="120"' in answer.text


def test_the_second_of_two_keeps_what_was_typed(admin: Browser, runner: CannedRunner) -> None:
    sent = hidden(reviewed(admin))
    runner.special["configuration.change"] = ApiError.of(
        412,
        "configuration_moved",
        "Somebody else changed this meanwhile",
        "Eve changed it.",
        fields={"SMTP_PORT": "Mail port was changed from 587 to 25."},
    )
    answer = admin.http.post("/configuration/smtp/save", data=sent)
    assert answer.status_code == 412
    assert "Eve changed it." in answer.text
    assert "Mail port was changed from 587 to 25." in answer.text
    assert 'value="mail.example.org"' in answer.text
    assert "canary-secret" not in answer.text


def test_a_failing_runner_is_not_taken_for_a_refusal(admin: Browser, runner: CannedRunner) -> None:
    runner.special["configuration.preview"] = ApiError.of(503, "audit_unavailable", "The audit trail cannot be written")
    answer = admin.send("/configuration/smtp", MAIL, seen_on="/configuration")
    assert answer.status_code == 503
    assert "The audit trail cannot be written" in answer.text
    runner.special["configuration.view"] = ApiError.of(503, "store_unreadable", "Keys and secrets cannot be read")
    page = admin.get("/configuration")
    assert page.status_code == 503
    assert "data-retry-panel" in page.text


def test_a_test_without_script_keeps_what_was_typed(admin: Browser, runner: CannedRunner) -> None:
    answer = admin.send("/configuration/smtp", MAIL | {"act": "test"}, seen_on="/configuration")
    assert answer.status_code == 200
    assert 'value="mail.example.org"' in answer.text
    assert "canary-secret" not in answer.text
    assert runner.secret == {"SMTP_PASSWORD": "canary-secret"}
    runner.special["configuration.test"] = ApiError.of(409, "test_under_way", "Another test is under way")
    busy = admin.send("/configuration/smtp", MAIL | {"act": "test"}, seen_on="/configuration")
    assert busy.status_code == 409
    assert "Another test is under way" in busy.text


@pytest.mark.parametrize("address", ["/configuration/env_bot", "/configuration/nothing/save"])
def test_other_files_of_secrets_are_no_category(admin: Browser, address: str) -> None:
    assert admin.send(address, {}, seen_on="/configuration").status_code == 404


# for programs


def test_the_document_is_masked_and_a_category_has_its_etag(admin: Browser) -> None:
    view = ConfigurationView.model_validate_json(admin.get("/configuration/api").content)
    assert [item.category for item in view.items] == list(Category)
    found = admin.get("/configuration/api/smtp")
    assert found.headers["ETag"] == '"1"'
    assert found.json()["secrets"] == {"SMTP_PASSWORD": True}
    assert "SMTP_PASSWORD" not in found.json()["values"]


def test_a_program_changes_against_a_version(admin: Browser, runner: CannedRunner) -> None:
    answer = put(
        admin, {"SMTP_HOST": "h", "SMTP_PASSWORD": "canary-secret"}, If_Match='"1"', Idempotency_Key="mine-0001"
    )
    assert Changed.model_validate_json(answer.content).generation == 2
    assert answer.headers["ETag"] == '"2"'
    change: SubmitChange = asked(runner, "configuration.change")
    assert (change.version, change.values, runner.secret) == (1, {"SMTP_HOST": "h"}, {"SMTP_PASSWORD": "canary-secret"})
    assert [caller.request_id for name, caller, _ in runner.calls if name == "configuration.change"] == ["mine-0001"]
    put(admin, {"SMTP_PASSWORD": ""}, If_Match='"1"')
    assert (asked(runner, "configuration.change").cleared, runner.secret) == (["SMTP_PASSWORD"], {})


@pytest.mark.parametrize("header", [{}, {"If_Match": "*"}, {"If_Match": '"one"'}, {"If_Match": '"1", "2"'}])
def test_a_change_without_a_version_is_refused(admin: Browser, runner: CannedRunner, header: dict[str, str]) -> None:
    answer = put(admin, {"SMTP_HOST": "h"}, **header)
    assert (answer.status_code, Problem.model_validate_json(answer.content).code) == (428, "no_if_match")
    assert runner.asked["configuration.change"] == 0


def test_a_body_of_another_shape_is_a_bad_request(admin: Browser, runner: CannedRunner) -> None:
    headers = {"X-CSRFToken": token(admin), "If-Match": '"1"'}
    for body in ([], {"values": {"SMTP_PORT": 25}}, {"SMTP_PORT": "25"}):
        answer = admin.http.put("/configuration/api/smtp", json=body, headers=headers)
        assert answer.status_code == 400, body
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert runner.asked["configuration.change"] == 0


def test_a_program_tests_a_connection(admin: Browser, runner: CannedRunner) -> None:
    headers = {"X-CSRFToken": token(admin)}
    body = {"values": {"SMTP_HOST": "h", "SMTP_PASSWORD": "canary-secret"}}
    answer = admin.http.post("/configuration/api/smtp/test", json=body, headers=headers)
    assert ConnectionTest.model_validate_json(answer.content).ok
    tried: AskTest = asked(runner, "configuration.test")
    assert (tried.values, runner.secret) == ({"SMTP_HOST": "h"}, {"SMTP_PASSWORD": "canary-secret"})


# rotation by hand


def test_renewing_asks_for_a_reason_and_the_password(admin: Browser, runner: CannedRunner) -> None:
    page = admin.get("/configuration/rotate").text
    assert "Renew every key and secret?" in page
    typed = {"reason": "a laptop was lost", "password": "wrong"}
    wrong = admin.send("/configuration/rotate", typed, seen_on="/configuration/rotate")
    assert wrong.status_code == 409
    assert 'value="a laptop was lost"' in wrong.text
    empty = admin.send("/configuration/rotate", {"reason": " ", "password": PASSWORD}, seen_on="/configuration/rotate")
    assert empty.status_code == 422
    assert "Say why." in empty.text
    done = admin.send("/configuration/rotate", typed | {"password": PASSWORD}, seen_on="/configuration/rotate")
    assert done.headers["Location"] == "/configuration"
    assert "renewed: generation 2." in admin.get("/configuration").text
    assert asked(runner, "secrets.rotate").reason == "a laptop was lost"
