"""Signing in. The answer to a failure never says whether the account exists, and takes as long either way."""

from __future__ import annotations

from typing import NoReturn

from tbot_bot.domain.audit import AuditPhase, AuditPort, AuditResult
from tbot_bot.domain.identity import User, UserStatus, UserStore
from tbot_bot.domain.time import Clock
from tbot_bot.identity.errors import WrongCredentialsError
from tbot_bot.identity.passwords import PasswordHasher
from tbot_bot.identity.people import fold, username_problem
from tbot_bot.identity.sessions import OpenedSession, Sessions
from tbot_bot.identity.throttle import Throttle
from tbot_bot.identity.tokens import hash_recovery_code

#: The actor of an attempt under a name that nobody has; the name itself may be a password typed into the wrong field.
_NOBODY = "unknown"


class LogIn:
    """Recognises people and opens their sessions.

    A try that has to wait is refused before anything is hashed and leaves no record, so a flood cannot fill the log;
    every try that was judged does.
    """

    def __init__(
        self,
        users: UserStore,
        sessions: Sessions,
        hasher: PasswordHasher,
        throttle: Throttle,
        audit: AuditPort,
        clock: Clock,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._hasher = hasher
        self._throttle = throttle
        self._audit = audit
        self._clock = clock

    def log_in(self, username: str, password: str, *, address: str, user_agent: str = "") -> OpenedSession:
        """Sign in by password. Raises TooManyAttemptsError and WrongCredentialsError."""
        name = fold(username)
        self._throttle.attempt(name, address)
        user = self._find(name)
        active = _if_active(user)
        if not self._hasher.matches(password, active.password_hash if active else None) or active is None:
            self._refuse(user, address)
        self._throttle.forgive(name, address)
        return self._sessions.open(active, address=address, user_agent=user_agent, means="password")

    def log_in_with_recovery_code(
        self, username: str, code: str, *, address: str, user_agent: str = ""
    ) -> OpenedSession:
        """Sign in by a recovery code, which is used up. Raises TooManyAttemptsError and WrongCredentialsError."""
        name = fold(username)
        self._throttle.attempt(name, address)
        user = self._find(name)
        active = _if_active(user)
        with self._audit.act(
            verb="user.use_recovery_code",
            actor=user.username if user else _NOBODY,
            role=user.role if user else "",
            address=address,
        ):
            user_id = active.id if active else 0  # nobody's, but asked for all the same, to take as long
            used = self._users.use_recovery_code(user_id, hash_recovery_code(code), self._clock.now())
            if not used or active is None:
                raise WrongCredentialsError
        self._throttle.forgive(name, address)
        return self._sessions.open(active, address=address, user_agent=user_agent, means="recovery code")

    def _find(self, name: str) -> User | None:
        # What cannot be a username is nobody's, and need not be text that a database takes.
        return self._users.user_named(name) if username_problem(name) is None else None

    def _refuse(self, user: User | None, address: str) -> NoReturn:
        self._audit.record(
            verb="session.log_in",
            phase=AuditPhase.EVENT,
            actor=user.username if user else _NOBODY,
            role=user.role if user else "",
            address=address,
            result=AuditResult.REFUSED,
            reason="account not active" if user and not _if_active(user) else WrongCredentialsError.code,
        )
        raise WrongCredentialsError


def _if_active(user: User | None) -> User | None:
    """The user, if they may sign in: someone who has to choose a password has to do that first."""
    return user if user and user.status is UserStatus.ACTIVE and user.password_hash else None
