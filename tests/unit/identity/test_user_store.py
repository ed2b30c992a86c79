from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from tbot_bot.domain.identity import NewUser, UsersUnavailableError
from tests.unit.identity.conftest import House


def person(house: House, username: str, role: str = "viewer", effect_id: str = "") -> NewUser:
    return NewUser(
        effect_id=effect_id or f"effect of {username}",
        username=username,
        display=username,
        email="x@example.org",
        role=role,
        password_hash="-",
        created_at=house.clock.now(),
        generation=1,
    )


def test_a_name_is_taken_once(empty: House) -> None:
    assert empty.store.create_user(person(empty, "bob"), [], only_first_admin=False)
    assert not empty.store.create_user(person(empty, "bob", effect_id="other"), ["hash"], only_first_admin=False)
    assert empty.store.recovery_codes_left(1) == 0


def test_a_viewer_does_not_end_the_setup(empty: House) -> None:
    token = empty.setup.issue()
    empty.store.create_user(person(empty, "bob"), [], only_first_admin=False)
    assert not empty.store.admin_exists()
    session = empty.setup.exchange(token, "192.0.2.1")
    empty.store.create_user(person(empty, "alice", "admin"), [], only_first_admin=True)
    assert not empty.setup.verdict_setup(session)


def test_what_breaks_a_rule_of_the_schema_leaves_nothing(empty: House) -> None:
    with pytest.raises(UsersUnavailableError) as failed:
        empty.store.create_user(person(empty, "bob"), ["same", "same"], only_first_admin=False)
    assert isinstance(failed.value.__cause__, IntegrityError)
    assert empty.store.user_named("bob") is None
    with pytest.raises(UsersUnavailableError):
        empty.store.create_user(person(empty, "bob", role="emperor"), [], only_first_admin=False)
