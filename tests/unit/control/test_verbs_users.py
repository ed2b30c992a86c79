"""People as the portal asks for them: proof first, one rotation a change, told with its generation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tbot_bot.api.errors import ApiError
from tbot_bot.api.permissions import Role
from tbot_bot.api.users import PersonStatus
from tbot_bot.control.letterbox import Letterbox
from tbot_bot.control.verbs_sessions import SessionVerbs
from tbot_bot.control.verbs_users import UserVerbs
from tbot_bot.identity.errors import LinkRefusedError, UnknownUserError
from tests.support.mail import MailServer
from tests.unit.control.backstage import PASSWORD, Backstage, call

NEW = "nine loud sparrows"


class Desk:
    """An administrator at work, who has just typed the password again."""

    def __init__(self, house: Backstage) -> None:
        self.house = house
        self.letterbox = Letterbox(house.foundation, "http://portal")
        self.handlers = (
            UserVerbs(house.foundation, house.unsealer, self.letterbox).handlers()
            | SessionVerbs(house.foundation, house.unsealer).handlers()
        )
        self.session = house.foundation.sessions.step_up(house.sign_in("admin"), PASSWORD).session_id

    def ask(self, verb: str, request_id: str = "", **params: object) -> Any:
        return call(self.handlers, verb, self.house.caller(self.session, request_id=request_id), **params)

    def ask_sealed(self, verb: str, secret: Mapping[str, str], **params: object) -> Any:
        caller = self.house.caller()
        box = self.house.sealed(verb, caller.request_id, secret, **params)
        return call(self.handlers, verb, caller, sealed=box, **params)

    def person(self, name: str) -> Any:
        return next(one for one in self.ask("users.list").items if one.username == name)

    def choose(self, made: Any, password: str = PASSWORD) -> Any:
        secret = {"token": made.token, "password": password, "confirm_password": password}
        return self.ask_sealed("link.choose_password", secret, kind=made.kind)


@pytest.fixture
def desk(house: Backstage) -> Desk:
    return Desk(house)


def test_everybody_is_listed_by_name(desk: Desk) -> None:
    items = desk.ask("users.list").items
    assert [one.username for one in items] == ["Admin", "Auditor", "Operator", "Viewer"]
    admin = items[0]
    assert (admin.role, admin.status, admin.sessions, admin.is_you) == ("admin", PersonStatus.ACTIVE, 1, True)
    assert (admin.last_sign_in_at, items[1].last_sign_in_at) == ("2026-03-02T09:00:00Z", None)


def test_someone_new_comes_in_by_a_link(desk: Desk) -> None:
    before = desk.house.foundation.generation
    made = desk.ask("users.invite", username="Bob", email="bob@example.org", role="operator")
    assert (made.generation, made.kind, made.person.status) == (before + 1, "invitation", PersonStatus.INVITED)
    assert made.expires_at == "2026-03-05T09:00:00Z"
    assert desk.ask("link.holder", kind=made.kind, token=made.token).username == "Bob"
    chosen = desk.choose(made)
    assert (chosen.username, len(chosen.recovery_codes), chosen.generation) == ("Bob", 10, before + 2)
    with pytest.raises(LinkRefusedError):
        desk.choose(made)
    desk.house.sign_in("bob")
    assert desk.person("Bob").status is PersonStatus.ACTIVE
    with desk.house.foundation.secrets.current() as pinned:
        assert made.token not in pinned.manifest.model_dump_json()


def test_a_person_is_changed_reset_and_removed(desk: Desk) -> None:
    session = desk.house.sign_in("viewer")
    viewer = desk.person("Viewer")
    changed = desk.ask(
        "users.change", id=viewer.id, version=viewer.version, email=viewer.email, role="auditor", status="active"
    )
    assert (changed.person.role, changed.person.version) == ("auditor", changed.generation)
    assert f"generation {changed.generation}" in changed.message
    assert desk.house.caller(session).verdict.user_id is None
    link = desk.ask("users.reset", id=viewer.id, version=changed.person.version)
    assert (link.kind, link.person.status) == ("reset", PersonStatus.RESET)
    desk.choose(link, NEW)
    version = desk.person("Viewer").version
    with pytest.raises(ApiError) as refused:
        desk.ask("users.delete", id=viewer.id, version=version, typed="viewers")
    assert refused.value.problem.code == "typed_wrong"
    done = desk.ask("users.delete", id=viewer.id, version=version, typed="viewer")
    assert done.person is None
    assert viewer.id not in [one.id for one in desk.ask("users.list").items]
    with pytest.raises(UnknownUserError):
        desk.ask("users.view", id=viewer.id)


def test_nothing_that_differs_renews_nothing(desk: Desk) -> None:
    viewer, before = desk.person("Viewer"), desk.house.foundation.generation
    same = desk.ask(
        "users.change", id=viewer.id, version=viewer.version, email=viewer.email, role="viewer", status="active"
    )
    assert (same.generation, same.message) == (before, "Nothing differs, so nothing was changed.")


@pytest.mark.parametrize(
    ("verb", "params"),
    [
        ("users.invite", {"username": "Bob", "email": "bob@example.org", "role": "admin"}),
        ("users.change", {"id": 4, "version": 0, "email": "x@example.org", "role": "admin", "status": "active"}),
        ("users.delete", {"id": 4, "version": 0, "typed": "viewer"}),
        ("users.reset", {"id": 4, "version": 0}),
    ],
)
def test_what_concerns_who_may_do_what_needs_the_password_again(desk: Desk, verb: str, params: dict[str, Any]) -> None:
    before = desk.house.foundation.generation
    desk.house.clock.move(minutes=11)
    with pytest.raises(ApiError) as refused:
        desk.ask(verb, **params)
    assert refused.value.problem.code == "step_up_needed"
    assert desk.house.foundation.generation == before


def test_sessions_are_seen_and_ended(desk: Desk) -> None:
    sessions = [desk.house.sign_in("viewer") for _ in range(2)]
    viewer = desk.person("Viewer")
    detail = desk.ask("users.view", id=viewer.id)
    assert (detail.person, len(detail.sessions)) == (viewer, 2)
    assert not any(one.current for one in detail.sessions)
    epoch = desk.house.home.epoch.read_text()
    assert desk.ask("users.end_sessions", id=viewer.id).ended == 2
    assert desk.house.home.epoch.read_text() != epoch
    assert {desk.house.caller(one).verdict.status for one in sessions} == {"none"}
    entry = desk.house.audited("session.revoke")[0]
    assert (entry.actor, entry.target, entry.detail) == ("Admin", "viewer", {"ended": 2})


def test_a_repeated_request_is_not_done_again(desk: Desk) -> None:
    params = {"username": "Bob", "email": "bob@example.org", "role": "viewer"}
    desk.ask("users.invite", request_id="request-0001", **params)
    before = desk.house.foundation.generation
    with pytest.raises(ApiError) as refused:
        desk.ask("users.invite", request_id="request-0001", **params | {"username": "Bobby"})
    assert (refused.value.problem.code, desk.house.foundation.generation) == ("request_repeated", before)


def test_a_change_survives_a_crash_before_it_reached_the_people(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = desk.person("Viewer")
    handlers = desk.house.foundation.rotation._handlers

    def crash(*_args: object) -> None:
        raise OSError("the power went")

    monkeypatch.setitem(handlers, "user.change", crash)
    with pytest.raises(Exception, match="could not be made yet"):
        desk.ask(
            "users.change", id=viewer.id, version=viewer.version, email=viewer.email, role="admin", status="active"
        )
    assert desk.person("Viewer").role == "viewer"
    monkeypatch.undo()
    again = Backstage(desk.house.home.root, desk.house.clock)
    user = again.foundation.people.user(viewer.id)
    assert user is not None
    assert (user.role, user.generation) == ("admin", again.foundation.generation)


def test_an_own_address_is_changed_by_a_mailed_link(empty: Backstage) -> None:
    with MailServer() as server:
        empty.configure(SMTP_HOST="localhost", SMTP_PORT=server.port, SMTP_SECURITY="none", SMTP_FROM="bot@example.org")
        empty.add_user(Role.ADMIN)
        desk = Desk(empty)
        desk.ask("account.change_email", email="new@example.org")
        desk.letterbox.letters.turn()
    (mail,) = server.mails
    assert mail["To"] == "new@example.org"
    token = mail.get_content().partition("token=")[2].split()[0]
    before = empty.foundation.generation
    done = desk.ask_sealed("link.confirm_email", {"token": token})
    assert (done.email, done.generation) == ("new@example.org", before + 1)
    assert desk.person("Admin").email == "new@example.org"
    assert desk.house.caller(desk.session).verdict.status == "active"


@pytest.mark.parametrize(
    ("verb", "params"),
    [
        ("account.change_email", {"email": "new@example.org"}),
        ("users.invite", {"username": "Bob", "email": "bob@example.org", "role": "viewer", "by_mail": True}),
        ("users.reset", {"id": 4, "version": 0, "by_mail": True}),
    ],
)
def test_without_a_mail_server_nothing_is_mailed(desk: Desk, verb: str, params: dict[str, Any]) -> None:
    before = desk.house.foundation.generation
    with pytest.raises(ApiError) as refused:
        desk.ask(verb, **params)
    assert (refused.value.problem.code, desk.house.foundation.generation) == ("no_mail_server", before)


def test_how_far_a_mail_came_is_told(empty: Backstage) -> None:
    empty.configure(SMTP_HOST="localhost", SMTP_PORT=1, SMTP_SECURITY="none", SMTP_FROM="bot@example.org")
    empty.add_user(Role.ADMIN)
    desk = Desk(empty)
    made = desk.ask("users.invite", username="Bob", email="bob@example.org", role="viewer", by_mail=True)
    assert made.token is None
    assert desk.ask("link.ways").by_mail
    desk.letterbox.letters.turn()
    letter = desk.ask("users.view", id=made.person.id).letter
    assert (letter.kind, letter.state, letter.tries) == ("invitation", "waiting", 1)
    assert "refused the connection" in letter.error
    desk.ask("link.ask_reset", name="nobody")
