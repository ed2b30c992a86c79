"""Login, sessions and one's own account, as the portal asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tbot_bot.api.errors import ApiError
from tbot_bot.api.sessions import SessionStatus, Verdict
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.control.verbs_sessions import SessionVerbs
from tbot_bot.identity.errors import WrongCredentialsError, WrongPasswordError
from tests.unit.control.backstage import PASSWORD, Backstage, call

NEW_PASSWORD = "nine loud sparrows"


class Portal:
    """Asks as the portal does."""

    def __init__(self, house: Backstage) -> None:
        self.house = house
        self.handlers: Mapping[str, Handler] = SessionVerbs(house.foundation, house.unsealer).handlers()

    def ask(self, verb: str, session: str | None = None, **params: object) -> Any:
        return call(self.handlers, verb, self.house.caller(session), **params)

    def ask_sealed(self, verb: str, secret: Mapping[str, str], session: str | None = None, **params: object) -> Any:
        caller = self.house.caller(session)
        box = self.house.sealed(verb, caller.request_id, secret, **params)
        return call(self.handlers, verb, caller, sealed=box, **params)

    def log_in(self, secret: Mapping[str, str], username: str = "viewer") -> Any:
        return self.ask_sealed("session.log_in", secret, username=username, user_agent="Firefox")

    def status(self, session: str) -> SessionStatus:
        return self.house.caller(session).verdict.status


@pytest.fixture
def portal(house: Backstage) -> Portal:
    return Portal(house)


def test_a_password_opens_a_session(portal: Portal) -> None:
    opened = portal.log_in({"password": PASSWORD})
    assert (opened.username, opened.role) == ("Viewer", "viewer")
    verdict = portal.ask("session.verdict", opened.session)
    assert isinstance(verdict, Verdict)
    assert (verdict.status, verdict.username) == (SessionStatus.ACTIVE, "Viewer")


def test_a_replayed_login_is_refused(portal: Portal) -> None:
    caller = portal.house.caller()
    params = {"username": "viewer", "user_agent": "Firefox"}
    box = portal.house.sealed("session.log_in", caller.request_id, {"password": PASSWORD}, **params)
    call(portal.handlers, "session.log_in", caller, sealed=box, **params)
    with pytest.raises(ApiError) as refused:
        call(portal.handlers, "session.log_in", caller, sealed=box, **params)
    assert refused.value.problem.code == "request_repeated"


@pytest.mark.parametrize("secret", [{"password": "wrong"}, {}, {"recovery_code": "wrong"}, {"recovery_code": ""}])
def test_anything_else_opens_none(portal: Portal, secret: dict[str, str]) -> None:
    with pytest.raises(WrongCredentialsError):
        portal.log_in(secret)


def test_a_recovery_code_opens_one_once(empty: Backstage) -> None:
    effect, codes = empty.foundation.users.prepare_first_admin("ada", "ada@example.org", PASSWORD)
    empty.foundation.users.apply_effect(effect, 1)
    portal = Portal(empty)
    opened = portal.log_in({"recovery_code": codes[0]}, "ada")
    assert portal.ask("account.view", opened.session).recovery_codes_left == len(codes) - 1
    with pytest.raises(WrongCredentialsError):
        portal.log_in({"recovery_code": codes[0]}, "ada")


def test_logging_out_ends_the_session(portal: Portal) -> None:
    session = portal.house.sign_in("viewer")
    portal.ask("session.log_out", session)
    assert portal.status(session) is SessionStatus.NONE
    portal.ask("session.log_out", session)
    portal.ask("session.log_out", None)


def test_ones_own_sessions_are_listed_and_ended(portal: Portal) -> None:
    others = portal.house.sign_in("operator")
    first, second, third = (portal.house.sign_in("viewer") for _ in range(3))
    listed = portal.ask("session.list", second).items
    assert [one.current for one in listed].count(True) == 1
    assert {one.address for one in listed} == {"192.0.2.7"}
    by_session = {one: portal.ask("session.list", one).items for one in (first, second, third)}
    handle = next(one.handle for one in by_session[first] if one.current)
    portal.ask("session.end", second, handle=handle)
    assert portal.status(first) is SessionStatus.NONE
    portal.ask("session.end", second)
    assert [portal.status(one) for one in (second, third, others)] == ["active", "none", "active"]


@pytest.mark.parametrize("verb", ["session.list", "session.end", "account.view"])
def test_without_a_session_there_is_nothing_of_ones_own(portal: Portal, verb: str) -> None:
    with pytest.raises(ApiError) as refused:
        portal.ask(verb)
    assert (refused.value.problem.status, refused.value.problem.code) == (401, "not_signed_in")


def test_a_step_up_renews_the_session(portal: Portal) -> None:
    session = portal.house.sign_in("admin")
    stepped = portal.ask_sealed("session.step_up", {"password": PASSWORD}, session)
    assert stepped.until == "2026-03-02T09:10:00Z"
    assert portal.status(session) is SessionStatus.NONE
    assert portal.house.caller(stepped.session).verdict.stepped_up_until == stepped.until


@pytest.mark.parametrize("secret", [{"password": "wrong"}, {}])
def test_a_wrong_password_steps_nobody_up(portal: Portal, secret: dict[str, str]) -> None:
    session = portal.house.sign_in("admin")
    with pytest.raises(WrongPasswordError):
        portal.ask_sealed("session.step_up", secret, session)
    assert portal.house.caller(session).verdict.stepped_up_until is None


def test_ones_own_account(portal: Portal) -> None:
    account = portal.ask("account.view", portal.house.sign_in("auditor"))
    assert account.model_dump() == {
        "username": "Auditor",
        "email": "auditor@example.org",
        "role": "auditor",
        "created_at": "2026-03-02T09:00:00Z",
        "password_changed_at": "2026-03-02T09:00:00Z",
        "recovery_codes_left": 1,
        "second_factor_since": None,
    }


def test_a_changed_password_ends_the_other_sessions(portal: Portal) -> None:
    session, other = portal.house.sign_in("viewer"), portal.house.sign_in("viewer")
    before = portal.house.foundation.generation
    secret = {"current": PASSWORD, "new": NEW_PASSWORD}
    changed = portal.ask_sealed("account.change_password", secret, session)
    assert changed.generation == before + 1
    assert [portal.status(one) for one in (session, other)] == [SessionStatus.ACTIVE, SessionStatus.NONE]
    assert portal.log_in({"password": NEW_PASSWORD}).session
    with pytest.raises(WrongCredentialsError):
        portal.log_in({"password": PASSWORD})


@pytest.mark.parametrize("secret", [{}, {"current": "wrong", "new": NEW_PASSWORD}])
def test_a_password_is_changed_only_by_who_knows_it(portal: Portal, secret: dict[str, str]) -> None:
    session = portal.house.sign_in("viewer")
    before = portal.house.foundation.generation
    with pytest.raises(Exception, match="password"):
        portal.ask_sealed("account.change_password", secret, session)
    assert portal.house.foundation.generation == before
    assert portal.log_in({"password": PASSWORD}).session


def test_a_caller_is_who_the_runner_found(portal: Portal) -> None:
    caller = portal.house.caller(portal.house.sign_in("operator"))
    assert isinstance(caller, Caller)
    assert caller.actor == "Operator"
