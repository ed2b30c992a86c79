from __future__ import annotations

import json

import pytest

from tbot_bot.domain.identity import UsersUnavailableError
from tbot_bot.identity.errors import (
    AdminExistsError,
    InvalidInputError,
    TooManyAttemptsError,
    UnknownEffectError,
    UnknownUserError,
    WrongCredentialsError,
    WrongPasswordError,
)
from tbot_bot.identity.users import EFFECT_KINDS
from tests.unit.identity.conftest import PASSWORD, House

NEW = "nine louder cranes"


def test_the_first_admin_is_made_once(empty: House) -> None:
    effect, codes = empty.users.prepare_first_admin(" Alice ", " alice@example.org ", PASSWORD)
    assert not empty.users.admin_exists()
    carried = json.loads(json.dumps(effect))
    for _ in range(3):
        empty.users.apply_effect(carried, 4)
    user = empty.users.user(1)
    assert user is not None
    assert user == empty.users.created_by(carried)
    assert (user.username, user.display, user.email, user.role) == ("alice", "Alice", "alice@example.org", "admin")
    assert (user.generation, user.created_at) == (4, empty.clock.now())
    assert empty.users.admin_exists()
    assert empty.users.recovery_codes_left(1) == len(set(codes)) == 10
    assert empty.users.user(2) is None
    assert empty.changes == 1


def test_an_effect_holds_nothing_that_lets_in(empty: House) -> None:
    effect, codes = empty.users.prepare_first_admin("alice", "alice@example.org", PASSWORD)
    text = json.dumps(effect)
    assert PASSWORD not in text
    assert not any(code in text or code.replace("-", "") in text for code in codes)
    assert PASSWORD not in repr(empty.store.user_named("alice"))
    assert effect["kind"] in EFFECT_KINDS


def test_creation_is_recorded(house: House) -> None:
    outcome, intent = house.entries("user.create")
    assert (intent.phase, outcome.phase, outcome.result) == ("intent", "outcome", "ok")
    assert (outcome.target, outcome.generation) == ("alice", 1)
    assert outcome.after == {"email": "alice@example.org", "role": "admin"}


def test_of_two_first_admins_one_is_made(empty: House) -> None:
    first, _ = empty.users.prepare_first_admin("alice", "alice@example.org", PASSWORD)
    second, _ = empty.users.prepare_first_admin("mallory", "mallory@example.org", PASSWORD)
    empty.users.apply_effect(first, 1)
    empty.users.apply_effect(second, 2)
    assert empty.users.created_by(first) == empty.users.user(1)
    assert empty.users.created_by(second) is empty.store.user_named("mallory") is None
    assert empty.changes == 1
    assert empty.entries("user.create")[0].reason == "admin_exists"
    with pytest.raises(AdminExistsError):
        empty.users.prepare_first_admin("carol", "carol@example.org", PASSWORD)


@pytest.mark.parametrize(
    ("username", "email", "password", "wrong"),
    [
        ("al", "alice@example.org", PASSWORD, {"username": "3 to 32"}),
        ("a" * 33, "alice@example.org", PASSWORD, {"username": "3 to 32"}),
        ("ali ce", "alice@example.org", PASSWORD, {"username": "letters a to z"}),
        ("älice", "alice@example.org", PASSWORD, {"username": "letters a to z"}),
        ("\u212aate", "alice@example.org", PASSWORD, {"username": "letters a to z"}),
        ("alice", "alice", PASSWORD, {"email": "name@example.org"}),
        ("alice", "alice@example..org", PASSWORD, {"email": "name@example.org"}),
        ("alice", "alice@example.org\r\nBcc: x@example.org", PASSWORD, {"email": "without spaces"}),
        ("alice", "a" * 65 + "@example.org", PASSWORD, {"email": "64"}),
        ("x", "y", "z", {"username": "3 to 32", "email": "name@", "password": "8 to 256"}),
        ("alice.smith", "alice@example.org", "Alice.Smith", {"password": "differ"}),
    ],
)
def test_wrong_fields_are_named(empty: House, username: str, email: str, password: str, wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError) as refused:
        empty.users.prepare_first_admin(username, email, password)
    assert refused.value.fields.keys() == wrong.keys()
    assert all(part in refused.value.fields[field] for field, part in wrong.items())


def test_all_mistakes_of_a_registration_are_told_at_once(empty: House) -> None:
    with pytest.raises(InvalidInputError) as refused:
        empty.users.prepare_first_admin("", "", "short", "other")
    assert refused.value.fields.keys() == {"username", "email", "password", "confirm_password"}
    assert "differ" in refused.value.fields["confirm_password"]
    with pytest.raises(InvalidInputError) as refused:
        empty.users.prepare_first_admin("alice", "alice@example.org", PASSWORD, "")
    assert refused.value.fields.keys() == {"confirm_password"}


def test_a_changed_password_is_in_force_when_it_is_applied(house: House) -> None:
    here, elsewhere = house.enter().session_id, house.enter().session_id
    house.clock.move(minutes=1)
    effect = house.users.prepare_password_change(1, PASSWORD, NEW, session_id=here)
    assert NEW not in json.dumps(effect)
    house.enter(PASSWORD)
    changes = house.changes
    for _ in range(2):
        house.users.apply_effect(effect, 5)
    assert house.changes == changes + 1
    assert [house.sessions.verdict(each, touch=False).status for each in (here, elsewhere)] == ["active", "none"]
    with pytest.raises(WrongCredentialsError):
        house.enter(PASSWORD)
    house.enter(NEW)
    user = house.users.user(1)
    assert user is not None
    assert user.created_at < user.password_changed_at == user.changed_at == house.clock.now()
    assert user.generation == 5
    assert house.entries("user.change_password")[0].generation == 5


def test_an_old_change_replayed_late_does_not_come_back(house: House) -> None:
    first = house.users.prepare_password_change(1, PASSWORD, NEW)
    house.users.apply_effect(first, 2)
    second = house.users.prepare_password_change(1, NEW, "ten softer storks")
    house.users.apply_effect(second, 3)
    session_id = house.enter("ten softer storks").session_id
    house.users.apply_effect(first, 2)
    assert not house.store.change_password(1, first["password_hash"], house.clock.now(), 2, None)
    assert house.sessions.verdict(session_id, touch=False).status == "active"


def test_a_password_change_wants_the_present_one(house: House) -> None:
    for _ in range(5):
        with pytest.raises(WrongPasswordError):
            house.users.prepare_password_change(1, "wrong", NEW, address="192.0.2.7")
    with pytest.raises(TooManyAttemptsError):
        house.users.prepare_password_change(1, PASSWORD, NEW, address="192.0.2.7")
    with pytest.raises(InvalidInputError) as refused:
        house.users.prepare_password_change(1, PASSWORD, "alice")
    assert refused.value.fields.keys() == {"new"}
    with pytest.raises(UnknownUserError):
        house.users.prepare_password_change(2, PASSWORD, NEW)


def test_effects_that_cannot_be_applied(house: House) -> None:
    with pytest.raises(UnknownEffectError, match=r"user\.rename"):
        house.users.apply_effect({"kind": "user.rename"}, 2)
    with pytest.raises(UnknownEffectError):
        house.users.apply_effect({}, 2)
    effect = house.users.prepare_password_change(1, PASSWORD, NEW)
    changes = house.changes
    house.users.apply_effect({**effect, "user_id": 9}, 2)
    assert house.changes == changes


def test_a_database_that_fails_lets_nobody_in(house: House) -> None:
    session_id = house.enter().session_id
    with house.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE session")
    with pytest.raises(UsersUnavailableError, match="Nobody can sign in"):
        house.sessions.verdict(session_id, touch=False)
    with pytest.raises(UsersUnavailableError):
        house.enter()
