"""Sessions of people: opaque ids that only the caller knows, judged anew at each request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tbot_bot.api.permissions import ROLE_PERMISSIONS, Permission, Role
from tbot_bot.api.sessions import SessionStatus
from tbot_bot.domain.audit import AuditPhase, AuditPort, AuditResult
from tbot_bot.domain.identity import Session, SessionStore, User, UserStatus
from tbot_bot.domain.time import Clock
from tbot_bot.domain.totp import looks_like_code
from tbot_bot.identity.devices import describe_device
from tbot_bot.identity.errors import SessionEndedError, SessionNotFoundError, WrongPasswordError
from tbot_bot.identity.passwords import PasswordHasher
from tbot_bot.identity.throttle import Throttle
from tbot_bot.identity.tokens import hash_token, new_token

_HANDLE_LENGTH = 32
_USER_AGENT_LENGTH_MAX = 512


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lives without an act, at most, stepped up, and between two notes of an act."""

    inactivity: timedelta = timedelta(minutes=30)
    absolute: timedelta = timedelta(hours=12)
    step_up: timedelta = timedelta(minutes=10)
    touch_interval: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class SessionVerdict:
    """What a session may do now.

    Only an active one has permissions; an expired one still names its user, so that the reason can be shown; `none`
    means unknown or ended, or that its user may not sign in. `expires_at` counts both limits.
    """

    status: SessionStatus
    user: User | None = None
    role: Role | None = None
    permissions: frozenset[Permission] = frozenset()
    handle: str | None = None
    expires_at: datetime | None = None
    absolute_expires_at: datetime | None = None
    stepped_up_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A new session id, told once, and what it may do."""

    session_id: str
    verdict: SessionVerdict


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One of a person's own sessions; `handle` names it without giving it away."""

    handle: str
    device: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    current: bool


_NONE = SessionVerdict(SessionStatus.NONE)


def handle_of(session_id: str) -> str:
    """The name under which a session is stored, listed and audited."""
    return hash_token("session", session_id)[:_HANDLE_LENGTH]


class Sessions:
    """Opens, judges and ends sessions. `changed` is called after each change that others may have remembered."""

    def __init__(
        self,
        store: SessionStore,
        hasher: PasswordHasher,
        throttle: Throttle,
        audit: AuditPort,
        clock: Clock,
        *,
        limits: SessionLimits = SessionLimits(),
        accepts: Callable[[int, str], bool] = lambda _user_id, _code: False,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`accepts` says whether a code is one of a user's second factor."""
        self._store = store
        self._accepts = accepts
        self._hasher = hasher
        self._throttle = throttle
        self._audit = audit
        self._clock = clock
        self._limits = limits
        self._changed = changed

    def open(self, user: User, *, address: str, user_agent: str, means: str) -> OpenedSession:
        """Begin a session for someone who was just recognised by `means`; audited before it exists."""
        now = self._clock.now()
        session_id = new_token()
        session = Session(handle_of(session_id), user.id, now, now, address, user_agent[:_USER_AGENT_LENGTH_MAX])
        self._note("session.log_in", session, user, reason=means)
        self._store.add_session(session, forget_before=now - 2 * self._limits.absolute)
        self._changed()
        return OpenedSession(session_id, self._judge(session, user, now))

    def verdict(self, session_id: str, *, touch: bool) -> SessionVerdict:
        """Judge a session by the present time, role and status of its user.

        `touch` says that a person acted, which puts the inactivity limit off; polling never does. An act is noted at
        most every 30 seconds, so the limit may be that much short.
        """
        found = self._store.session_and_user(handle_of(session_id))
        if found is None:
            return _NONE
        session, user = found
        now = self._clock.now()
        verdict = self._judge(session, user, now)
        if not touch or verdict.status is not SessionStatus.ACTIVE:
            return verdict
        if now - session.last_seen_at < self._limits.touch_interval:
            return verdict
        self._store.touch_session(session.handle, now)
        return self._judge(replace(session, last_seen_at=now), user, now)

    def step_up(self, session_id: str, proof: str) -> OpenedSession:
        """Open sensitive acts for a while to one who proves to be there still; this also unlocks a locked session.

        The proof is the password, or a code of the second factor: no password is as short as a code.

        The session gets a new id and keeps its absolute limit. Raises SessionEndedError, TooManyAttemptsError,
        WrongPasswordError.
        """
        session, user = self._alive(session_id, SessionStatus.ACTIVE, SessionStatus.LOCKED)
        self._throttle.attempt(user.username, session.address)
        is_code = looks_like_code(proof)
        if not (self._accepts(user.id, proof) if is_code else self._hasher.matches(proof, user.password_hash)):
            self._note("session.step_up", session, user, AuditResult.REFUSED, WrongPasswordError.code)
            raise WrongPasswordError
        self._throttle.forgive(user.username, session.address)
        now = self._clock.now()
        new_id = new_token()
        renewed = replace(
            session,
            handle=handle_of(new_id),
            last_seen_at=now,
            locked=False,
            stepped_up_until=now + self._limits.step_up,
        )
        self._note("session.step_up", session, user, detail={"new_session": renewed.handle})
        if not self._store.replace_session(session.handle, renewed):
            raise SessionEndedError
        self._changed()
        return OpenedSession(new_id, self._judge(renewed, user, now))

    def lock(self, session_id: str) -> None:
        """Let the session do nothing until `step_up`. Raises SessionEndedError."""
        session, user = self._alive(session_id, SessionStatus.ACTIVE, SessionStatus.LOCKED)
        self._note("session.lock", session, user)
        self._store.lock_session(session.handle)
        self._changed()

    def log_out(self, session_id: str) -> None:
        """End the session; one that is over or unknown stays so."""
        found = self._store.session_and_user(handle_of(session_id))
        if found is None:
            return
        session, user = found
        self._note("session.log_out", session, user)
        self._store.end_session(user.id, session.handle)
        self._changed()

    def own(self, session_id: str) -> tuple[SessionSummary, ...]:
        """The live sessions of this session's user, newest first. Raises SessionEndedError."""
        current, user = self._alive(session_id, SessionStatus.ACTIVE)
        return self._summaries(user, current.handle)

    def of(self, user: User) -> tuple[SessionSummary, ...]:
        """The live sessions of a user, newest first."""
        return self._summaries(user, None)

    def end_all(self, user: User, **by: str) -> int:
        """End every session of a user for somebody else, named as the audit trail names them; how many there were."""
        with self._audit.act(verb="session.revoke", target=user.username, **by) as act:
            ended = self._store.end_sessions(user.id, None)
            act.detail = {"ended": ended}
        self._changed()
        return ended

    def _summaries(self, user: User, current: str | None) -> tuple[SessionSummary, ...]:
        now = self._clock.now()
        return tuple(
            SessionSummary(
                handle=each.handle,
                device=describe_device(each.user_agent),
                address=each.address,
                created_at=each.created_at,
                last_seen_at=each.last_seen_at,
                current=each.handle == current,
            )
            for each in self._store.sessions_of(user.id)
            if self._judge(each, user, now).status in {SessionStatus.ACTIVE, SessionStatus.LOCKED}
        )

    def end(self, session_id: str, handle: str | None = None) -> None:
        """End one of one's own sessions, or all but this one with None.

        Raises SessionEndedError, and SessionNotFoundError if the user has no session of that handle.
        """
        session, user = self._alive(session_id, SessionStatus.ACTIVE)
        with self._audit.act(
            verb="session.revoke",
            actor=user.username,
            role=user.role,
            session=session.handle,
            address=session.address,
            target=handle or "all others",
        ) as act:
            if handle is None:
                act.detail = {"ended": self._store.end_sessions(user.id, session.handle)}
            elif not self._store.end_session(user.id, handle):
                raise SessionNotFoundError
        self._changed()

    def _alive(self, session_id: str, *allowed: SessionStatus) -> tuple[Session, User]:
        found = self._store.session_and_user(handle_of(session_id))
        if found is None or self._judge(*found, self._clock.now()).status not in allowed:
            raise SessionEndedError
        return found

    def _judge(self, session: Session, user: User, now: datetime) -> SessionVerdict:
        if user.status is not UserStatus.ACTIVE:
            return _NONE
        absolute = session.created_at + self._limits.absolute
        expires = min(absolute, session.last_seen_at + self._limits.inactivity)
        stepped_up = session.stepped_up_until
        verdict = SessionVerdict(
            status=SessionStatus.LOCKED if session.locked else SessionStatus.ACTIVE,
            user=user,
            role=Role(user.role),
            handle=session.handle,
            expires_at=expires,
            absolute_expires_at=absolute,
            stepped_up_until=stepped_up if stepped_up is not None and now < stepped_up else None,
        )
        if now >= expires:
            return replace(verdict, status=SessionStatus.EXPIRED, stepped_up_until=None)
        if session.locked:
            return verdict
        return replace(verdict, permissions=ROLE_PERMISSIONS[Role(user.role)])

    def _note(
        self,
        verb: str,
        session: Session,
        user: User,
        result: AuditResult = AuditResult.OK,
        reason: str = "",
        detail: dict[str, object] | None = None,
    ) -> None:
        self._audit.record(
            verb=verb,
            phase=AuditPhase.EVENT,
            actor=user.username,
            role=user.role,
            session=session.handle,
            address=session.address,
            target=user.username,
            result=result,
            reason=reason,
            detail=detail,
        )
