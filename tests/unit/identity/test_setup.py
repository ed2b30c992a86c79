from __future__ import annotations

import pytest

from tbot_bot.identity.errors import AdminExistsError, SetupTokenRefusedError, TooManyAttemptsError
from tests.unit.identity.conftest import HOME, House


def test_a_token_is_exchanged_for_a_session(empty: House) -> None:
    assert not empty.setup.in_force("")
    token = empty.setup.issue()
    assert empty.setup.in_force(token)
    assert not empty.setup.in_force(token + "x")
    session = empty.setup.exchange(token, HOME)
    assert empty.setup.verdict_setup(session)
    assert not any(empty.setup.verdict_setup(other) for other in ("", token, session + "x", "\ud800"))
    empty.restart()
    assert empty.setup.verdict_setup(session)


def test_exchanging_again_ends_the_earlier_session(empty: House) -> None:
    token = empty.setup.issue()
    first, second = empty.setup.exchange(token, HOME), empty.setup.exchange(token, "192.0.2.9")
    assert [empty.setup.verdict_setup(session) for session in (first, second)] == [False, True]


def test_a_new_token_ends_the_old_one_and_its_session(empty: House) -> None:
    old = empty.setup.issue()
    session = empty.setup.exchange(old, HOME)
    new = empty.setup.issue()
    assert not empty.setup.verdict_setup(session)
    with pytest.raises(SetupTokenRefusedError):
        empty.setup.exchange(old, HOME)
    assert empty.setup.exchange(new, HOME)


def test_a_token_replaced_during_the_exchange_opens_nothing(empty: House) -> None:
    token = empty.setup.issue()
    access = empty.store.setup_access()
    assert access is not None
    empty.setup.issue()
    assert not empty.store.open_setup_session(access.token_hash, "session")
    with pytest.raises(SetupTokenRefusedError):
        empty.setup.exchange(token, HOME)


def test_guessing_is_throttled_by_address(empty: House) -> None:
    token = empty.setup.issue()
    for _ in range(5):
        with pytest.raises(SetupTokenRefusedError, match="control/setup_token"):
            empty.setup.exchange("guess", HOME)
    with pytest.raises(TooManyAttemptsError):
        empty.setup.exchange(token, HOME)
    assert empty.setup.exchange(token, "192.0.2.9")


def test_without_a_token_nothing_is_exchanged(empty: House) -> None:
    with pytest.raises(SetupTokenRefusedError):
        empty.setup.exchange("anything", HOME)


def test_all_is_dead_once_an_admin_exists(empty: House) -> None:
    token = empty.setup.issue()
    session = empty.setup.exchange(token, HOME)
    empty.register()
    assert not empty.setup.verdict_setup(session)
    assert not empty.setup.in_force(token)
    with pytest.raises(AdminExistsError):
        empty.setup.exchange(token, HOME)
    with pytest.raises(AdminExistsError):
        empty.setup.issue()


def test_the_token_is_stored_and_recorded_as_a_hash_only(empty: House) -> None:
    token = empty.setup.issue()
    session = empty.setup.exchange(token, HOME)
    assert [entry.result for entry in empty.entries("setup.exchange_token")] == ["ok", ""]
    empty.engine.dispose()
    empty.chain.engine.dispose()
    stored = b"".join(path.read_bytes() for path in empty.folder.iterdir())
    assert token.encode() not in stored
    assert session.encode() not in stored
