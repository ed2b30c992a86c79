"""Verbs of login, sessions and one's own account."""

from __future__ import annotations

from tbot_bot.api.errors import not_signed_in
from tbot_bot.api.model import Message, Nothing
from tbot_bot.api.permissions import Role
from tbot_bot.api.sessions import (
    Account,
    AskVerdict,
    ChangePassword,
    EndSession,
    GiveCode,
    LoggedIn,
    LogIn,
    OwnSession,
    OwnSessions,
    Rotated,
    SteppedUp,
    StepUp,
    Verdict,
)
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.control.unsealer import Unsealer
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.identity.login import HalfWay
from tbot_bot.identity.sessions import OpenedSession, SessionSummary


class SessionVerbs:
    """The handlers."""

    def __init__(self, foundation: Foundation, unsealer: Unsealer) -> None:
        self._foundation = foundation
        self._unsealer = unsealer

    def handlers(self) -> dict[str, Handler]:
        """The verbs answered here."""
        return {
            "session.log_in": self._log_in,
            "session.give_code": self._give_code,
            "session.lock": self._lock,
            "session.unlock": self._unlock,
            "session.verdict": self._verdict,
            "session.log_out": self._log_out,
            "session.list": self._list,
            "session.end": self._end,
            "session.step_up": self._step_up,
            "account.view": self._account,
            "account.change_password": self._change_password,
        }

    def _log_in(self, caller: Caller, asked: LogIn) -> LoggedIn:
        params = {"username": asked.username, "user_agent": asked.user_agent}
        secret = self._unsealer.open(caller, "session.log_in", asked.sealed, params)
        log_in = self._foundation.log_in
        if "recovery_code" in secret:
            opened = log_in.log_in_with_recovery_code(
                asked.username, secret["recovery_code"], address=caller.address, user_agent=asked.user_agent
            )
        else:
            opened = log_in.log_in(
                asked.username, secret.get("password", ""), address=caller.address, user_agent=asked.user_agent
            )
        answer = _logged_in(opened)
        self._foundation.known_devices.signed_in(answer.username, asked.user_agent, caller.address)
        return answer

    def _give_code(self, caller: Caller, asked: GiveCode) -> LoggedIn:
        params = {"user_agent": asked.user_agent}
        secret = self._unsealer.open(caller, "session.give_code", asked.sealed, params)
        opened = self._foundation.log_in.give_code(
            secret.get("half_way", ""), secret.get("code", ""), address=caller.address, user_agent=asked.user_agent
        )
        return _logged_in(opened)

    def _lock(self, caller: Caller, _nothing: Message) -> Nothing:
        self._foundation.sessions.lock(_session(caller))
        return Nothing()

    def _unlock(self, caller: Caller, asked: StepUp) -> SteppedUp:
        secret = self._unsealer.open(caller, "session.unlock", asked.sealed, {})
        return self._stepped_up(caller, secret.get("password", ""))

    def _verdict(self, caller: Caller, _asked: AskVerdict) -> Verdict:
        return caller.verdict

    def _log_out(self, caller: Caller, _nothing: Message) -> Nothing:
        if caller.session:
            self._foundation.sessions.log_out(caller.session)
        return Nothing()

    def _list(self, caller: Caller, _nothing: Message) -> OwnSessions:
        return OwnSessions(items=[to_own_session(one) for one in self._foundation.sessions.own(_session(caller))])

    def _end(self, caller: Caller, asked: EndSession) -> Nothing:
        self._foundation.sessions.end(_session(caller), asked.handle)
        return Nothing()

    def _step_up(self, caller: Caller, asked: StepUp) -> SteppedUp:
        secret = self._unsealer.open(caller, "session.step_up", asked.sealed, {})
        return self._stepped_up(caller, secret.get("password", ""))

    def _stepped_up(self, caller: Caller, proof: str) -> SteppedUp:
        opened = self._foundation.sessions.step_up(_session(caller), proof)
        until = opened.verdict.stepped_up_until or self._foundation.clock.now()
        return SteppedUp(session=opened.session_id, until=to_rfc3339(until))

    def _account(self, caller: Caller, _nothing: Message) -> Account:
        user = self._foundation.users.user(caller.verdict.user_id or 0)
        if user is None:
            raise not_signed_in()
        since = self._foundation.second_factors.since(user.id)
        return Account(
            username=user.display,
            email=user.email,
            role=Role(user.role),
            created_at=to_rfc3339(user.created_at),
            password_changed_at=to_rfc3339(user.password_changed_at),
            recovery_codes_left=self._foundation.users.recovery_codes_left(user.id),
            second_factor_since=None if since is None else to_rfc3339(since),
        )

    def _change_password(self, caller: Caller, asked: ChangePassword) -> Rotated:
        secret = self._unsealer.open(caller, "account.change_password", asked.sealed, {})
        effect = self._foundation.users.prepare_password_change(
            caller.verdict.user_id or 0,
            secret.get("current", ""),
            secret.get("new", ""),
            session_id=caller.session,
            address=caller.address,
        )
        committed = self._foundation.rotation.rotate(
            dict,
            request_id=caller.request_id,
            reason="password changed",
            actor=caller.actor,
            target=caller.actor,
            after_effects=[effect],
        )
        return Rotated(generation=committed.number)


def to_own_session(one: SessionSummary) -> OwnSession:
    """A session in the words of the system API."""
    return OwnSession(
        handle=one.handle,
        device=one.device,
        address=one.address,
        created_at=to_rfc3339(one.created_at),
        last_seen_at=to_rfc3339(one.last_seen_at),
        current=one.current,
    )


def _session(caller: Caller) -> str:
    if caller.session is None:
        raise not_signed_in()
    return caller.session


def _logged_in(opened: OpenedSession | HalfWay) -> LoggedIn:
    if isinstance(opened, HalfWay):
        return LoggedIn(session=None, half_way=opened.token, username=opened.user.display, role=Role(opened.user.role))
    user, role = opened.verdict.user, opened.verdict.role
    if user is None or role is None:
        raise not_signed_in()
    return LoggedIn(session=opened.session_id, username=user.display, role=role)
