from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tbot_bot.identity.errors import TooManyAttemptsError, WrongCredentialsError
from tbot_bot.identity.throttle import delay_after
from tests.unit.identity.conftest import House


def fail(house: House, address: str = "198.51.100.1", username: str = "alice") -> None:
    with pytest.raises(WrongCredentialsError):
        house.enter("wrong", address, username)


def test_the_delay_grows_to_five_minutes() -> None:
    seconds = [delay_after(failures) // timedelta(seconds=1) for failures in range(18)]
    assert seconds == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    assert delay_after(10_000) == timedelta(seconds=300)


def test_each_failure_makes_the_next_wait_longer(house: House) -> None:
    for _ in range(5):
        fail(house)
    for seconds in (1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300):
        with pytest.raises(TooManyAttemptsError) as refused:
            house.enter(address="198.51.100.1")
        assert refused.value.retry_after_s == seconds
        assert str(seconds) in str(refused.value)
        house.clock.move(seconds=seconds - 1)
        with pytest.raises(TooManyAttemptsError, match=r"1 second "):
            house.enter(address="198.51.100.1")
        house.clock.move(seconds=1)
        fail(house)


def test_nothing_is_hashed_while_waiting(house: House) -> None:
    for _ in range(5):
        fail(house)
    hashed = house.hasher.compared
    entries = house.chain.store.head().seq
    for _ in range(20):
        with pytest.raises(TooManyAttemptsError):
            house.enter(address="198.51.100.1")
    assert house.hasher.compared == hashed
    assert house.chain.store.head().seq == entries


def test_another_address_and_another_account_are_not_affected(house: House) -> None:
    for _ in range(5):
        fail(house)
    with pytest.raises(TooManyAttemptsError):
        house.enter(address="198.51.100.1")
    fail(house, username="bob")
    assert house.enter(address="198.51.100.2").session_id


def test_a_restart_forgives_nothing(house: House) -> None:
    for _ in range(5):
        fail(house)
    house.restart()
    with pytest.raises(TooManyAttemptsError):
        house.enter(address="198.51.100.1")


def test_success_forgives(house: House) -> None:
    for _ in range(3):
        for _ in range(4):
            fail(house)
        house.enter(address="198.51.100.1")


def test_after_an_hour_it_begins_anew(house: House) -> None:
    for _ in range(5):
        fail(house)
    house.clock.move(minutes=59)
    fail(house)
    house.clock.move(hours=1, seconds=1)
    fail(house)
    fail(house)


def test_tries_at_the_same_moment_all_count(house: House) -> None:
    def guess(number: int) -> type[Exception]:
        try:
            house.enter(f"guess {number}", "198.51.100.9")
        except (WrongCredentialsError, TooManyAttemptsError) as error:
            return type(error)
        raise AssertionError

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(guess, range(24)))
    assert answers.count(WrongCredentialsError) == 5


def test_a_clock_set_back_does_not_lock_out(house: House) -> None:
    for _ in range(5):
        fail(house)
    house.clock.move(hours=-5)
    with pytest.raises(TooManyAttemptsError) as refused:
        house.enter(address="198.51.100.1")
    assert refused.value.retry_after_s == 1
