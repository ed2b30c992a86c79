"""Login, sessions and one's own account."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from tbot_bot.api.model import Message
from tbot_bot.api.permissions import Permission, Role


class SessionStatus(StrEnum):
    """What the runner says of a session id."""

    ACTIVE = "active"
    EXPIRED = "expired"
    LOCKED = "locked"
    NONE = "none"


class LogIn(Message):
    """`sealed` holds `password`, or `recovery_code` in its place."""

    username: str = Field(max_length=64)
    sealed: str
    user_agent: str = Field(default="", max_length=512)


class LoggedIn(Message):
    """A new session; the id is shown to the caller alone and stored hashed.

    For someone with a second factor there is none yet: `half_way` lets a code follow.
    """

    session: str | None
    half_way: str | None = None
    username: str
    role: Role


class GiveCode(Message):
    """`sealed` holds `half_way`, and `code`: of the second factor, or after a password a recovery code."""

    sealed: str
    user_agent: str = Field(default="", max_length=512)


class AskVerdict(Message):
    """Judge the caller's session; `touch` marks a person's act, which polling is not."""

    touch: bool = False


class Verdict(Message):
    """What the caller's session may do; times are RFC 3339 UTC."""

    status: SessionStatus
    user_id: int | None = None
    username: str | None = None
    role: Role | None = None
    permissions: frozenset[Permission] = frozenset()
    expires_at: str | None = None
    absolute_expires_at: str | None = None
    stepped_up_until: str | None = None
    setup: bool = False


class OwnSession(Message):
    """One of the caller's sessions; `handle` names it without giving it away."""

    handle: str = Field(description="Names the session without giving it away.")
    device: str = Field(description="Browser and system, as they say of themselves.")
    address: str = Field(description="Where it was opened from.")
    created_at: str = Field(description="When it was opened, UTC.")
    last_seen_at: str = Field(description="When a person last acted in it, UTC.")
    current: bool = Field(description="Whether it is the one that asks.")


class OwnSessions(Message):
    items: list[OwnSession]


class EndSession(Message):
    """End one session by its handle, or all but this one with None."""

    handle: str | None = None


class StepUp(Message):
    """`sealed` holds `password`: proof again before a sensitive act."""

    sealed: str


class SteppedUp(Message):
    """Until when sensitive acts are open; the session id was renewed."""

    session: str
    until: str


class ChangePassword(Message):
    """`sealed` holds `current` and `new`."""

    sealed: str


class Rotated(Message):
    """The change is in force and every key and secret was renewed: generation `generation`."""

    generation: int


class Account(Message):
    """The caller's own account."""

    username: str
    email: str
    role: Role
    created_at: str
    password_changed_at: str
    recovery_codes_left: int
    second_factor_since: str | None


class NewFactor(Message):
    """A secret that counts once a code proves it; `address` is what an authenticator app reads from the QR code."""

    secret: str
    address: str


class ProveFactor(Message):
    """`sealed` holds `code`."""

    sealed: str


class RecoveryCodes(Message):
    """New recovery codes, shown once; the old ones are void."""

    codes: list[str]
    generation: int
