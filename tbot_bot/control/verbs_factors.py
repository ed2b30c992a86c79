"""Verbs of the second factor: turned on by a code that proves it, turned off again, new recovery codes.

Each needs the password again, or a code, and is one rotation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from tbot_bot.api.errors import ApiError
from tbot_bot.api.model import Message
from tbot_bot.api.sessions import NewFactor, ProveFactor, RecoveryCodes, Rotated
from tbot_bot.config.secret_creation import with_factor
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.judge import require_step_up
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.control.unsealer import Unsealer
from tbot_bot.identity.user_changes import By, Effect

Contents = Mapping[str, Mapping[str, Any]]


class FactorVerbs:
    """The handlers."""

    def __init__(self, foundation: Foundation, unsealer: Unsealer) -> None:
        self._foundation = foundation
        self._unsealer = unsealer
        self._factors = foundation.second_factors

    def handlers(self) -> dict[str, Handler]:
        """The verbs answered here."""
        return {
            "account.begin_second_factor": self._begin,
            "account.enrol_second_factor": self._enrol,
            "account.remove_second_factor": self._remove,
            "account.renew_recovery_codes": self._renew_codes,
        }

    def _begin(self, caller: Caller, _nothing: Message) -> NewFactor:
        require_step_up(caller.verdict, self._foundation.clock.now())
        secret = self._factors.begin(caller.verdict.user_id or 0)
        bot = str(self._foundation.configuration().identity)
        query = urlencode({"secret": secret, "issuer": bot})
        return NewFactor(secret=secret, address=f"otpauth://totp/{bot}:{quote(caller.actor)}?{query}")

    def _enrol(self, caller: Caller, asked: ProveFactor) -> Rotated:
        secret = self._unsealer.open(caller, "account.enrol_second_factor", asked.sealed, {})
        require_step_up(caller.verdict, self._foundation.clock.now())
        if self._factors.since(caller.verdict.user_id or 0) is not None:
            raise ApiError.of(409, "has_factor", "There is a second factor already", "Remove it first.")
        effect, secret_id, kept = self._factors.prepare(
            caller.verdict.user_id or 0, secret.get("code", ""), _by(caller), caller.session
        )
        return self._rotated(caller, "second factor enrolled", effect, lambda now: with_factor(now, secret_id, kept))

    def _remove(self, caller: Caller, _nothing: Message) -> Rotated:
        require_step_up(caller.verdict, self._foundation.clock.now())
        effect, secret_id = self._factors.prepare_removal(caller.verdict.user_id or 0, _by(caller), caller.session)
        return self._rotated(caller, "second factor removed", effect, lambda now: with_factor(now, secret_id, None))

    def _renew_codes(self, caller: Caller, _nothing: Message) -> RecoveryCodes:
        require_step_up(caller.verdict, self._foundation.clock.now())
        effect, codes = self._factors.prepare_codes(caller.verdict.user_id or 0, _by(caller))
        done = self._rotated(caller, "recovery codes renewed", effect, dict)
        return RecoveryCodes(codes=codes, generation=done.generation)

    def _rotated(self, caller: Caller, reason: str, effect: Effect, change: Callable[[Contents], Contents]) -> Rotated:
        committed = self._foundation.rotation.rotate(
            change,
            request_id=caller.request_id,
            reason=reason,
            actor=caller.actor,
            target=caller.actor,
            after_effects=[effect],
        )
        return Rotated(generation=committed.number)


def _by(caller: Caller) -> By:
    return By(caller.actor, str(caller.verdict.role or ""), caller.address, caller.verdict.user_id)
