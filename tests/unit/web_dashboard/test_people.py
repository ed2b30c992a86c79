"""The people's page, the page of one person, the page behind a one-time link, and the same for programs."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tbot_bot.api import users
from tbot_bot.api.errors import ApiError
from tbot_bot.api.model import Nothing
from tbot_bot.api.permissions import Role
from tests.unit.web.canned import PASSWORD, CannedRunner
from tests.unit.web.conftest import Served
from tests.unit.web.pages import Browser
from tests.unit.web_dashboard.canned_people import ANSWERS, CODES, TOKEN

ADD = {"username": "Eve", "email": "eve@example.org", "role": "viewer", "password": PASSWORD}


@pytest.fixture(autouse=True)
def people(runner: CannedRunner) -> None:
    def choose(caller: Any, params: users.ChoosePassword) -> users.PasswordChosen:
        secret = runner.unseal("link.choose_password", caller, params)
        if secret["password"] != secret["confirm_password"]:
            raise ApiError.of(422, "invalid_input", "Look", fields={"confirm_password": "The two passwords differ."})
        codes = CODES if params.kind is users.LinkKind.INVITATION else []
        return users.PasswordChosen(username="Bob", recovery_codes=codes, generation=5)

    runner.special["link.choose_password"] = choose


def asked(runner: CannedRunner, verb: str) -> list[Any]:
    return [params for name, _, params in runner.calls if name == verb]


class TestList:
    def test_everybody_with_role_and_status(self, admin: Browser) -> None:
        page = admin.get("/users/").text
        assert all(name in page for name in ("ada", "Bob", "Carol", "Dora", "Invited", "Disabled", "4 of 4"))
        assert page.count('class="badge">you<') == 1
        assert "never" in page

    def test_filtered(self, admin: Browser) -> None:
        page = admin.get("/users/?text=BOB%40example").text
        assert "1 of 4" in page
        assert "Carol" not in page
        assert "Nobody matches" in admin.get("/users/?role=auditor").text

    def test_for_administrators_alone(self, web: Served, runner: CannedRunner) -> None:
        for role in (Role.OPERATOR, Role.AUDITOR, Role.VIEWER):
            browser = web.browser(tbot_session=runner.sign_in(role))
            assert browser.get("/users/").status_code == 403
            assert browser.get("/users/api").json()["code"] == "not_allowed"
        assert asked(runner, "users.list") == []

    def test_a_runner_that_fails(self, admin: Browser, runner: CannedRunner) -> None:
        runner.special["users.list"] = ApiError.of(503, "users_unavailable", "The users database cannot be used")
        page = admin.get("/users/")
        assert (page.status_code, "The users database cannot be used" in page.text) == (503, True)


class TestAdd:
    def test_the_link_is_shown_in_the_answer_and_nowhere_else(self, admin: Browser, runner: CannedRunner) -> None:
        page = admin.send("/users/", ADD, seen_on="/users/")
        assert f"/password_reset/link/invitation?token={TOKEN}" in page.text
        assert "no-store" in page.headers["Cache-Control"]
        assert TOKEN not in admin.get("/users/").text
        (sent,) = asked(runner, "users.invite")
        assert sent == users.InvitePerson(username="Eve", email="eve@example.org", role=Role.VIEWER)
        assert PASSWORD not in str(runner.calls)

    def test_a_mailed_link_is_not_shown(self, admin: Browser, runner: CannedRunner) -> None:
        page = admin.send("/users/", ADD | {"by_mail": "true"}, seen_on="/users/").text
        assert "A link is on its way to eve@example.org" in page
        assert TOKEN not in page
        assert asked(runner, "users.invite")[0].by_mail

    def test_a_refusal_keeps_what_was_typed(self, admin: Browser, runner: CannedRunner) -> None:
        runner.special["users.invite"] = ApiError.of(
            422, "invalid_input", "Please look", fields={"username": "Somebody has this username already."}
        )
        page = admin.send("/users/", ADD, seen_on="/users/")
        assert page.status_code == 422
        assert "Somebody has this username already." in page.text
        assert 'value="eve@example.org"' in page.text
        assert PASSWORD not in page.text

    def test_a_wrong_password_adds_nobody(self, admin: Browser, runner: CannedRunner) -> None:
        assert admin.send("/users/", ADD | {"password": "guess"}, seen_on="/users/").status_code == 409
        assert admin.send("/users/", ADD | {"role": "emperor"}, seen_on="/users/").status_code == 400
        assert asked(runner, "users.invite") == []


class TestOne:
    def test_what_can_be_done(self, admin: Browser) -> None:
        page = admin.get("/users/2").text
        for words in ("Save the change of Bob", "Reset the password for Bob", "Delete Bob", "End every session"):
            assert words in page
        assert "Make a new invitation for Carol" in admin.get("/users/3").text
        assert "Reset the password for" not in admin.get("/users/4").text

    def test_how_far_a_mail_came(self, admin: Browser) -> None:
        page = admin.get("/users/2").text
        assert "Waiting" in page
        assert "tried 2 times: mail refused the login." in page

    def test_not_to_oneself(self, admin: Browser) -> None:
        page = admin.get("/users/1").text
        assert "Delete ada" not in page
        assert "changed by another administrator" in page

    def test_nobody(self, admin: Browser) -> None:
        assert admin.get("/users/77").status_code == 404
        assert admin.get("/users/x").status_code == 404

    def test_a_change(self, admin: Browser, runner: CannedRunner) -> None:
        form = {"version": "3", "email": "b@example.org", "role": "auditor", "status": "active", "password": PASSWORD}
        assert admin.send("/users/2", form, seen_on="/users/2").headers["Location"] == "/users/2"
        assert "Bob was changed: generation 4." in admin.get("/users/2").text
        (sent,) = asked(runner, "users.change")
        assert sent == users.ChangePerson(id=2, version=3, email="b@example.org", role="auditor", status="active")
        moved = admin.send("/users/2", form | {"version": "2"}, seen_on="/users/2")
        assert (moved.status_code, "Somebody else changed this person" in moved.text) == (412, True)
        assert admin.send("/users/2", form | {"version": "x"}, seen_on="/users/2").status_code == 400

    def test_a_reset_shows_the_link(self, admin: Browser) -> None:
        page = admin.send("/users/2/reset", {"version": "3", "password": PASSWORD}, seen_on="/users/2").text
        assert f"/password_reset/link/reset?token={TOKEN}" in page

    def test_a_refused_reset(self, admin: Browser, runner: CannedRunner) -> None:
        runner.special["users.reset"] = ApiError.of(409, "last_admin", "This was refused", "The last administrator.")
        page = admin.send("/users/2/reset", {"version": "3", "password": PASSWORD}, seen_on="/users/2")
        assert (page.status_code, "The last administrator." in page.text) == (409, True)

    def test_a_deletion_wants_the_name(self, admin: Browser) -> None:
        form = {"version": "3", "typed": "bobby", "password": PASSWORD}
        wrong = admin.send("/users/2/delete", form, seen_on="/users/2")
        assert (wrong.status_code, "Type bob to confirm." in wrong.text) == (422, True)
        done = admin.send("/users/2/delete", form | {"typed": "bob"}, seen_on="/users/2")
        assert done.headers["Location"] == "/users/"
        assert "bob was deleted." in admin.get("/users/").text

    def test_sessions_are_ended(self, admin: Browser, runner: CannedRunner) -> None:
        assert admin.send("/users/2/sessions/end", {}, seen_on="/users/2").headers["Location"] == "/users/2"
        assert "2 sessions ended." in admin.get("/users/2").text
        runner.special["users.end_sessions"] = ApiError.of(503, "audit", "The audit trail cannot be written")
        assert admin.send("/users/2/sessions/end", {}, seen_on="/users/2").status_code == 503


class TestForPrograms:
    def send(self, admin: Browser, method: str, path: str, body: object, **headers: str) -> httpx2.Response:
        own = {"X-CSRFToken": admin.token("/users/"), "Idempotency-Key": "request-0001"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return admin.http.request(method, path, json=body, headers=own | named)

    def test_every_act(self, admin: Browser, runner: CannedRunner) -> None:
        assert [one["username"] for one in admin.get("/users/api").json()["items"]] == ["ada", "Bob", "Carol", "Dora"]
        read = admin.get("/users/api/2")
        assert (read.headers["ETag"], read.json()["person"]["username"]) == ('"3"', "Bob")
        assert self.send(admin, "POST", "/users/api", ADD).json()["token"] == TOKEN
        body = {"email": "b@example.org", "role": "auditor", "status": "active", "password": PASSWORD}
        changed = self.send(admin, "PUT", "/users/api/2", body, If_Match='"3"')
        assert (changed.headers["ETag"], changed.json()["generation"]) == ('"4"', 4)
        reset = self.send(admin, "POST", "/users/api/2/reset", {"password": PASSWORD}, If_Match='"3"')
        assert reset.json()["kind"] == "reset"
        assert self.send(admin, "POST", "/users/api/2/sessions/end", {}).json() == {"ended": 2}
        gone = self.send(admin, "DELETE", "/users/api/2", {"typed": "bob", "password": PASSWORD}, If_Match='"3"')
        assert (gone.json()["person"], "ETag" in gone.headers) == (None, False)
        for verb in ("users.invite", "users.change", "users.reset", "users.delete"):
            (caller,) = [caller for name, caller, _ in runner.calls if name == verb]
            assert caller.request_id == "request-0001"

    def test_a_change_says_which_version(self, admin: Browser) -> None:
        body = {"email": "b@example.org", "role": "auditor", "status": "active", "password": PASSWORD}
        for tag in ({}, {"If_Match": '"x"'}, {"If_Match": '"1", "2"'}):
            answer = self.send(admin, "PUT", "/users/api/2", body, **tag)
            assert (answer.status_code, answer.json()["code"]) == (428, "no_if_match")
        assert self.send(admin, "PUT", "/users/api/2", body, If_Match='"2"').status_code == 412

    def test_what_is_wrong_is_named_and_never_repeated(self, admin: Browser) -> None:
        answer = self.send(admin, "POST", "/users/api", ADD | {"password": ["hunter2"], "status": "active"})
        assert answer.status_code == 400
        assert answer.json()["fields"].keys() == {"password", "status"}
        assert "hunter2" not in answer.text


class TestLink:
    def follow(self, browser: Browser, kind: str = "invitation", token: str = TOKEN) -> httpx2.Response:
        answer = browser.get(f"/password_reset/link/{kind}?token={token}")
        assert answer.headers["Location"] == "/password_reset/form"
        (cookie,) = answer.headers.get_list("Set-Cookie")
        assert "HttpOnly" in cookie
        return browser.get("/password_reset/form")

    def test_an_invitation_leads_to_a_password_and_codes(self, web: Served, runner: CannedRunner) -> None:
        browser = web.browser()
        page = self.follow(browser)
        assert "Choose a password, Bob" in page.text
        assert TOKEN not in page.text
        form = {"password": "better horse", "confirm_password": "better horse"}
        done = browser.send("/password_reset/form", form, seen_on="/password_reset/form")
        assert all(code in done.text for code in CODES)
        assert "tbot_link" not in browser.cookies()
        assert "better horse" not in str(runner.calls) + done.text

    def test_a_reset_shows_no_codes(self, web: Served) -> None:
        browser = web.browser()
        self.follow(browser, "reset")
        form = {"password": "better horse", "confirm_password": "better horse"}
        done = browser.send("/password_reset/form", form, seen_on="/password_reset/form").text
        assert "Your password is set, Bob" in done
        assert "codes" not in done.partition("same as before")[2]

    def test_what_is_wrong_is_said_in_its_place(self, web: Served) -> None:
        browser = web.browser()
        self.follow(browser)
        form = {"password": "better horse", "confirm_password": "other"}
        wrong = browser.send("/password_reset/form", form, seen_on="/password_reset/form")
        assert (wrong.status_code, "The two passwords differ." in wrong.text) == (422, True)
        assert "better horse" not in wrong.text

    def test_a_dead_link_and_none(self, web: Served) -> None:
        dead = self.follow(web.browser(), token="other")
        assert (dead.status_code, "This link cannot be used" in dead.text) == (401, True)
        none = web.browser().get("/password_reset/form")
        assert (none.status_code, "A link is needed here" in none.text) == (401, True)
        assert web.browser().get("/password_reset/link/other?token=x").status_code == 404

    def test_a_runner_that_fails(self, web: Served, runner: CannedRunner) -> None:
        runner.special["link.holder"] = ApiError.of(503, "users_unavailable", "The users database cannot be used")
        assert self.follow(web.browser()).status_code == 503
        browser = web.browser()
        runner.special["link.holder"] = ANSWERS["link.holder"]
        self.follow(browser)
        runner.special["link.choose_password"] = ApiError.of(507, "full", "The disk is full")
        assert browser.send("/password_reset/form", {}, seen_on="/password_reset/form").status_code == 507


class TestLostPassword:
    @pytest.mark.parametrize("name", ["ada", "nobody", "ada@example.org", "", "x" * 400])
    def test_the_answer_is_the_same_for_everybody(self, web: Served, runner: CannedRunner, name: str) -> None:
        browser = web.browser()
        answer = browser.send("/password_reset/", {"name": name}, seen_on="/password_reset/")
        assert answer.status_code == 200
        assert "If there is an account of that name or address" in answer.text
        assert len(asked(runner, "link.ask_reset")) == 1

    def test_too_often_is_said(self, web: Served, runner: CannedRunner) -> None:
        runner.special["link.ask_reset"] = ApiError.of(429, "too_many", "Too many tries", retry_after_s=8)
        answer = web.browser().send("/password_reset/", {"name": "ada"}, seen_on="/password_reset/")
        assert (answer.status_code, "Too many tries" in answer.text) == (429, True)
        runner.special["link.ask_reset"] = ApiError.of(503, "users_unavailable", "The users database cannot be used")
        assert web.browser().send("/password_reset/", {"name": "a"}, seen_on="/password_reset/").status_code == 503

    def test_without_mail_it_says_what_can_be_done(self, web: Served, runner: CannedRunner) -> None:
        runner.special["link.ways"] = lambda *_: users.LinkWays(by_mail=False)
        page = web.browser().get("/password_reset/").text
        assert "An administrator makes a link for you" in page
        assert "<form" not in page
        assert "/password_reset/" in web.browser().get("/login").text
        runner.publish("registration")
        assert web.browser().get("/password_reset/").status_code == 200


class TestAddress:
    @pytest.fixture(autouse=True)
    def confirming(self, runner: CannedRunner) -> None:
        def confirm(caller: Any, params: users.ConfirmEmail) -> users.EmailConfirmed:
            if runner.unseal("link.confirm_email", caller, params)["token"] != TOKEN:
                raise ApiError.of(401, "link_refused", "This link cannot be used")
            return users.EmailConfirmed(email="new@example.org", generation=6)

        runner.special["link.confirm_email"] = confirm

    def test_a_link_asks_before_it_changes_anything(self, web: Served, runner: CannedRunner) -> None:
        browser = web.browser()
        led = browser.get(f"/password_reset/link/email?token={TOKEN}").headers["Location"]
        assert "Confirm my address" in browser.get(led).text
        assert asked(runner, "link.confirm_email") == []
        done = browser.send(led, {}, seen_on=led)
        assert "Your mail address is new@example.org" in done.text
        assert "tbot_link" not in browser.cookies()

    def test_a_dead_link_and_none(self, web: Served, runner: CannedRunner) -> None:
        browser = web.browser()
        none = browser.send("/password_reset/address", {}, seen_on="/password_reset/address")
        assert (none.status_code, "A link is needed here" in none.text) == (401, True)
        browser.get("/password_reset/link/email?token=other")
        dead = browser.send("/password_reset/address", {}, seen_on="/password_reset/address")
        assert (dead.status_code, "This link cannot be used" in dead.text) == (401, True)
        runner.special["link.confirm_email"] = ApiError.of(507, "full", "The disk is full")
        assert browser.send("/password_reset/address", {}, seen_on="/password_reset/address").status_code == 507

    def test_asked_for_on_the_account_page(self, admin: Browser, runner: CannedRunner) -> None:
        runner.special["account.change_email"] = lambda *_: Nothing()
        form = {"email": "new@example.org", "password": PASSWORD}
        assert admin.send("/account/email", form, seen_on="/account/").headers["Location"] == "/account/"
        assert "A link was sent to new@example.org." in admin.get("/account/").text
        runner.special["account.change_email"] = ApiError.of(
            422, "invalid_input", "Please look", fields={"email": "An email address has the form name@example.org."}
        )
        wrong = admin.send("/account/email", form | {"email": "x"}, seen_on="/account/")
        assert (wrong.status_code, "has the form name@example.org" in wrong.text) == (422, True)
