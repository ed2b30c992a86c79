"""Who is behind a system-API call, and whether the verb exists for them: judged here, whatever the portal says."""

from __future__ import annotations

from datetime import datetime

from tbot_bot.api.errors import ApiError, no_setup_session, not_allowed, not_signed_in, wrong_phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.sessions import SessionStatus, Verdict
from tbot_bot.api.verbs import Call, Verb
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.lifecycle import Lifecycle
from tbot_bot.domain.time import from_rfc3339, to_rfc3339
from tbot_bot.identity.sessions import SessionVerdict


class CallJudge:
    """Judges by the session, its user's role, and the state of the bot."""

    def __init__(self, foundation: Foundation, lifecycle: Lifecycle) -> None:
        self._foundation = foundation
        self._lifecycle = lifecycle

    def judge(self, call: Call, verb: Verb) -> Verdict:
        """Return the caller's verdict, or raise ApiError."""
        if self._lifecycle.state not in verb.states:
            raise wrong_phase(self._lifecycle.state)
        verdict = self.verdict(call, touch=bool(call.params.get("touch")))
        if verb.permission is Permission.PUBLIC:
            return verdict
        if verb.permission is Permission.SETUP:
            if not verdict.setup:
                raise no_setup_session()
            return verdict
        if verdict.status is not SessionStatus.ACTIVE:
            raise not_signed_in()
        if verb.permission not in verdict.permissions:
            raise not_allowed(verb.permission)
        return verdict

    def verdict(self, call: Call, *, touch: bool) -> Verdict:
        """Judge the sessions that a call carries."""
        setup = bool(call.setup_session) and self._foundation.setup_tokens.verdict_setup(str(call.setup_session))
        if not call.session:
            return Verdict(status=SessionStatus.NONE, setup=setup)
        return to_answer(self._foundation.sessions.verdict(call.session, touch=touch), setup=setup)


def require_step_up(verdict: Verdict, now: datetime) -> None:
    """Raise ApiError unless the caller gave the password again a moment ago."""
    until = verdict.stepped_up_until
    if until is None or from_rfc3339(until) < now:
        raise ApiError.of(403, "step_up_needed", "Your password is needed again", "", "Type your password below.")


def require_typed(typed: str, wanted: str) -> None:
    """Raise ApiError unless the name was typed that the act asks for."""
    if typed.strip() != wanted:
        raise ApiError.of(422, "typed_wrong", "The name does not match", fields={"typed": f"Type {wanted} to confirm."})


def require_reason(reason: str) -> None:
    """Raise ApiError unless a reason was given."""
    if not reason.strip():
        raise ApiError.of(422, "reason_missing", "A reason is needed", fields={"reason": "Say why, in a few words."})


def to_answer(verdict: SessionVerdict, *, setup: bool = False) -> Verdict:
    """The verdict in the words of the system API."""
    return Verdict(
        status=verdict.status,
        user_id=verdict.user.id if verdict.user else None,
        username=verdict.user.display if verdict.user else None,
        role=verdict.role,
        permissions=verdict.permissions,
        expires_at=_text(verdict.expires_at),
        absolute_expires_at=_text(verdict.absolute_expires_at),
        stepped_up_until=_text(verdict.stepped_up_until),
        setup=setup,
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else to_rfc3339(moment)
