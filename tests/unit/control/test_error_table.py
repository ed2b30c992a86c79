"""Each failure that is expected is told with its status, its code and what to do."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from tbot_bot.api.errors import ApiError, Problem, not_signed_in
from tbot_bot.config.rotation import GenerationRolledBackError, RotationError
from tbot_bot.control import error_table
from tbot_bot.control.error_table import to_problem
from tbot_bot.domain.audit import AuditUnavailableError, RefusedError
from tbot_bot.domain.broker import BrokerUnavailableError
from tbot_bot.domain.identity import UsersUnavailableError
from tbot_bot.domain.integrity import TamperedError
from tbot_bot.domain.lifecycle import State, TransitionRefusedError
from tbot_bot.identity.errors import (
    AdminExistsError,
    InvalidInputError,
    LastAdminError,
    LinkRefusedError,
    SessionEndedError,
    SessionNotFoundError,
    SetupTokenRefusedError,
    SignInOverError,
    TooManyAttemptsError,
    UnknownUserError,
    UserMovedError,
    WrongCodeError,
    WrongCredentialsError,
    WrongPasswordError,
)
from tbot_bot.storage.backup_errors import (
    BackupDamagedError,
    BackupFailedError,
    BackupNotFoundError,
    BackupSpaceError,
)
from tbot_bot.storage.secret_errors import SecretStoreError
from tbot_bot.trading.kill_switch import KillLatchedError, KillSwitchError

DISK_FULL = OperationalError("INSERT INTO user VALUES ('hash')", {}, sqlite3.OperationalError("disk is full"))

ROWS: list[tuple[Exception, int, str]] = [
    (FileNotFoundError("gone"), 503, "disk_unavailable"),
    (OSError(28, "No space left on device"), 503, "disk_unavailable"),
    (WrongCredentialsError(), 401, "wrong_credentials"),
    (SetupTokenRefusedError(), 401, "setup_token_refused"),
    (SessionEndedError(), 401, "session_ended"),
    (SessionNotFoundError(), 404, "session_not_found"),
    (AdminExistsError(), 409, "admin_exists"),
    (WrongPasswordError(), 409, "wrong_password"),
    (UnknownUserError(), 404, "unknown_user"),
    (UserMovedError(), 412, "user_moved"),
    (LinkRefusedError(), 401, "link_refused"),
    (SignInOverError(), 401, "sign_in_over"),
    (WrongCodeError(), 409, "wrong_code"),
    (LastAdminError(), 409, "last_admin"),
    (RefusedError("a rule"), 409, "refused"),
    (TransitionRefusedError(State.IDLE, State.STARTED), 409, "transition_refused"),
    (KillLatchedError(), 409, "kill_latched"),
    (KillSwitchError("stuck"), 409, "kill_switch"),
    (BrokerUnavailableError("no answer"), 503, "broker_unavailable"),
    (TamperedError("Users", "a row was changed"), 503, "tampered"),
    (AuditUnavailableError("disk"), 503, "audit_unavailable"),
    (UsersUnavailableError("disk"), 503, "users_unavailable"),
    (BackupNotFoundError("none"), 404, "backup_not_found"),
    (BackupDamagedError("one", "AUDIT.db", "is missing"), 409, "backup_damaged"),
    (BackupFailedError("No snapshot was made", "no space"), 503, "backup_failed"),
    (BackupSpaceError("No snapshot was made", 2, 1, "here"), 503, "backup_space"),
    (SecretStoreError("no space"), 503, "secret_store"),
    (RotationError("no space"), 503, "rotation"),
    (DISK_FULL, 503, "database_unavailable"),
]


@pytest.mark.parametrize(("error", "status", "code"), ROWS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_each_row(error: Exception, status: int, code: str) -> None:
    problem = to_problem(error)
    assert problem is not None
    assert (problem.status, problem.code) == (status, code)
    assert problem.title
    assert problem.detail or problem.next_step
    assert problem.error_id is None


def test_no_row_is_untested() -> None:
    tested = [type(error) for error, _, _ in ROWS]
    assert [kind for kind, *_ in error_table._TABLE if not any(issubclass(one, kind) for one in tested)] == []


def test_what_a_database_said_is_not_repeated() -> None:
    problem = to_problem(DISK_FULL)
    assert problem is not None
    assert "hash" not in problem.model_dump_json()
    assert "Free some space" in problem.next_step
    full = to_problem(OSError(28, "No space left on device", "/srv/home/secret-name"))
    assert full is not None
    assert "/srv" not in full.model_dump_json()


def test_the_gravest_row_that_fits_is_used() -> None:
    problem = to_problem(GenerationRolledBackError(1, 2))
    assert problem is not None
    assert (problem.status, problem.title) == (503, "Keys and secrets could not be changed")


def test_a_problem_is_passed_on_as_it_is() -> None:
    error = not_signed_in()
    assert to_problem(error) is error.problem
    assert to_problem(ApiError(Problem(status=418, code="x", title="y"))) == Problem(status=418, code="x", title="y")


def test_fields_and_waiting_time_are_told() -> None:
    form = to_problem(InvalidInputError({"email": "An address, please."}))
    assert form is not None
    assert (form.status, form.code, form.fields) == (422, "invalid_input", {"email": "An address, please."})
    wait = to_problem(TooManyAttemptsError(17))
    assert wait is not None
    assert (wait.status, wait.code, wait.retry_after_s) == (429, "too_many_attempts", 17)


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyError("x"), ValueError("x")])
def test_the_unexpected_is_no_problem_of_ours(error: Exception) -> None:
    assert to_problem(error) is None
