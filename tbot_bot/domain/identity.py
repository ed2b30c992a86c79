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


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be made. `username` is case-folded, `display` as typed; `effect_id` makes the creation happen once."""

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
    """A person as stored; `generation` is that of the secrets at the last change."""

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

    def create_user(self, user: NewUser, code_hashes: Sequence[str], *, only_first_admin: bool) -> bool:
        """Make the user and their recovery codes; False if the name is taken, or an admin exists and none may.

        The first administrator ends the set-up: its token and session are removed in the same write.
        """
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
