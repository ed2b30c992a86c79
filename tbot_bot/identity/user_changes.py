"""What an administrator does to users, and what a person does who holds a one-time link.

Each is an after-effect of a rotation: judged and prepared here, carried in its manifest as hashes, applied here once
however often it is asked for. The last active administrator stays, whatever the order of things.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tbot_bot.api.permissions import Role
from tbot_bot.domain.audit import AuditPort
from tbot_bot.domain.identity import (
    Letter,
    LinkStore,
    NewLink,
    NewUser,
    OneTimeToken,
    TokenKind,
    User,
    UserChange,
    UserStatus,
    UserStore,
)
from tbot_bot.domain.time import Clock, from_rfc3339, to_rfc3339
from tbot_bot.identity.errors import (
    InvalidInputError,
    LastAdminError,
    LinkRefusedError,
    OwnUserError,
    UnknownEffectError,
    UnknownUserError,
    UserMovedError,
)
from tbot_bot.identity.passwords import PasswordHasher, password_problem
from tbot_bot.identity.people import email_problem, fold, username_problem
from tbot_bot.identity.tokens import hash_recovery_code, hash_token, new_recovery_codes, new_token

INVITE = "user.invite"
CHANGE = "user.change"
DELETE = "user.delete"
RESET = "user.reset"
CHOOSE_PASSWORD = "user.choose_password"  # noqa: S105 - the name of a kind of effect
CHANGE_KINDS = (INVITE, CHANGE, DELETE, RESET, CHOOSE_PASSWORD)
LIFETIMES = {
    TokenKind.INVITATION: timedelta(hours=72),
    TokenKind.RESET: timedelta(minutes=30),
    TokenKind.EMAIL: timedelta(hours=1),
}
Effect = dict[str, Any]


@dataclass(frozen=True, slots=True)
class By:
    """Who asks for a change, as the audit trail names them; `user_id` is None for whoever holds a link."""

    actor: str
    role: str
    address: str
    user_id: int | None = None

    def recorded(self) -> dict[str, str]:
        return {"actor": self.actor, "role": self.role, "address": self.address}


@dataclass(frozen=True, slots=True)
class Link:
    """A fresh one-time token, told once, and until when it can be used; without a token it goes by mail."""

    kind: TokenKind
    token: str | None = field(repr=False)
    expires_at: datetime


class UserChanges:
    """Prepares and applies changes of users. `changed` is called after each one that others may have remembered."""

    def __init__(
        self,
        store: UserStore,
        links: LinkStore,
        hasher: PasswordHasher,
        audit: AuditPort,
        clock: Clock,
        *,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._links = links
        self._hasher = hasher
        self._audit = audit
        self._clock = clock
        self._changed = changed

    # preparing

    def prepare_invitation(
        self, username: str, email: str, role: Role, by: By, *, by_mail: bool = False
    ) -> tuple[Effect, Link]:
        """The effect that makes a user without a password, and the link by which they choose one.

        Raises InvalidInputError with a message for each wrong field.
        """
        username, email = username.strip(), email.strip()
        problems = {"username": username_problem(username), "email": email_problem(email)}
        if problems["username"] is None and self._store.user_named(fold(username)) is not None:
            problems["username"] = "Somebody has this username already; take another."
        _require_none(problems)
        link = self._new_link(TokenKind.INVITATION, by_mail=by_mail)
        effect = {
            "kind": INVITE,
            "effect_id": new_token(),
            "by": by.recorded(),
            "username": fold(username),
            "display": username,
            "email": email,
            "role": str(role),
            "link": _carried(link),
        }
        return effect, link

    def prepare_change(self, user_id: int, version: int, wanted: UserChange, by: By) -> Effect | None:
        """The effect that changes mail address, role or status; None if nothing differs.

        Raises UnknownUserError, UserMovedError, InvalidInputError, OwnUserError and LastAdminError.
        """
        user = self._present(user_id, version)
        wanted = UserChange(wanted.email.strip(), wanted.role, wanted.status)
        _require_none({"email": email_problem(wanted.email)})
        if (wanted.role, wanted.status) != (user.role, user.status):
            self._require_another(user, by)
        if _facts(wanted) == _facts(user):
            return None
        return {"kind": CHANGE, "user_id": user.id, "by": by.recorded(), **_facts(wanted)}

    def prepare_deletion(self, user_id: int, version: int, by: By) -> Effect:
        """The effect that removes a user. Raises UnknownUserError, UserMovedError, OwnUserError, LastAdminError."""
        user = self._present(user_id, version)
        self._require_another(user, by)
        return {"kind": DELETE, "user_id": user.id, "by": by.recorded()}

    def prepare_reset(self, user_id: int, version: int, by: By, *, by_mail: bool = False) -> tuple[Effect, Link]:
        """The effect that voids a password, and the link by which another is chosen.

        Someone who never came in is invited anew. Raises UnknownUserError for someone who may not sign in, too,
        UserMovedError, OwnUserError and LastAdminError.
        """
        user = self._present(user_id, version)
        if user.status is not UserStatus.ACTIVE:
            raise UnknownUserError
        self._require_another(user, by)
        link = self._new_link(kind_for(user, self._store), by_mail=by_mail)
        return {"kind": RESET, "user_id": user.id, "by": by.recorded(), "link": _carried(link)}, link

    def holder(self, kind: TokenKind, token: str) -> User:
        """Who may use this link. Raises LinkRefusedError."""
        found = self._links.token(hash_token(kind, token), kind, self._clock.now())
        user = self._store.user(found.user_id) if found else None
        if user is None or user.status is not UserStatus.ACTIVE:
            raise LinkRefusedError
        return user

    def prepare_password(
        self, kind: TokenKind, token: str, password: str, again: str, *, address: str
    ) -> tuple[Effect, list[str]]:
        """Use up a link for a password of one's own; an invitation also gives recovery codes, to show once.

        Raises LinkRefusedError, and InvalidInputError, after which the link can still be used.
        """
        user = self.holder(kind, token)
        _require_none(
            {
                "password": password_problem(password, user.username, user.email),
                "confirm_password": None if again == password else "The two passwords differ; type the same one twice.",
            }
        )
        password_hash = self._hasher.hash(password)
        if not self._links.use_token(hash_token(kind, token), kind, self._clock.now()):
            raise LinkRefusedError
        codes = new_recovery_codes() if kind is TokenKind.INVITATION else []
        effect = {
            "kind": CHOOSE_PASSWORD,
            "user_id": user.id,
            "by": By(user.display, user.role, address).recorded(),
            "password_hash": password_hash,
            "recovery_code_hashes": [hash_recovery_code(code) for code in codes],
        }
        return effect, codes

    def ask_email(self, user_id: int, email: str) -> None:
        """Have a link mailed to another address, which becomes the user's once the link is used.

        Raises UnknownUserError, and InvalidInputError for an address that is none or is theirs already.
        """
        user, email, now = self._store.user(user_id), email.strip(), self._clock.now()
        if user is None:
            raise UnknownUserError
        same = "This is your address already." if email.casefold() == user.email.casefold() else None
        _require_none({"email": email_problem(email) or same})
        self._links.put_letter(Letter(user.id, TokenKind.EMAIL, now, now, email), unless_asked_since=now)

    def prepare_email(self, token: str, *, address: str) -> Effect:
        """Use up a link that was mailed to another address: the effect that makes it the user's.

        Raises LinkRefusedError.
        """
        user, kind = self.holder(TokenKind.EMAIL, token), TokenKind.EMAIL
        found = self._links.token(hash_token(kind, token), kind, self._clock.now())
        if found is None or not self._links.use_token(hash_token(kind, token), kind, self._clock.now()):
            raise LinkRefusedError
        wanted = UserChange(found.detail, user.role, user.status)
        by = By(user.display, user.role, address)
        return {"kind": CHANGE, "user_id": user.id, "by": by.recorded(), **_facts(wanted)}

    # applying

    def made_by(self, effect: Mapping[str, Any], generation: int) -> User | None:
        """The user as an effect of that generation left them, None after a deletion.

        Raises LastAdminError, or InvalidInputError for a taken name, if it came too late to be made.
        """
        if effect["kind"] == INVITE:
            user = self._store.created_by(effect["effect_id"])
            if user is None:
                raise InvalidInputError({"username": "Somebody has this username already; take another."})
            return user
        user = self._store.user(effect["user_id"])
        if user is not None and user.generation < generation:
            raise LastAdminError
        return user

    def apply_effect(self, effect: Mapping[str, Any], generation: int) -> None:
        """Apply an effect of the rotation that made `generation`, once however often it is called.

        What is no longer possible is recorded as refused and changes nothing. Raises UnknownEffectError for an effect
        that is not of `CHANGE_KINDS`.
        """
        appliers = {
            CHANGE: self._change,
            DELETE: self._delete,
            RESET: self._reset,
            CHOOSE_PASSWORD: self._choose_password,
        }
        if effect["kind"] == INVITE:
            self._invite(effect, generation)
            return
        if effect["kind"] not in appliers:
            raise UnknownEffectError(effect["kind"])
        user = self._store.user(effect["user_id"])
        if user is None or user.generation >= generation:
            return
        after = {name: effect[name] for name in ("email", "role", "status") if name in effect}
        with (
            suppress(LastAdminError),
            self._audit.act(verb=effect["kind"], target=user.username, **effect["by"]) as act,
        ):
            act.before = {name: value for name, value in _facts(user).items() if name in after} or None
            act.after = after or None
            act.generation = generation
            if not appliers[effect["kind"]](effect, self._clock.now(), generation):
                raise LastAdminError
        self._changed()

    def _invite(self, effect: Mapping[str, Any], generation: int) -> None:
        if self._store.created_by(effect["effect_id"]) is not None:
            return
        user = NewUser(
            effect_id=effect["effect_id"],
            username=effect["username"],
            display=effect["display"],
            email=effect["email"],
            role=effect["role"],
            password_hash="",
            created_at=self._clock.now(),
            generation=generation,
        )
        with suppress(UserMovedError), self._audit.act(verb=INVITE, target=user.username, **effect["by"]) as act:
            act.after = {"email": user.email, "role": user.role}
            act.generation = generation
            if not self._store.create_user(
                user, [], only_first_admin=False, link=_link(effect["link"], 0, user.created_at)
            ):
                raise UserMovedError

    def _change(self, effect: Mapping[str, Any], at: datetime, generation: int) -> bool:
        change = UserChange(effect["email"], effect["role"], UserStatus(effect["status"]))
        return self._store.change_user(effect["user_id"], change, at, generation)

    def _delete(self, effect: Mapping[str, Any], _at: datetime, generation: int) -> bool:
        return self._store.delete_user(effect["user_id"], generation)

    def _reset(self, effect: Mapping[str, Any], at: datetime, generation: int) -> bool:
        return self._store.reset_password(
            effect["user_id"], _link(effect["link"], effect["user_id"], at), at, generation
        )

    def _choose_password(self, effect: Mapping[str, Any], at: datetime, generation: int) -> bool:
        codes = effect["recovery_code_hashes"]
        return self._store.choose_password(effect["user_id"], effect["password_hash"], codes, at, generation)

    # rules

    def _present(self, user_id: int, version: int) -> User:
        user = self._store.user(user_id)
        if user is None:
            raise UnknownUserError
        if user.generation != version:
            raise UserMovedError
        return user

    def _require_another(self, user: User, by: By) -> None:
        """Nobody takes away their own place, and the last administrator keeps theirs."""
        if user.id == by.user_id:
            raise OwnUserError
        if _can_administrate(user) and not any(
            _can_administrate(one) for one in self._store.users() if one.id != user.id
        ):
            raise LastAdminError

    def _new_link(self, kind: TokenKind, *, by_mail: bool) -> Link:
        return Link(kind, None if by_mail else new_token(), self._clock.now() + LIFETIMES[kind])


def kind_for(user: User, store: UserStore) -> TokenKind:
    """What link lets a user choose a password: someone who never came in is invited anew."""
    is_new = not user.password_hash and store.last_sign_in(user.id) is None
    return TokenKind.INVITATION if is_new else TokenKind.RESET


def _can_administrate(user: User) -> bool:
    return user.role == Role.ADMIN and user.status is UserStatus.ACTIVE and bool(user.password_hash)


def _facts(user: User | UserChange) -> dict[str, str]:
    return {"email": user.email, "role": str(user.role), "status": str(user.status)}


def _require_none(problems: Mapping[str, str | None]) -> None:
    found = {name: problem for name, problem in problems.items() if problem is not None}
    if found:
        raise InvalidInputError(found)


def _carried(link: Link) -> dict[str, str | None]:
    """A link as a manifest may carry it: without a hash it goes by mail."""
    token_hash = None if link.token is None else hash_token(link.kind, link.token)
    return {"hash": token_hash, "kind": str(link.kind), "expires_at": to_rfc3339(link.expires_at)}


def _link(carried: Mapping[str, Any], user_id: int, at: datetime) -> NewLink:
    kind = TokenKind(carried["kind"])
    if carried["hash"] is None:
        return Letter(user_id, kind, at, at)
    return OneTimeToken(carried["hash"], kind, from_rfc3339(carried["expires_at"]))
