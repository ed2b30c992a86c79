"""Users are made and changed as after-effects of a rotation: prepared here, carried in its manifest, applied here.

An effect is a JSON object without any plaintext: hashes only. Applying it again changes nothing, so it can be replayed
after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from tbot_bot.api.permissions import Role
from tbot_bot.domain.audit import AuditPort
from tbot_bot.domain.identity import NewUser, User, UserStatus, UserStore
from tbot_bot.domain.time import Clock
from tbot_bot.identity.errors import (
    AdminExistsError,
    InvalidInputError,
    UnknownEffectError,
    UnknownUserError,
    WrongPasswordError,
)
from tbot_bot.identity.passwords import PasswordHasher, password_problem
from tbot_bot.identity.people import fold, registration_problems
from tbot_bot.identity.sessions import handle_of
from tbot_bot.identity.throttle import Throttle
from tbot_bot.identity.tokens import hash_recovery_code, new_recovery_codes, new_token

CREATE_FIRST_ADMIN = "user.create_first_admin"
CHANGE_PASSWORD = "user.change_password"  # noqa: S105 - the name of a kind of effect
EFFECT_KINDS = (CREATE_FIRST_ADMIN, CHANGE_PASSWORD)


class Users:
    """Prepares and applies changes of users. `changed` is called after each change that others may have remembered."""

    def __init__(
        self,
        store: UserStore,
        hasher: PasswordHasher,
        throttle: Throttle,
        audit: AuditPort,
        clock: Clock,
        *,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._throttle = throttle
        self._audit = audit
        self._clock = clock
        self._changed = changed

    def user(self, user_id: int) -> User | None:
        """The user of this id."""
        return self._store.user(user_id)

    def everybody(self) -> Sequence[User]:
        """All users, by name."""
        return self._store.users()

    def last_sign_in(self, user_id: int) -> datetime | None:
        """When the user last signed in; None if never."""
        return self._store.last_sign_in(user_id)

    def admin_exists(self) -> bool:
        """Whether the set-up is over."""
        return self._store.admin_exists()

    def recovery_codes_left(self, user_id: int) -> int:
        """How many of a user's recovery codes are unused."""
        return self._store.recovery_codes_left(user_id)

    def prepare_first_admin(
        self, username: str, email: str, password: str, again: str | None = None
    ) -> tuple[dict[str, Any], list[str]]:
        """The effect that makes the first administrator, and the recovery codes to show once.

        `again` is the password as a person repeated it, None for a program that has no need to. Raises
        AdminExistsError, and InvalidInputError with a message for each wrong field.
        """
        if self._store.admin_exists():
            raise AdminExistsError
        username, email = username.strip(), email.strip()
        problems = registration_problems(username, email, password, password if again is None else again)
        if problems:
            raise InvalidInputError(problems)
        codes = new_recovery_codes()
        effect = {
            "kind": CREATE_FIRST_ADMIN,
            "effect_id": new_token(),
            "username": fold(username),
            "display": username,
            "email": email,
            "password_hash": self._hasher.hash(password),
            "recovery_code_hashes": [hash_recovery_code(code) for code in codes],
        }
        return effect, codes

    def prepare_password_change(
        self, user_id: int, current: str, new: str, *, session_id: str | None = None, address: str = ""
    ) -> dict[str, Any]:
        """The effect that changes a password and ends the user's sessions, all but `session_id`.

        Raises UnknownUserError, TooManyAttemptsError, WrongPasswordError, and InvalidInputError for the field `new`.
        """
        user = self._store.user(user_id)
        if user is None or user.status is not UserStatus.ACTIVE:
            raise UnknownUserError
        self._throttle.attempt(user.username, address)
        if not self._hasher.matches(current, user.password_hash):
            raise WrongPasswordError
        self._throttle.forgive(user.username, address)
        problem = password_problem(new, user.username, user.email)
        if problem is not None:
            raise InvalidInputError({"new": problem})
        return {
            "kind": CHANGE_PASSWORD,
            "user_id": user.id,
            "password_hash": self._hasher.hash(new),
            "keep_session": None if session_id is None else handle_of(session_id),
        }

    def created_by(self, effect: Mapping[str, Any]) -> User | None:
        """The user that an applied effect made; None if it came too late, because another admin was first."""
        return self._store.created_by(effect["effect_id"])

    def apply_effect(self, effect: Mapping[str, Any], generation: int) -> None:
        """Apply an effect of the rotation that made `generation`, once however often it is called.

        What is no longer possible is recorded as refused and changes nothing, so that a replay never fails for it.
        Raises UnknownEffectError for an effect that is not of `EFFECT_KINDS`.
        """
        appliers = {CREATE_FIRST_ADMIN: self._create_first_admin, CHANGE_PASSWORD: self._change_password}
        applier = appliers.get(effect.get("kind", ""))
        if applier is None:
            raise UnknownEffectError(effect.get("kind"))
        if applier(effect, generation):
            self._changed()

    def _create_first_admin(self, effect: Mapping[str, Any], generation: int) -> bool:
        if self.created_by(effect) is not None:
            return False
        user = NewUser(
            effect_id=effect["effect_id"],
            username=effect["username"],
            display=effect["display"],
            email=effect["email"],
            role=Role.ADMIN,
            password_hash=effect["password_hash"],
            created_at=self._clock.now(),
            generation=generation,
        )
        with suppress(AdminExistsError):
            self._add_first_admin(user, effect["recovery_code_hashes"])
            return True
        return False

    def _add_first_admin(self, user: NewUser, code_hashes: Sequence[str]) -> None:
        with self._audit.act(verb="user.create", actor="system", target=user.username) as act:
            act.after = {"email": user.email, "role": user.role}
            act.generation = user.generation
            if not self._store.create_user(user, code_hashes, only_first_admin=True):
                raise AdminExistsError

    def _change_password(self, effect: Mapping[str, Any], generation: int) -> bool:
        user = self._store.user(effect["user_id"])
        if user is None or user.generation >= generation:
            return False
        with self._audit.act(verb="user.change_password", actor="system", target=user.username) as act:
            act.generation = generation
            self._store.change_password(
                user.id, effect["password_hash"], self._clock.now(), generation, effect["keep_session"]
            )
        return True
