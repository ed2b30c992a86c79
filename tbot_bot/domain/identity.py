"""People, their sessions and the tokens of the first run, and where they are kept.

UsersUnavailableError   the users database failed: nobody is let in on a guess
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class UsersUnavailableError(Exception):
    """The users database cannot be read or written, so no one can be recognised."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The users database is not available: {why}. Nobody can sign in until it is; the bot keeps its protective "
            "orders. Free space on the disk that holds it, check that the file can be written, or restore it."
        )


class UserStatus(StrEnum):
    """Whether a user may sign in."""

    ACTIVE = "active"
    DISABLED = "disabled"


class TokenKind(StrEnum):
    """What a one-time token lets its holder do, once."""

    INVITATION = "invitation"  # choose the first password
    RESET = "reset"  # choose another password
    EMAIL = "email"  # show that mail arrives at another address
    SIGN_IN = "sign_in"  # give the code that follows the password


@dataclass(frozen=True, slots=True)
class OneTimeToken:
    """A token as stored: its hash, until when it can be used, and what it is about beside the user."""

    hash: str
    kind: TokenKind
    expires_at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class UsableToken:
    """A token that can be used: whose it is, and what it is about."""

    user_id: int
    detail: str


class LetterStatus(StrEnum):
    """How far a letter came."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to a user with a one-time link; the token is made when it is sent, anew at each try."""

    user_id: int
    kind: TokenKind
    asked_at: datetime
    next_at: datetime
    detail: str = ""
    tries: int = 0
    status: LetterStatus = LetterStatus.WAITING
    error: str = ""


#: How a user gets a link: by a token that was told already, or by mail.
NewLink = OneTimeToken | Letter


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be made. `username` is case-folded, `display` as typed; `effect_id` makes the creation happen once.

    Someone who is invited has no password yet: `password_hash` is empty.
    """

    effect_id: str
    username: str
    display: str
    email: str
    role: str
    password_hash: str = field(repr=False)
    created_at: datetime
    generation: int


@dataclass(frozen=True, slots=True)
class User:
    """A person as stored; `generation` is that of the secrets at the last change, an empty hash no password."""

    id: int
    username: str
    display: str
    email: str
    role: str
    status: UserStatus
    password_hash: str = field(repr=False)
    created_at: datetime
    changed_at: datetime
    password_changed_at: datetime
    generation: int


@dataclass(frozen=True, slots=True)
class UserChange:
    """What an administrator may change of a user."""

    email: str
    role: str
    status: UserStatus


@dataclass(frozen=True, slots=True)
class Session:
    """A session as stored; `handle` is a hash of its id, `created_at` the time of the log-in that began it."""

    handle: str
    user_id: int
    created_at: datetime
    last_seen_at: datetime
    address: str
    user_agent: str
    locked: bool = False
    stepped_up_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempts:
    """How many tries failed in a row for one key, and when the last one was."""

    failures: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class SetupAccess:
    """The setup token and the session it was last exchanged for; both are hashes."""

    token_hash: str
    issued_at: datetime
    session_hash: str | None = None


class UserStore(Protocol):
    """Keeps users and their recovery codes; each method is one durable write or one snapshot."""

    def user(self, user_id: int) -> User | None: ...

    def user_named(self, username: str) -> User | None:
        """The user of that case-folded name."""
        ...

    def created_by(self, effect_id: str) -> User | None:
        """The user that this effect made."""
        ...

    def admin_exists(self) -> bool:
        """Whether any administrator was ever registered."""
        ...

    def users(self) -> Sequence[User]:
        """Everybody, by name."""
        ...

    def last_sign_in(self, user_id: int) -> datetime | None:
        """When the user last signed in; None if never."""
        ...

    def create_user(
        self, user: NewUser, code_hashes: Sequence[str], *, only_first_admin: bool, link: NewLink | None = None
    ) -> bool:
        """Make the user, recovery codes and invitation; False if the name is taken, or an admin exists and none may.

        The first administrator ends the set-up: its token and session are removed in the same write.
        """
        ...

    # Each of the next four does nothing and answers False where the user was changed in this generation or later, is
    # gone, or would leave nobody behind who can sign in as administrator. Each ends the user's sessions.

    def change_user(self, user_id: int, change: UserChange, at: datetime, generation: int) -> bool:
        """Change it; the sessions end unless role and status stay."""
        ...

    def delete_user(self, user_id: int, generation: int) -> bool:
        """Remove the user and all that is theirs."""
        ...

    def reset_password(self, user_id: int, link: NewLink, at: datetime, generation: int) -> bool:
        """Void the password in exchange for a link."""
        ...

    def choose_password(
        self, user_id: int, password_hash: str, code_hashes: Sequence[str], at: datetime, generation: int
    ) -> bool:
        """Set the password, and put recovery codes in the place of the old ones if any are given."""
        ...

    def change_password(
        self, user_id: int, password_hash: str, at: datetime, generation: int, keep_session: str | None
    ) -> bool:
        """Change it unless the user was changed in this generation or later, and end all sessions but one."""
        ...

    def use_recovery_code(self, user_id: int, code_hash: str, at: datetime) -> bool:
        """Mark an unused code used; False if there is none."""
        ...

    def recovery_codes_left(self, user_id: int) -> int: ...


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """That a user gives codes; the secret behind them lies in a secrets file, under `secret_id`."""

    user_id: int
    secret_id: str
    since: datetime


class FactorStore(Protocol):
    """Keeps who gives codes, and the last step whose code was used."""

    def factor(self, user_id: int) -> SecondFactor | None: ...

    def use_step(self, user_id: int, step: int) -> bool:
        """Note that the code of a step was given; False if it, or a later one, was given before."""
        ...

    def set_factor(self, factor: SecondFactor, step: int, generation: int, keep_session: str | None) -> bool:
        """Let the user give codes, and end all sessions but one; False as for a change of the user."""
        ...

    def remove_factor(self, user_id: int, at: datetime, generation: int, keep_session: str | None) -> bool:
        """Ask the user for no more codes, and end all sessions but one; False as for a change of the user."""
        ...

    def renew_codes(self, user_id: int, code_hashes: Sequence[str], at: datetime, generation: int) -> bool:
        """Put recovery codes in the place of the old ones; False as for a change of the user."""
        ...


class LinkStore(Protocol):
    """Keeps one-time tokens, and the letters that carry them."""

    def put_token(self, user_id: int, token: OneTimeToken, at: datetime) -> None:
        """Add a token in the place of the user's earlier ones of its kind, and forget what has expired."""
        ...

    def token(self, token_hash: str, kind: TokenKind, at: datetime) -> UsableToken | None:
        """The token, if it can be used."""
        ...

    def use_token(self, token_hash: str, kind: TokenKind, at: datetime) -> bool:
        """Use it up; of two at once exactly one is told True."""
        ...

    def put_letter(self, letter: Letter, unless_asked_since: datetime) -> bool:
        """Add a letter in the place of the earlier one of its kind; False if that was asked for after a time."""
        ...

    def next_letter(self, at: datetime) -> Letter | None:
        """The letter that is to be tried next."""
        ...

    def last_letter(self, user_id: int) -> Letter | None:
        """The user's newest letter."""
        ...

    def keep_letter(self, letter: Letter) -> None:
        """Record how far it came, unless another took its place meanwhile."""
        ...


class SessionStore(Protocol):
    """Keeps sessions by the handle of their id."""

    def add_session(self, session: Session, forget_before: datetime) -> None:
        """Add one, and forget those that began before a time when none can be alive any more."""
        ...

    def session_and_user(self, handle: str) -> tuple[Session, User] | None: ...

    def sessions_of(self, user_id: int) -> Sequence[Session]:
        """All of a user's sessions, newest first."""
        ...

    def replace_session(self, handle: str, session: Session) -> bool:
        """Put a new session in the place of one; False if that one is gone."""
        ...

    def touch_session(self, handle: str, at: datetime) -> None: ...

    def lock_session(self, handle: str) -> None: ...

    def end_session(self, user_id: int, handle: str) -> bool:
        """Remove a session of this user; False if they have none of that handle."""
        ...

    def end_sessions(self, user_id: int, keep: str | None) -> int:
        """Remove all sessions of a user but one; how many there were."""
        ...


class AttemptStore(Protocol):
    """Counts failed tries, so that a restart forgets none."""

    def update_attempts(self, key: str, forget_before: datetime, decide: Callable[[Attempts | None], Attempts]) -> None:
        """Replace what is known of `key` by what `decide` makes of it, in one write; it raises to change nothing."""
        ...

    def forget_attempts(self, key: str) -> None: ...


class SetupStore(Protocol):
    """Keeps the one setup token."""

    def setup_access(self) -> SetupAccess | None: ...

    def issue_setup_token(self, access: SetupAccess) -> bool:
        """Replace token and session; False, and nothing changed, when an administrator exists."""
        ...

    def open_setup_session(self, token_hash: str, session_hash: str) -> bool:
        """Put a new session in the place of the last one; False if the token is another by now or none counts."""
        ...

    def admin_exists(self) -> bool: ...
