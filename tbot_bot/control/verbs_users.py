"""Verbs of the people: who they are, what an administrator changes of them, and the links by which they come in.

One change is one rotation. What concerns who may do what needs the password again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from tbot_bot.api.errors import ApiError
from tbot_bot.api.model import Message, Nothing
from tbot_bot.api.permissions import Role
from tbot_bot.api.users import (
    AskLink,
    AskPerson,
    AskReset,
    ChangeEmail,
    ChangePerson,
    ChoosePassword,
    ConfirmEmail,
    DeletePerson,
    EmailConfirmed,
    InvitePerson,
    LetterState,
    LinkHolder,
    LinkKind,
    LinkWays,
    PasswordChosen,
    People,
    Person,
    PersonChanged,
    PersonDetail,
    PersonLetter,
    PersonLink,
    PersonStatus,
    ResetPerson,
    SessionsEnded,
)
from tbot_bot.config.secret_creation import with_factor
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.judge import require_step_up, require_typed
from tbot_bot.control.letterbox import Letterbox
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.control.unsealer import Unsealer
from tbot_bot.control.verbs_factors import Contents
from tbot_bot.control.verbs_sessions import to_own_session
from tbot_bot.domain.identity import Letter, TokenKind, User, UserChange, UserStatus
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.identity.errors import UnknownUserError
from tbot_bot.identity.user_changes import By, Effect, Link


class UserVerbs:
    """The handlers."""

    def __init__(self, foundation: Foundation, unsealer: Unsealer, letterbox: Letterbox) -> None:
        self._foundation = foundation
        self._unsealer = unsealer
        self._letterbox = letterbox
        self._changes = foundation.user_changes
        self._changing = threading.Lock()

    def handlers(self) -> dict[str, Handler]:
        """The verbs answered here."""
        return {
            "users.list": self._list,
            "users.view": self._view,
            "users.invite": self._invite,
            "users.change": self._change,
            "users.delete": self._delete,
            "users.reset": self._reset,
            "users.remove_second_factor": self._remove_factor,
            "users.end_sessions": self._end_sessions,
            "account.change_email": self._change_email,
            "link.confirm_email": self._confirm_email,
            "link.ways": self._ways,
            "link.ask_reset": self._ask_reset,
            "link.holder": self._holder,
            "link.choose_password": self._choose_password,
        }

    def _list(self, caller: Caller, _nothing: Message) -> People:
        items = [self._shown(user, caller) for user in self._foundation.users.everybody()]
        return People(items=items, by_mail=self._letterbox.is_open())

    def _view(self, caller: Caller, asked: AskPerson) -> PersonDetail:
        user = self._user(asked.id)
        sessions = [to_own_session(one) for one in self._foundation.sessions.of(user)]
        letter = self._foundation.people.links.last_letter(user.id)
        return PersonDetail(
            person=self._shown(user, caller),
            sessions=sessions,
            letter=None if letter is None else _letter(letter),
            by_mail=self._letterbox.is_open(),
        )

    def _invite(self, caller: Caller, asked: InvitePerson) -> PersonLink:
        self._require_step_up(caller)
        self._require_mail(by_mail=asked.by_mail)
        return self._linked(
            caller,
            f"{asked.username} invited as {asked.role}",
            asked.username,
            lambda: self._changes.prepare_invitation(
                asked.username, asked.email, asked.role, _by(caller), by_mail=asked.by_mail
            ),
        )

    def _reset(self, caller: Caller, asked: ResetPerson) -> PersonLink:
        self._require_step_up(caller)
        self._require_mail(by_mail=asked.by_mail)
        name = self._user(asked.id).username
        return self._linked(
            caller,
            f"password of {name} reset",
            name,
            lambda: self._changes.prepare_reset(asked.id, asked.version, _by(caller), by_mail=asked.by_mail),
        )

    def _change(self, caller: Caller, asked: ChangePerson) -> PersonChanged:
        self._require_step_up(caller)
        name = self._user(asked.id).username
        wanted = UserChange(asked.email, str(asked.role), UserStatus(asked.status))
        with self._changing:
            effect = self._changes.prepare_change(asked.id, asked.version, wanted, _by(caller))
            if effect is None:
                return PersonChanged(
                    generation=self._foundation.generation,
                    person=self._shown(self._user(asked.id), caller),
                    message="Nothing differs, so nothing was changed.",
                )
            number, user = self._rotate(caller, f"{name} changed", name, effect)
        return self._changed(caller, number, user, f"{name} was changed.")

    def _delete(self, caller: Caller, asked: DeletePerson) -> PersonChanged:
        self._require_step_up(caller)
        name = self._user(asked.id).username
        require_typed(asked.typed, name)
        with self._changing:
            effect = self._changes.prepare_deletion(asked.id, asked.version, _by(caller))
            number, user = self._rotate(caller, f"{name} deleted", name, effect)
        return self._changed(caller, number, user, f"{name} was deleted; what they did stays in the audit trail.")

    def _remove_factor(self, caller: Caller, asked: AskPerson) -> PersonChanged:
        self._require_step_up(caller)
        name = self._user(asked.id).username
        with self._changing:
            effect, secret_id = self._foundation.second_factors.prepare_removal(asked.id, _by(caller), None)
            number, user = self._rotate(
                caller,
                f"second factor of {name} removed",
                name,
                effect,
                lambda now: with_factor(now, secret_id, None),
            )
        return self._changed(caller, number, user, f"The second factor of {name} was removed.")

    def _end_sessions(self, caller: Caller, asked: AskPerson) -> SessionsEnded:
        user = self._user(asked.id)
        return SessionsEnded(ended=self._foundation.sessions.end_all(user, **_by(caller).recorded()))

    def _change_email(self, caller: Caller, asked: ChangeEmail) -> Nothing:
        self._require_step_up(caller)
        self._require_mail(by_mail=True)
        self._changes.ask_email(caller.verdict.user_id or 0, asked.email)
        self._letterbox.letters.news()
        return Nothing()

    def _confirm_email(self, caller: Caller, asked: ConfirmEmail) -> EmailConfirmed:
        token = self._unsealer.open(caller, "link.confirm_email", asked.sealed, {}).get("token", "")
        with self._changing:
            effect = self._changes.prepare_email(token, address=caller.address)
            name = self._user(effect["user_id"]).username
            number, _ = self._rotate(caller, f"{name} confirmed a mail address", name, effect)
        return EmailConfirmed(email=effect["email"], generation=number)

    def _ways(self, _caller: Caller, _nothing: Message) -> LinkWays:
        return LinkWays(by_mail=self._letterbox.is_open())

    def _ask_reset(self, caller: Caller, asked: AskReset) -> Nothing:
        self._letterbox.letters.ask_reset(asked.name, caller.address)
        return Nothing()

    def _holder(self, _caller: Caller, asked: AskLink) -> LinkHolder:
        return LinkHolder(username=self._changes.holder(TokenKind(asked.kind), asked.token).display)

    def _choose_password(self, caller: Caller, asked: ChoosePassword) -> PasswordChosen:
        params = {"kind": str(asked.kind)}
        secret = self._unsealer.open(caller, "link.choose_password", asked.sealed, params)
        effect, codes = self._changes.prepare_password(
            TokenKind(asked.kind),
            secret.get("token", ""),
            secret.get("password", ""),
            secret.get("confirm_password", ""),
            address=caller.address,
        )
        user = self._user(effect["user_id"])
        with self._changing:
            number, _ = self._rotate(caller, f"{user.username} chose a password", user.username, effect)
        return PasswordChosen(username=user.display, recovery_codes=codes, generation=number)

    # what the verbs share

    def _linked(
        self, caller: Caller, reason: str, target: str, prepare: Callable[[], tuple[Effect, Link]]
    ) -> PersonLink:
        with self._changing:
            effect, link = prepare()
            number, user = self._rotate(caller, reason, target, effect)
        if user is None:
            raise UnknownUserError
        self._letterbox.letters.news()
        return PersonLink(
            generation=number,
            person=self._shown(user, caller),
            kind=LinkKind(link.kind),
            token=link.token,
            expires_at=to_rfc3339(link.expires_at),
        )

    def _rotate(
        self,
        caller: Caller,
        reason: str,
        target: str,
        effect: Effect,
        change: Callable[[Contents], Contents] = dict,
    ) -> tuple[int, User | None]:
        """Make a change and return its generation and the user; raises what came in its way, too late or not."""
        committed = self._foundation.rotation.rotate(
            change,
            request_id=caller.request_id,
            reason=reason,
            actor=caller.actor,
            target=target,
            after_effects=[effect],
        )
        if committed.repeated:
            raise ApiError.of(
                409, "request_repeated", "This was done before", "", "Look at the list of people as it is now."
            )
        return committed.number, self._changes.made_by(effect, committed.number)

    def _changed(self, caller: Caller, number: int, user: User | None, done: str) -> PersonChanged:
        shown = None if user is None else self._shown(user, caller)
        return PersonChanged(
            generation=number,
            person=shown,
            message=f"{done} Every key and secret was renewed: generation {number}.",
        )

    def _shown(self, user: User, caller: Caller) -> Person:
        last = self._foundation.users.last_sign_in(user.id)
        return Person(
            id=user.id,
            username=user.display,
            email=user.email,
            role=Role(user.role),
            status=_status(user, has_been_in=last is not None),
            created_at=to_rfc3339(user.created_at),
            changed_at=to_rfc3339(user.changed_at),
            last_sign_in_at=None if last is None else to_rfc3339(last),
            second_factor=self._foundation.second_factors.since(user.id) is not None,
            recovery_codes_left=self._foundation.users.recovery_codes_left(user.id),
            sessions=len(self._foundation.sessions.of(user)),
            version=user.generation,
            is_you=user.id == caller.verdict.user_id,
        )

    def _user(self, user_id: int) -> User:
        user = self._foundation.users.user(user_id)
        if user is None:
            raise UnknownUserError
        return user

    def _require_mail(self, *, by_mail: bool) -> None:
        if by_mail and not self._letterbox.is_open():
            raise ApiError.of(
                409,
                "no_mail_server",
                "No mail server is configured",
                "Nothing was changed.",
                "Set one on the configuration page, or hand the link over yourself.",
            )

    def _require_step_up(self, caller: Caller) -> None:
        require_step_up(caller.verdict, self._foundation.clock.now())


def _letter(letter: Letter) -> PersonLetter:
    return PersonLetter(
        kind=LinkKind(letter.kind),
        state=LetterState(letter.status),
        asked_at=to_rfc3339(letter.asked_at),
        tries=letter.tries,
        error=letter.error,
    )


def _by(caller: Caller) -> By:
    return By(caller.actor, str(caller.verdict.role or ""), caller.address, caller.verdict.user_id)


def _status(user: User, *, has_been_in: bool) -> PersonStatus:
    if user.status is UserStatus.DISABLED:
        return PersonStatus.DISABLED
    if user.password_hash:
        return PersonStatus.ACTIVE
    return PersonStatus.RESET if has_been_in else PersonStatus.INVITED
