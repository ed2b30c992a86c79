"""The second factor: proven before it counts, asked for after the password, each code taken once."""

from __future__ import annotations

import base64

import pytest

from tbot_bot.domain.totp import code_of, step_at
from tbot_bot.identity.errors import (
    SignInOverError,
    TooManyAttemptsError,
    UnknownEffectError,
    UnknownUserError,
    WrongCodeError,
    WrongPasswordError,
)
from tbot_bot.identity.login import HalfWay
from tbot_bot.identity.sessions import OpenedSession
from tbot_bot.identity.user_changes import Effect
from tests.unit.identity.conftest import HOME, PASSWORD, House
from tests.unit.identity.test_user_changes import ALICE


class Phone:
    """Alice's authenticator app."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.secret = b""
        self._generation = 1

    def code(self, steps: int = 0) -> str:
        return code_of(self.secret, step_at(self.house.clock.now()) + steps)

    def read(self, text: str) -> None:
        self.secret = base64.b32decode(text)

    def enrol(self, session: str | None = None) -> None:
        self.read(self.house.factors.begin(1))
        effect, secret_id, text = self.house.factors.prepare(1, self.code(), ALICE, session)
        assert text not in str(effect)
        self.house.secrets[secret_id] = text
        self.apply(effect)

    def apply(self, effect: Effect) -> None:
        self._generation += 1
        for _ in range(2):
            self.house.factors.apply_effect(effect, self._generation)

    def next(self) -> str:
        """A code that was not used yet."""
        self.house.clock.move(seconds=30)
        return self.code()


@pytest.fixture
def phone(house: House) -> Phone:
    return Phone(house)


def half(house: House, password: str = PASSWORD) -> str:
    found = house.login.log_in("alice", password, address=HOME)
    assert isinstance(found, HalfWay)
    assert found.token not in repr(found)
    return found.token


def finish(house: House, token: str, code: str) -> str:
    return house.login.give_code(token, code, address=HOME).session_id


def test_the_password_alone_lets_in_until_a_code_has_proven_the_secret(house: House, phone: Phone) -> None:
    assert isinstance(house.enter(), OpenedSession)
    phone.read(house.factors.begin(1))
    assert isinstance(house.enter(), OpenedSession)
    with pytest.raises(WrongCodeError):
        house.factors.prepare(1, "000000" if phone.code() != "000000" else "111111", ALICE, None)
    phone.enrol()
    half(house)


def test_turning_it_on_ends_the_other_sessions(house: House, phone: Phone) -> None:
    here, elsewhere = house.enter().session_id, house.enter().session_id
    told = house.changes
    phone.enrol(here)
    assert house.changes == told + 1
    assert [house.sessions.verdict(one, touch=False).status for one in (here, elsewhere)] == ["active", "none"]
    assert house.factors.since(1) == house.clock.now()
    assert house.entries("user.enrol_second_factor")[0].generation == 2


def test_a_code_follows_the_password_and_is_taken_once(house: House, phone: Phone) -> None:
    phone.enrol()
    with pytest.raises(WrongCodeError):  # it proved the secret a moment ago
        finish(house, half(house), phone.code())
    code = phone.next()
    token = half(house)
    session = finish(house, token, f"{code[:3]} {code[3:]}")
    assert house.sessions.verdict(session, touch=False).status == "active"
    with pytest.raises(SignInOverError):
        finish(house, token, phone.next())
    fresh = half(house)
    with pytest.raises(WrongCodeError):
        finish(house, fresh, phone.code(-1))  # earlier than one that was used
    assert house.entries("session.log_in")[0].reason == "wrong_code"
    finish(house, fresh, phone.next())
    assert house.entries("session.log_in")[0].reason == "password, second factor"


def test_half_way_opens_nothing_and_does_not_last(house: House, phone: Phone) -> None:
    phone.enrol()
    token = half(house)
    assert house.sessions.verdict(token, touch=False).status == "none"
    house.clock.move(minutes=5)
    for one in (token, "", "made up"):
        with pytest.raises(SignInOverError):
            finish(house, one, phone.code())


def test_a_recovery_code_takes_the_place_of_one_factor_and_not_of_both(house: House, phone: Phone) -> None:
    phone.enrol()
    finish(house, half(house), house.codes[0])
    assert house.users.recovery_codes_left(1) == 9
    found = house.login.log_in_with_recovery_code("alice", house.codes[1], address=HOME)
    assert isinstance(found, HalfWay)
    with pytest.raises(WrongCodeError):
        finish(house, found.token, house.codes[2])
    assert house.users.recovery_codes_left(1) == 8
    finish(house, found.token, phone.next())


def test_guessing_codes_is_slowed_down(house: House, phone: Phone) -> None:
    phone.enrol()
    token = half(house)
    for _ in range(5):
        with pytest.raises(WrongCodeError):
            finish(house, token, "abc")
    with pytest.raises(TooManyAttemptsError):
        finish(house, half(house), "abc")  # the right password forgives no wrong code


def test_a_code_proves_the_person_again(house: House, phone: Phone) -> None:
    session = house.enter().session_id
    phone.enrol(session)
    code = phone.next()
    stepped = house.sessions.step_up(session, code)
    assert stepped.verdict.stepped_up_until is not None
    with pytest.raises(WrongPasswordError):
        house.sessions.step_up(stepped.session_id, code)
    assert house.sessions.step_up(stepped.session_id, PASSWORD).session_id


def test_without_a_factor_a_code_proves_nothing(house: House) -> None:
    with pytest.raises(WrongPasswordError):
        house.sessions.step_up(house.enter().session_id, "123456")
    with pytest.raises(UnknownUserError):
        house.factors.prepare_removal(1, ALICE, None)


def test_removed_it_is_asked_for_no_more(house: House, phone: Phone) -> None:
    phone.enrol()
    effect, secret_id = house.factors.prepare_removal(1, ALICE, None)
    assert secret_id in house.secrets
    phone.apply(effect)
    assert house.factors.since(1) is None
    house.enter()


def test_a_secret_that_is_gone_lets_nobody_in_by_code(house: House, phone: Phone) -> None:
    phone.enrol()
    house.secrets.clear()
    with pytest.raises(WrongCodeError):
        finish(house, half(house), phone.next())
    finish(house, half(house), house.codes[0])


def test_a_secret_waits_a_quarter_of_an_hour_for_its_proof(house: House, phone: Phone) -> None:
    phone.read(house.factors.begin(1))
    house.clock.move(minutes=15)
    with pytest.raises(WrongCodeError):
        house.factors.prepare(1, phone.code(), ALICE, None)
    house.factors.begin(2)
    with pytest.raises(UnknownUserError):
        house.factors.prepare(2, phone.code(), ALICE, None)


def test_new_recovery_codes_take_the_place_of_the_old(house: House, phone: Phone) -> None:
    effect, codes = house.factors.prepare_codes(1, ALICE)
    assert not any(code in str(effect) for code in codes)
    phone.apply(effect)
    assert house.users.recovery_codes_left(1) == 10
    house.login.log_in_with_recovery_code("alice", codes[0], address=HOME)
    with pytest.raises(Exception, match="do not match"):
        house.login.log_in_with_recovery_code("alice", house.codes[0], address=HOME)


def test_an_old_effect_replayed_late_changes_nothing(house: House, phone: Phone) -> None:
    phone.enrol()
    effect, _ = house.factors.prepare_removal(1, ALICE, None)
    house.factors.apply_effect(effect, 1)
    assert house.factors.since(1) is not None
    assert not house.store.factors.remove_factor(1, house.clock.now(), 1, None)
    assert not house.store.factors.renew_codes(1, [], house.clock.now(), 1)
    factor = house.store.factors.factor(1)
    assert factor is not None
    assert not house.store.factors.set_factor(factor, 1, 1, None)
    with pytest.raises(UnknownEffectError):
        house.factors.apply_effect({"kind": "user.enrol"}, 9)
