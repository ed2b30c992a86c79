"""The recovery token: good once, for an hour, and not to be guessed; nothing of it is kept but hashes in memory."""

from __future__ import annotations

import pytest

from tbot_bot.identity.errors import SetupTokenRefusedError, TooManyAttemptsError
from tbot_bot.identity.recovery import RecoveryAccess
from tbot_bot.identity.throttle import FREE_TRIES
from tests.unit.audit.parts import HandClock

HERE, THERE = "127.0.0.1", "192.0.2.9"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def access(clock: HandClock) -> RecoveryAccess:
    return RecoveryAccess(clock)


def issued(access: RecoveryAccess) -> str:
    token = access.issue()
    assert token is not None
    return token


def test_a_token_opens_one_session_once(access: RecoveryAccess) -> None:
    token = issued(access)
    session = access.exchange(token, HERE)
    assert access.is_open(session)
    assert not access.is_open(token)
    assert not access.is_open("")
    with pytest.raises(SetupTokenRefusedError):
        access.exchange(token, HERE)
    assert access.is_open(session)


def test_before_anything_was_issued_nothing_is_right(access: RecoveryAccess) -> None:
    assert not access.is_open("")
    with pytest.raises(SetupTokenRefusedError):
        access.exchange("", HERE)


def test_a_token_ends_after_an_hour_and_another_takes_its_place(access: RecoveryAccess, clock: HandClock) -> None:
    first = issued(access)
    clock.move(hours=1, microseconds=-1)
    assert access.issue() is None
    clock.move(microseconds=1)
    with pytest.raises(SetupTokenRefusedError):
        access.exchange(first, HERE)
    second = issued(access)
    with pytest.raises(SetupTokenRefusedError):
        access.exchange(first, HERE)
    assert access.exchange(second, HERE)


def test_a_session_ends_after_an_hour_and_then_there_is_a_token_again(access: RecoveryAccess, clock: HandClock) -> None:
    session = access.exchange(issued(access), HERE)
    clock.move(hours=1, microseconds=-1)
    assert access.is_open(session)
    assert access.issue() is None
    clock.move(microseconds=1)
    assert not access.is_open(session)
    assert access.exchange(issued(access), HERE) != session
    assert not access.is_open(session)


def test_guessing_is_slowed_down_for_the_address_that_guesses(access: RecoveryAccess, clock: HandClock) -> None:
    token = issued(access)
    for _ in range(FREE_TRIES):
        with pytest.raises(SetupTokenRefusedError):
            access.exchange("guess", THERE)
    with pytest.raises(TooManyAttemptsError) as slowed:
        access.exchange(token, THERE)  # even the right one has to wait
    assert slowed.value.retry_after_s == 1
    session = access.exchange(token, HERE)
    assert access.is_open(session)
    clock.move(seconds=1)
    with pytest.raises(SetupTokenRefusedError):
        access.exchange("guess", THERE)


def test_tries_are_forgiven_by_a_right_one_and_forgotten_after_an_hour(
    access: RecoveryAccess, clock: HandClock
) -> None:
    token = issued(access)
    for _ in range(FREE_TRIES - 1):
        with pytest.raises(SetupTokenRefusedError):
            access.exchange("guess", HERE)
    access.exchange(token, HERE)
    for _ in range(FREE_TRIES):
        with pytest.raises(SetupTokenRefusedError):
            access.exchange("guess", HERE)
    clock.move(hours=2)
    with pytest.raises(SetupTokenRefusedError):
        access.exchange("guess", HERE)


def test_neither_token_nor_session_is_kept(access: RecoveryAccess) -> None:
    token = issued(access)
    assert token not in repr(access._token)
    session = access.exchange(token, HERE)
    assert session not in repr(access._session)
