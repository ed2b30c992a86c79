"""How the failures of the services are told to a caller: one table from exception to problem."""

from __future__ import annotations

from sqlalchemy.exc import OperationalError

from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.config.rotation import RotationError
from tbot_bot.domain.audit import AuditUnavailableError, RefusedError
from tbot_bot.domain.broker import BrokerError
from tbot_bot.domain.identity import UsersUnavailableError
from tbot_bot.domain.integrity import TamperedError
from tbot_bot.domain.lifecycle import TransitionRefusedError
from tbot_bot.identity.errors import (
    AdminExistsError,
    InvalidInputError,
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
)
from tbot_bot.storage.backup_errors import BackupDamagedError, BackupError, BackupNotFoundError
from tbot_bot.storage.secret_errors import SecretStoreError
from tbot_bot.trading.kill_switch import KillSwitchError

_UNCHANGED = "What was recorded before stands."
_FREE_SPACE = f"{_UNCHANGED} Free some space and try again."
_TABLE: tuple[tuple[type[Exception], int, str, str], ...] = (
    (WrongCredentialsError, 401, "Sign-in was refused", ""),
    (SetupTokenRefusedError, 401, "The setup token was refused", ""),
    (SessionEndedError, 401, "Please sign in", ""),
    (SessionNotFoundError, 404, "There is no such session", ""),
    (WrongCodeError, 409, "The code was refused", ""),
    (SignInOverError, 401, "Sign in again", ""),
    (LinkRefusedError, 401, "This link cannot be used", ""),
    (UnknownUserError, 404, "There is no such person", ""),
    (UserMovedError, 412, "Somebody else changed this person meanwhile", ""),
    (AdminExistsError, 409, "Set-up is over", ""),
    (RefusedError, 409, "This was refused", ""),
    (TransitionRefusedError, 409, "Not possible now", "Reload the page to see where the bot stands."),
    (KillSwitchError, 409, "The kill switch is in the way", ""),
    (BrokerError, 503, "The broker did not answer", "Positions and orders there are unchanged. Try again in a moment."),
    (TamperedError, 503, "Something was changed behind the system's back", _UNCHANGED),
    (AuditUnavailableError, 503, "The audit trail cannot be written", _UNCHANGED),
    (UsersUnavailableError, 503, "The users database cannot be used", _UNCHANGED),
    (BackupNotFoundError, 404, "There is no such backup", ""),
    (BackupDamagedError, 409, "This backup cannot be relied on", ""),
    (BackupError, 503, "Backups cannot be made or read", ""),
    (SecretStoreError, 503, "Keys and secrets could not be changed", _UNCHANGED),
    (RotationError, 503, "Keys and secrets could not be changed", _UNCHANGED),
    (OperationalError, 503, "The disk or a database refused to write", _FREE_SPACE),
    (OSError, 503, "The disk refused to write", _FREE_SPACE),
)
#: The codes of errors that are not ours: their classes' names and texts may change and may tell too much.
_FOREIGN: dict[type[Exception], str] = {OperationalError: "database_unavailable", OSError: "disk_unavailable"}


def to_problem(error: Exception) -> Problem | None:
    """The problem that tells `error`, None if it is not one that is expected."""
    if isinstance(error, ApiError):
        return error.problem
    if isinstance(error, InvalidInputError):
        return Problem(
            status=422,
            code=error.code,
            title="Please look at the marked fields",
            detail=str(error),
            fields=error.fields,
        )
    if isinstance(error, TooManyAttemptsError):
        return Problem(
            status=429, code=error.code, title="Too many tries", detail=str(error), retry_after_s=error.retry_after_s
        )
    for kind, status, title, next_step in _TABLE:
        if isinstance(error, kind):
            ours = _FOREIGN.get(kind)
            code, detail = (ours, "") if ours else (_code(error), str(error))
            return Problem(status=status, code=code, title=title, detail=detail, next_step=next_step)
    return None


def _code(error: Exception) -> str:
    """The error's own code, else its class name in words: `KillLatchedError` -> `kill_latched`."""
    own = getattr(error, "code", None)
    if isinstance(own, str) and isinstance(error, RefusedError):
        return own
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
