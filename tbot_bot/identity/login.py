"""Signing in. The answer to a failure never says whether the account exists, and takes as long either way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import NoReturn

from tbot_bot.domain.audit import AuditPhase, AuditPort, AuditResult
from tbot_bot.domain.identity import LinkStore, OneTimeToken, TokenKind, User, UserStatus, UserStore
from tbot_bot.domain.time import Clock
from tbot_bot.identity.errors import SignInOverError, WrongCodeError, WrongCredentialsError
from tbot_bot.identity.passwords import PasswordHasher
from tbot_bot.identity.people import fold, username_problem
from tbot_bot.identity.second_factor import SecondFactors
from tbot_bot.identity.sessions import OpenedSession, Sessions
from tbot_bot.identity.throttle import Throttle
from tbot_bot.identity.tokens import hash_recovery_code, hash_token, new_token

#: The actor of an attempt under a name that nobody has; the name itself may be a password typed into the wrong field.
_NOBODY = "unknown"


#: How long a code may follow the password.
CODE_WITHIN = timedelta(minutes=5)
_PASSWORD, _RECOVERY_CODE = "password", "recovery code"


@dataclass(frozen=True, slots=True)
class HalfWay:
    """Recognised by one factor; `token`, told once, lets the other follow."""

    user: User
    token: str = field(repr=False)


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
        links: LinkStore,
        factors: SecondFactors,
    ) -> None:
        self._users = users
        self._links = links
        self._factors = factors
        self._sessions = sessions
        self._hasher = hasher
        self._throttle = throttle
        self._audit = audit
        self._clock = clock

    def log_in(self, username: str, password: str, *, address: str, user_agent: str = "") -> OpenedSession | HalfWay:
        """Sign in by password; half way for someone with a second factor.

        Raises TooManyAttemptsError and WrongCredentialsError.
        """
        name = fold(username)
        self._throttle.attempt(name, address)
        user = self._find(name)
        active = _if_active(user)
        if not self._hasher.matches(password, active.password_hash if active else None) or active is None:
            self._refuse(user, address)
        self._throttle.forgive(name, address)
        return self._recognised(active, _PASSWORD, address, user_agent)

    def log_in_with_recovery_code(
        self, username: str, code: str, *, address: str, user_agent: str = ""
    ) -> OpenedSession | HalfWay:
        """Sign in by a recovery code, which is used up, in place of the password.

        Raises TooManyAttemptsError and WrongCredentialsError.
        """
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
        return self._recognised(active, _RECOVERY_CODE, address, user_agent)

    def give_code(self, token: str, code: str, *, address: str, user_agent: str = "") -> OpenedSession:
        """Go the second half: by a code, or after the password by a recovery code.

        Raises SignInOverError, TooManyAttemptsError and WrongCodeError, after which another code can be given.
        """
        now, kind = self._clock.now(), TokenKind.SIGN_IN
        found = self._links.token(hash_token(kind, token), kind, now)
        user = _if_active(self._users.user(found.user_id)) if found else None
        if found is None or user is None:
            raise SignInOverError
        means = "second factor"
        try:
            self._factors.require(user, code, address)
        except WrongCodeError:
            # Two recovery codes would be one factor: the sheet that they are written on.
            hashed = hash_recovery_code(code)
            if found.detail != _PASSWORD or not self._users.use_recovery_code(user.id, hashed, now):
                self._note_refusal(user, address, WrongCodeError.code)
                raise
            means = _RECOVERY_CODE
        if not self._links.use_token(hash_token(kind, token), kind, now):
            raise SignInOverError
        return self._sessions.open(user, address=address, user_agent=user_agent, means=f"{found.detail}, {means}")

    def _recognised(self, user: User, means: str, address: str, user_agent: str) -> OpenedSession | HalfWay:
        if self._factors.since(user.id) is None:
            return self._sessions.open(user, address=address, user_agent=user_agent, means=means)
        token, now, kind = new_token(), self._clock.now(), TokenKind.SIGN_IN
        self._links.put_token(user.id, OneTimeToken(hash_token(kind, token), kind, now + CODE_WITHIN, means), now)
        return HalfWay(user, token)

    def _find(self, name: str) -> User | None:
        # What cannot be a username is nobody's, and need not be text that a database takes.
        return self._users.user_named(name) if username_problem(name) is None else None

    def _refuse(self, user: User | None, address: str) -> NoReturn:
        active = user is None or _if_active(user) is not None
        self._note_refusal(user, address, WrongCredentialsError.code if active else "account not active")
        raise WrongCredentialsError

    def _note_refusal(self, user: User | None, address: str, reason: str) -> None:
        self._audit.record(
            verb="session.log_in",
            phase=AuditPhase.EVENT,
            actor=user.username if user else _NOBODY,
            role=user.role if user else "",
            address=address,
            result=AuditResult.REFUSED,
            reason=reason,
        )


def _if_active(user: User | None) -> User | None:
    """The user, if they may sign in: someone who has to choose a password has to do that first."""
    return user if user and user.status is UserStatus.ACTIVE and user.password_hash else None
