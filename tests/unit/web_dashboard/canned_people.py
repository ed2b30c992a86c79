"""People as a runner would tell of them."""

from __future__ import annotations

from typing import Any

from tbot_bot.api import sessions, users
from tbot_bot.api.errors import ApiError
from tbot_bot.api.model import Nothing
from tbot_bot.api.permissions import Role

AT = "2026-11-22T07:00:00Z"
TOKEN = "a-token-of-one-time"
CODES = ["AAAA-BBBB", "CCCC-DDDD"]


def person(number: int, name: str, role: Role = Role.VIEWER, **changes: Any) -> users.Person:
    told = {
        "id": number,
        "username": name,
        "email": f"{name.lower()}@example.org",
        "role": role,
        "status": users.PersonStatus.ACTIVE,
        "created_at": AT,
        "changed_at": AT,
        "last_sign_in_at": AT,
        "recovery_codes_left": 10,
        "second_factor": number == 2,
        "sessions": 1,
        "version": 3,
        "is_you": number == 1,
    }
    return users.Person.model_validate(told | changes)


EVERYBODY = [
    person(1, "ada", Role.ADMIN),
    person(2, "Bob", Role.OPERATOR),
    person(3, "Carol", status="invited", last_sign_in_at=None, sessions=0, recovery_codes_left=0),
    person(4, "Dora", status="disabled", sessions=0),
]


def _found(number: int) -> users.Person:
    found = next((one for one in EVERYBODY if one.id == number), None)
    if found is None:
        raise ApiError.of(404, "unknown_user", "There is no such person")
    return found


def _view(_caller: Any, asked: users.AskPerson) -> users.PersonDetail:
    session = sessions.OwnSession(
        handle="h", device="Firefox on Linux", address="192.0.2.7", created_at=AT, last_seen_at=AT, current=False
    )
    shown = _found(asked.id)
    letter = users.PersonLetter(kind="reset", state="waiting", asked_at=AT, tries=2, error="mail refused the login.")
    return users.PersonDetail(person=shown, sessions=[session] * shown.sessions, letter=letter, by_mail=True)


def _link(of: users.Person, kind: users.LinkKind, *, by_mail: bool) -> users.PersonLink:
    token = None if by_mail else TOKEN
    return users.PersonLink(generation=4, person=of, kind=kind, token=token, expires_at=AT)


def _change(_caller: Any, asked: users.ChangePerson) -> users.PersonChanged:
    if asked.version != _found(asked.id).version:
        raise ApiError.of(412, "user_moved", "Somebody else changed this person meanwhile")
    made = person(asked.id, "Bob", asked.role, version=4, email=asked.email)
    return users.PersonChanged(generation=4, person=made, message="Bob was changed: generation 4.")


def _delete(_caller: Any, asked: users.DeletePerson) -> users.PersonChanged:
    if asked.typed != "bob":
        raise ApiError.of(422, "typed_wrong", "The name does not match", fields={"typed": "Type bob to confirm."})
    return users.PersonChanged(generation=4, person=None, message="bob was deleted.")


def _holder(_caller: Any, asked: users.AskLink) -> users.LinkHolder:
    if asked.token != TOKEN:
        raise ApiError.of(401, "link_refused", "This link cannot be used", "Ask for another.")
    return users.LinkHolder(username="Bob")


ANSWERS: dict[str, Any] = {
    "users.list": lambda *_: users.People(items=EVERYBODY, by_mail=True),
    "users.view": _view,
    "users.invite": lambda _caller, asked: _link(
        person(9, asked.username, asked.role, status="invited"), users.LinkKind.INVITATION, by_mail=asked.by_mail
    ),
    "users.change": _change,
    "users.delete": _delete,
    "users.reset": lambda _caller, asked: _link(_found(asked.id), users.LinkKind.RESET, by_mail=asked.by_mail),
    "users.end_sessions": lambda *_: users.SessionsEnded(ended=2),
    "link.holder": _holder,
    "link.ways": lambda *_: users.LinkWays(by_mail=True),
    "link.ask_reset": lambda *_: Nothing(),
}
