from __future__ import annotations

from datetime import timedelta

import pytest

from tbot_bot.api.permissions import ROLE_PERMISSIONS, Role
from tbot_bot.api.sessions import SessionStatus
from tbot_bot.identity.devices import describe_device
from tbot_bot.identity.errors import (
    SessionEndedError,
    SessionNotFoundError,
    TooManyAttemptsError,
    WrongPasswordError,
)
from tests.unit.identity.conftest import PASSWORD, House


def status(house: House, session_id: str, *, touch: bool = False) -> SessionStatus:
    return house.sessions.verdict(session_id, touch=touch).status


def test_each_sign_in_has_a_new_id(house: House) -> None:
    ids = {house.enter().session_id for _ in range(3)}
    assert len(ids) == 3
    assert all(len(session_id) == 43 for session_id in ids)


@pytest.mark.parametrize("session_id", ["", "x", "\ud800", "A" * 43])
def test_an_unknown_id_is_nobody(house: House, session_id: str) -> None:
    verdict = house.sessions.verdict(session_id, touch=True)
    assert (verdict.status, verdict.user, verdict.permissions) == ("none", None, frozenset())


def test_the_handle_is_no_key(house: House) -> None:
    handle = house.enter().verdict.handle
    assert handle is not None
    assert status(house, handle) == "none"


def test_inactivity_ends_a_session(house: House) -> None:
    opened = house.enter()
    house.clock.move(minutes=30, seconds=-1)
    verdict = house.sessions.verdict(opened.session_id, touch=False)
    assert verdict.status == "active"
    assert verdict.expires_at == house.clock.now() + timedelta(seconds=1)
    house.clock.move(seconds=1)
    assert status(house, opened.session_id) == "expired"
    house.clock.move(seconds=1)
    expired = house.sessions.verdict(opened.session_id, touch=True)
    assert (expired.status, expired.permissions) == ("expired", frozenset())
    assert expired.user is not None
    assert status(house, opened.session_id) == "expired"


def test_acts_extend_a_session_and_polling_does_not(house: House) -> None:
    acting, polling = house.enter().session_id, house.enter().session_id
    for _ in range(40):
        house.clock.move(minutes=1)
        assert house.sessions.verdict(acting, touch=True).expires_at == house.clock.now() + timedelta(minutes=30)
        house.sessions.verdict(polling, touch=False)
    assert status(house, acting) == "active"
    assert status(house, polling) == "expired"


def test_no_act_extends_beyond_the_absolute_limit(house: House) -> None:
    session_id = house.enter().session_id
    for _ in range(12 * 60 - 1):
        house.clock.move(minutes=1)
        house.sessions.verdict(session_id, touch=True)
    house.clock.move(seconds=59)
    verdict = house.sessions.verdict(session_id, touch=True)
    assert verdict.status == "active"
    assert verdict.expires_at == verdict.absolute_expires_at == house.clock.now() + timedelta(seconds=1)
    house.clock.move(seconds=2)
    assert status(house, session_id, touch=True) == "expired"


def test_acts_are_noted_every_thirty_seconds(house: House) -> None:
    opened = house.enter()
    first = opened.verdict.expires_at
    house.clock.move(seconds=29)
    assert house.sessions.verdict(opened.session_id, touch=True).expires_at == first
    house.clock.move(seconds=1)
    assert house.sessions.verdict(opened.session_id, touch=True).expires_at == first + timedelta(seconds=30)


def test_a_role_and_a_status_count_at_once(house: House) -> None:
    session_id = house.enter().session_id
    for role in Role:
        with house.store.seal.writing() as connection:
            connection.exec_driver_sql("UPDATE user SET role = ?", (role,))
        assert house.sessions.verdict(session_id, touch=False).permissions == ROLE_PERMISSIONS[role]
    with house.store.seal.writing() as connection:
        connection.exec_driver_sql("UPDATE user SET status = 'disabled'")
    assert status(house, session_id) == "none"
    with pytest.raises(SessionEndedError):
        house.sessions.step_up(session_id, PASSWORD)


def test_stepping_up_renews_the_id_and_keeps_the_absolute_limit(house: House) -> None:
    opened = house.enter()
    house.clock.move(minutes=20)
    stepped = house.sessions.step_up(opened.session_id, PASSWORD)
    assert stepped.session_id != opened.session_id
    assert status(house, opened.session_id) == "none"
    assert stepped.verdict.absolute_expires_at == opened.verdict.absolute_expires_at
    assert stepped.verdict.stepped_up_until == house.clock.now() + timedelta(minutes=10)
    assert opened.verdict.stepped_up_until is None
    house.clock.move(minutes=10, seconds=-1)
    assert house.sessions.verdict(stepped.session_id, touch=False).stepped_up_until is not None
    house.clock.move(seconds=1)
    verdict = house.sessions.verdict(stepped.session_id, touch=False)
    assert (verdict.status, verdict.stepped_up_until) == ("active", None)
    assert [entry.result for entry in house.entries("session.step_up")] == ["ok"]


def test_stepping_up_is_throttled_like_a_sign_in(house: House) -> None:
    session_id = house.enter().session_id
    for _ in range(5):
        with pytest.raises(WrongPasswordError):
            house.sessions.step_up(session_id, "wrong")
    with pytest.raises(TooManyAttemptsError):
        house.sessions.step_up(session_id, PASSWORD)
    assert status(house, session_id) == "active"
    assert house.sessions.verdict(session_id, touch=False).stepped_up_until is None
    assert {entry.result for entry in house.entries("session.step_up")} == {"refused"}
    house.clock.move(seconds=1)
    assert house.sessions.step_up(session_id, PASSWORD)


def test_an_expired_session_cannot_step_up(house: House) -> None:
    session_id = house.enter().session_id
    house.clock.move(minutes=31)
    with pytest.raises(SessionEndedError):
        house.sessions.step_up(session_id, PASSWORD)


def test_of_two_step_ups_at_once_one_counts(house: House) -> None:
    session_id = house.enter().session_id
    found = house.sessions._alive(session_id, SessionStatus.ACTIVE)
    first = house.sessions.step_up(session_id, PASSWORD)
    assert not house.store.replace_session(found[0].handle, found[0])
    assert status(house, first.session_id) == "active"


def test_a_session_that_ends_while_its_password_is_checked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = house.enter()
    real = house.hasher.matches

    def log_out_meanwhile(password: str, stored: str | None) -> bool:
        house.sessions.log_out(opened.session_id)
        return real(password, stored)

    monkeypatch.setattr(house.hasher, "matches", log_out_meanwhile)
    with pytest.raises(SessionEndedError):
        house.sessions.step_up(opened.session_id, PASSWORD)


def test_a_locked_session_does_nothing_until_the_password_comes(house: House) -> None:
    stepped = house.sessions.step_up(house.enter().session_id, PASSWORD)
    house.sessions.lock(stepped.session_id)
    verdict = house.sessions.verdict(stepped.session_id, touch=True)
    assert (verdict.status, verdict.permissions, verdict.stepped_up_until) == ("locked", frozenset(), None)
    assert verdict.user is not None
    with pytest.raises(SessionEndedError):
        house.sessions.own(stepped.session_id)
    with pytest.raises(SessionEndedError):
        house.sessions.end(stepped.session_id)
    house.sessions.lock(stepped.session_id)
    unlocked = house.sessions.step_up(stepped.session_id, PASSWORD)
    assert status(house, unlocked.session_id) == "active"


def test_a_locked_session_expires(house: House) -> None:
    session_id = house.enter().session_id
    house.sessions.lock(session_id)
    for _ in range(2):
        house.clock.move(minutes=15)
        verdict = house.sessions.verdict(session_id, touch=True)
    assert verdict.status == "expired"


def test_logging_out_kills_the_id(house: House) -> None:
    session_id = house.enter().session_id
    changes = house.changes
    house.sessions.log_out(session_id)
    assert status(house, session_id) == "none"
    assert house.changes == changes + 1
    house.sessions.log_out(session_id)
    assert len(house.entries("session.log_out")) == 1


def test_ones_own_sessions(house: House) -> None:
    old = house.enter(address="192.0.2.1")
    house.clock.move(minutes=20)
    here = house.enter(address="192.0.2.2")
    listed = house.sessions.own(here.session_id)
    assert [(each.address, each.current, each.device) for each in listed] == [
        ("192.0.2.2", True, "Firefox on Linux"),
        ("192.0.2.1", False, "Firefox on Linux"),
    ]
    assert listed[1].handle == old.verdict.handle
    assert listed[1].last_seen_at == listed[1].created_at == house.clock.now() - timedelta(minutes=20)
    house.clock.move(minutes=15)
    assert [each.address for each in house.sessions.own(here.session_id)] == ["192.0.2.2"]


def test_ending_one_or_all_others(house: House) -> None:
    here, first, second, third = (house.enter().session_id for _ in range(4))
    handle = house.sessions.verdict(first, touch=False).handle
    house.sessions.end(here, handle)
    assert [status(house, each) for each in (here, first, second)] == ["active", "none", "active"]
    with pytest.raises(SessionNotFoundError):
        house.sessions.end(here, handle)
    house.sessions.end(here)
    assert [status(house, each) for each in (here, second, third)] == ["active", "none", "none"]
    latest = house.entries("session.revoke")[0]
    assert (latest.detail, latest.result, latest.target) == ({"ended": 2}, "ok", "all others")


def test_sessions_outlive_a_restart(house: House) -> None:
    session_id = house.enter().session_id
    house.restart()
    assert status(house, session_id) == "active"


def test_old_sessions_are_forgotten(house: House) -> None:
    session_id = house.enter().session_id
    house.clock.move(hours=23)
    house.enter()
    assert status(house, session_id) == "expired"
    house.clock.move(hours=2)
    house.enter()
    assert status(house, session_id) == "none"


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari on iPhone"),
        ("", "unknown browser on unknown system"),
    ],
)
def test_devices(user_agent: str, device: str) -> None:
    assert describe_device(user_agent) == device
