from __future__ import annotations

import sqlite3

import pytest

from tbot_bot.api.permissions import Permission, Role
from tbot_bot.domain.audit import AuditUnavailableError
from tbot_bot.identity.errors import WrongCredentialsError
from tests.unit.identity.conftest import PASSWORD, House


def disable(house: House) -> None:
    with house.store.seal.writing() as connection:
        connection.exec_driver_sql("UPDATE user SET status = 'disabled'")


def test_the_right_password_opens_a_session(house: House) -> None:
    opened = house.enter(username=" ALICE ")
    verdict = opened.verdict
    assert (verdict.status, verdict.role) == ("active", Role.ADMIN)
    assert verdict.user is not None
    assert (verdict.user.username, verdict.user.display) == ("alice", "Alice")
    assert Permission.SYSTEM_RESET in verdict.permissions
    assert Permission.SETUP not in verdict.permissions
    assert house.sessions.verdict(opened.session_id, touch=False) == verdict


def test_a_sign_in_is_recorded_without_its_id_or_password(house: House) -> None:
    opened = house.enter()
    (entry,) = house.entries("session.log_in")
    assert (entry.actor, entry.role, entry.result, entry.reason) == ("alice", "admin", "ok", "password")
    assert (entry.session, entry.address) == (opened.verdict.handle, "192.0.2.7")
    house.engine.dispose()
    house.chain.engine.dispose()
    stored = b"".join(path.read_bytes() for path in house.folder.iterdir())
    assert opened.session_id.encode() not in stored
    assert PASSWORD.encode() not in stored
    assert house.codes[0].encode() not in stored
    assert house.codes[0].replace("-", "").encode() not in stored


@pytest.mark.parametrize("recovery", [False, True])
def test_a_failure_tells_nothing(house: House, recovery: bool) -> None:
    enter = house.login.log_in_with_recovery_code if recovery else house.login.log_in
    messages, hashed = set(), []
    for username in ("alice", "nobody", "not a username\ud800", ""):
        before = house.hasher.compared
        with pytest.raises(WrongCredentialsError) as refused:
            enter(username, "wrong", address="192.0.2.1")
        messages.add((str(refused.value), refused.value.code))
        hashed.append(house.hasher.compared - before)
    disable(house)
    with pytest.raises(WrongCredentialsError) as refused:
        enter("alice", house.codes[0] if recovery else PASSWORD, address="192.0.2.1")
    messages.add((str(refused.value), refused.value.code))
    assert len(messages) == 1
    assert hashed == ([0] * 4 if recovery else [1] * 4)


def test_failures_are_recorded_without_what_was_typed(house: House) -> None:
    for username in ("alice", "my-password"):
        with pytest.raises(WrongCredentialsError):
            house.enter("wrong", username=username)
    disable(house)
    with pytest.raises(WrongCredentialsError):
        house.enter()
    entries = house.entries("session.log_in")
    assert [entry.actor for entry in entries] == ["alice", "unknown", "alice"]
    assert [entry.reason for entry in entries] == ["account not active", "wrong_credentials", "wrong_credentials"]
    assert {entry.result for entry in entries} == {"refused"}
    assert "my-password" not in str(entries)


def test_a_recovery_code_lets_in_once(house: House) -> None:
    typed = house.codes[3].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    opened = house.login.log_in_with_recovery_code("Alice", typed, address="192.0.2.1", user_agent="curl/8")
    assert house.sessions.verdict(opened.session_id, touch=False).role is Role.ADMIN
    assert house.users.recovery_codes_left(1) == 9
    with pytest.raises(WrongCredentialsError):
        house.login.log_in_with_recovery_code("alice", house.codes[3], address="192.0.2.1")
    assert [entry.result for entry in house.entries("user.use_recovery_code")] == ["refused", "", "ok", ""]
    assert house.entries("session.log_in")[0].reason == "recovery code"
    for code in house.codes[:3] + house.codes[4:]:
        house.login.log_in_with_recovery_code("alice", code, address="192.0.2.1")
    assert house.users.recovery_codes_left(1) == 0


def test_without_the_audit_log_nobody_gets_in(house: House) -> None:
    house.chain.engine.dispose()
    with sqlite3.connect(house.chain.path) as connection:
        connection.execute("ALTER TABLE entry RENAME TO gone")
    connection.close()
    with pytest.raises(AuditUnavailableError):
        house.enter()
    with pytest.raises(AuditUnavailableError):
        house.login.log_in_with_recovery_code("alice", house.codes[0], address="192.0.2.1")
    with house.engine.connect() as users:
        assert users.exec_driver_sql("SELECT COUNT(*) FROM session").scalar() == 0
    assert house.users.recovery_codes_left(1) == 10
