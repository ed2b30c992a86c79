"""Mails with one-time links: asked for by anybody, made and tried again in the background.

So an answer tells nothing of who exists, neither in its words nor in its time.

LetterError   a mail could not be handed over; it is tried again
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tbot_bot.domain.audit import AuditPhase, AuditPort, AuditResult
from tbot_bot.domain.identity import (
    Letter,
    LetterStatus,
    LinkStore,
    OneTimeToken,
    TokenKind,
    User,
    UserStatus,
    UserStore,
)
from tbot_bot.domain.notices import pause_after
from tbot_bot.domain.time import Clock
from tbot_bot.identity.people import email_problem, fold, username_problem
from tbot_bot.identity.throttle import Throttle
from tbot_bot.identity.tokens import hash_token, new_token
from tbot_bot.identity.user_changes import LIFETIMES, kind_for

#: A person gets at most one letter of a kind in this time, however often it is asked for.
AGAIN_AFTER = timedelta(minutes=5)
#: How long a letter is tried; a reset that comes much later is not expected any more.
GIVE_UP_AFTER = {
    TokenKind.INVITATION: timedelta(hours=24),
    TokenKind.RESET: timedelta(minutes=30),
    TokenKind.EMAIL: timedelta(hours=1),
}
ASKED_MAX = 100
_ASKING = "password reset"
_NOBODY = "unknown"


class LetterError(Exception):
    """The mail was not handed over; the sentence names no secret."""


@dataclass(frozen=True, slots=True)
class Mail:
    """What is sent: whom to, why, and the token of the link."""

    to: str
    name: str
    kind: TokenKind
    token: str = field(repr=False)
    at: datetime


class Letters:
    """`turn` does what is due. `post` hands a mail over or raises LetterError; `news` is called when there is work."""

    def __init__(
        self,
        users: UserStore,
        links: LinkStore,
        throttle: Throttle,
        audit: AuditPort,
        clock: Clock,
        post: Callable[[Mail], None],
    ) -> None:
        self._users = users
        self._links = links
        self._throttle = throttle
        self._audit = audit
        self._clock = clock
        self._post = post
        self._asked: deque[tuple[str, str]] = deque(maxlen=ASKED_MAX)
        self.news: Callable[[], None] = threading.Event().set

    def ask_reset(self, name: str, address: str) -> None:
        """Have a link mailed to whoever has this username or mail address; whether anybody has is never told.

        Raises TooManyAttemptsError for an address that asks too often.
        """
        self._throttle.attempt(_ASKING, address)
        self._asked.append((name, address))
        self.news()

    def turn(self) -> None:
        """Find out who was meant, and try the letters that are due."""
        while self._asked:
            self._answer(*self._asked.popleft())
        while (letter := self._links.next_letter(self._clock.now())) is not None:
            self._try(letter)

    def _answer(self, name: str, address: str) -> None:
        now = self._clock.now()
        meant = list(self._meant(name.strip()))
        for user in meant:
            letter = Letter(user.id, kind_for(user, self._users), now, now)
            self._links.put_letter(letter, unless_asked_since=now - AGAIN_AFTER)
        for actor in [user.username for user in meant] or [_NOBODY]:
            self._audit.record(
                verb="user.ask_reset",
                phase=AuditPhase.EVENT,
                actor=actor,
                address=address,
                result=AuditResult.OK if meant else AuditResult.REFUSED,
            )

    def _meant(self, name: str) -> Iterable[User]:
        if username_problem(name) is None:
            found = self._users.user_named(fold(name))
            return [found] if found is not None and found.status is UserStatus.ACTIVE else []
        if email_problem(name) is not None:
            return []
        return [
            user
            for user in self._users.users()
            if user.status is UserStatus.ACTIVE and user.email.casefold() == name.casefold()
        ]

    def _try(self, letter: Letter) -> None:
        """Send it with a token of its own; one that may have arrived before is dead with it."""
        user, now = self._users.user(letter.user_id), self._clock.now()
        tried = replace(letter, tries=letter.tries + 1)
        if user is None or user.status is not UserStatus.ACTIVE:
            self._links.keep_letter(replace(tried, status=LetterStatus.GIVEN_UP, error="They may not sign in."))
            return
        token, expires_at = new_token(), now + LIFETIMES[letter.kind]
        made = OneTimeToken(hash_token(letter.kind, token), letter.kind, expires_at, letter.detail)
        self._links.put_token(user.id, made, now)
        try:
            self._post(Mail(letter.detail or user.email, user.display, letter.kind, token, now))
        except LetterError as error:
            is_over = now - letter.asked_at >= GIVE_UP_AFTER[letter.kind]
            status = LetterStatus.GIVEN_UP if is_over else LetterStatus.WAITING
            again_at = now + pause_after(tried.tries)
            self._links.keep_letter(replace(tried, status=status, next_at=again_at, error=str(error)))
        else:
            self._links.keep_letter(replace(tried, status=LetterStatus.SENT, error=""))
