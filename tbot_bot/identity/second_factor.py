"""The second factor: a code that follows the clock, besides the password.

The secret is made and told once, and proven by a code before it counts; it lies in a secrets file under an id of its
own, never in a database. A code is taken once: neither it nor an earlier one is accepted again.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tbot_bot.domain.audit import AuditPort
from tbot_bot.domain.identity import FactorStore, SecondFactor, User, UserStore
from tbot_bot.domain.time import Clock
from tbot_bot.domain.totp import matching_step
from tbot_bot.identity.errors import UnknownEffectError, UnknownUserError, WrongCodeError
from tbot_bot.identity.sessions import handle_of
from tbot_bot.identity.throttle import Throttle
from tbot_bot.identity.tokens import hash_recovery_code, new_recovery_codes, new_token
from tbot_bot.identity.user_changes import By, Effect

ENROL = "user.enrol_second_factor"
REMOVE = "user.remove_second_factor"
RENEW_CODES = "user.renew_recovery_codes"
FACTOR_KINDS = (ENROL, REMOVE, RENEW_CODES)
#: How long a secret waits for the code that proves it.
PENDING = timedelta(minutes=15)
_SECRET_BYTES = 20
_THROTTLED = "second factor of {}"


@dataclass(frozen=True, slots=True)
class _Pending:
    secret: str
    until: datetime


class SecondFactors:
    """Enrols, asks and removes. `secret_of` reads a secret of the generation in force by its id, None if it is gone."""

    def __init__(
        self,
        store: FactorStore,
        users: UserStore,
        throttle: Throttle,
        audit: AuditPort,
        clock: Clock,
        *,
        secret_of: Callable[[str], str | None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._users = users
        self._throttle = throttle
        self._audit = audit
        self._clock = clock
        self._secret_of = secret_of
        self._changed = changed
        self._lock = threading.Lock()
        self._pending: dict[int, _Pending] = {}

    def since(self, user_id: int) -> datetime | None:
        """Since when the user gives codes; None if they do not."""
        factor = self._store.factor(user_id)
        return None if factor is None else factor.since

    def accepts(self, user_id: int, code: str) -> bool:
        """Whether this is a code of the user that was not used; it is used by asking."""
        factor = self._store.factor(user_id)
        secret = None if factor is None else self._secret_of(factor.secret_id)
        if secret is None:
            return False
        step = matching_step(_bytes(secret), code.replace(" ", ""), self._clock.now())
        return step is not None and self._store.use_step(user_id, step)

    def begin(self, user_id: int) -> str:
        """Make a secret that counts once a code proves it, and return it as text; one before it is forgotten."""
        secret = base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")
        now = self._clock.now()
        with self._lock:
            self._pending = {one: kept for one, kept in self._pending.items() if now < kept.until}
            self._pending[user_id] = _Pending(secret, now + PENDING)
        return secret

    def prepare(self, user_id: int, code: str, by: By, session_id: str | None) -> tuple[Effect, str, str]:
        """The effect that turns it on, and the id and text of the secret for the secrets file.

        Raises TooManyAttemptsError and WrongCodeError, after which another code can be given.
        """
        user = self._user(user_id)
        self._throttle.attempt(_THROTTLED.format(user.username), by.address)
        now = self._clock.now()
        pending = self._pending.get(user_id)
        secret = pending.secret if pending is not None and now < pending.until else None
        step = None if secret is None else matching_step(_bytes(secret), code.replace(" ", ""), now)
        if secret is None or step is None:
            raise WrongCodeError
        self._throttle.forgive(_THROTTLED.format(user.username), by.address)
        secret_id = new_token()
        effect = _effect(ENROL, user, by, session_id) | {"secret_id": secret_id, "step": step}
        return effect, secret_id, secret

    def prepare_removal(self, user_id: int, by: By, session_id: str | None) -> tuple[Effect, str]:
        """The effect that turns it off, and the id of the secret to remove; raises UnknownUserError without one."""
        user, factor = self._user(user_id), self._store.factor(user_id)
        if factor is None:
            raise UnknownUserError
        return _effect(REMOVE, user, by, session_id), factor.secret_id

    def prepare_codes(self, user_id: int, by: By) -> tuple[Effect, list[str]]:
        """The effect that puts new recovery codes in the place of the old, and the codes, to show once."""
        codes = new_recovery_codes()
        hashes = [hash_recovery_code(code) for code in codes]
        return _effect(RENEW_CODES, self._user(user_id), by, None) | {"recovery_code_hashes": hashes}, codes

    def require(self, user: User, code: str, address: str) -> None:
        """Take a code at a sign-in. Raises TooManyAttemptsError and WrongCodeError."""
        self._throttle.attempt(_THROTTLED.format(user.username), address)
        if not self.accepts(user.id, code):
            raise WrongCodeError
        self._throttle.forgive(_THROTTLED.format(user.username), address)

    def apply_effect(self, effect: Mapping[str, Any], generation: int) -> None:
        """Apply an effect of the rotation that made `generation`, once however often it is called."""
        if effect["kind"] not in FACTOR_KINDS:
            raise UnknownEffectError(effect["kind"])
        user = self._users.user(effect["user_id"])
        if user is None or user.generation >= generation:
            return
        with (
            suppress(UnknownUserError),
            self._audit.act(verb=effect["kind"], target=user.username, **effect["by"]) as act,
        ):
            act.generation = generation
            if not self._made(effect, generation):
                raise UnknownUserError
        with self._lock:
            self._pending.pop(user.id, None)
        self._changed()

    def _made(self, effect: Mapping[str, Any], generation: int) -> bool:
        user_id, now = effect["user_id"], self._clock.now()
        if effect["kind"] == RENEW_CODES:
            return self._store.renew_codes(user_id, effect["recovery_code_hashes"], now, generation)
        if effect["kind"] == REMOVE:
            return self._store.remove_factor(user_id, now, generation, effect["keep_session"])
        factor = SecondFactor(user_id, effect["secret_id"], now)
        return self._store.set_factor(factor, effect["step"], generation, effect["keep_session"])

    def _user(self, user_id: int) -> User:
        user = self._users.user(user_id)
        if user is None:
            raise UnknownUserError
        return user


def _effect(kind: str, user: User, by: By, session_id: str | None) -> Effect:
    kept = None if session_id is None else handle_of(session_id)
    return {"kind": kind, "user_id": user.id, "by": by.recorded(), "keep_session": kept}


def _bytes(secret: str) -> bytes:
    try:
        return base64.b32decode(secret)
    except binascii.Error as error:
        raise ValueError("a stored secret of a second factor is no base32") from error
