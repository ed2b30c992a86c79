"""The people of this bot as an administrator sees and changes them, and the one-time links by which they come in."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from tbot_bot.api.model import Message, Page
from tbot_bot.api.permissions import Role
from tbot_bot.api.sessions import OwnSession


class PersonStatus(StrEnum):
    """Whether a person may sign in, and if not, why."""

    ACTIVE = "active"
    INVITED = "invited"  # has not chosen a first password yet
    RESET = "reset"  # has to choose another password
    DISABLED = "disabled"


class Settable(StrEnum):
    """What an administrator may set of a person's status."""

    ACTIVE = "active"
    DISABLED = "disabled"


class LinkKind(StrEnum):
    """What a one-time link is for."""

    INVITATION = "invitation"
    RESET = "reset"


class Person(Message):
    """One person; times are RFC 3339 UTC."""

    id: int = Field(description="Number that never changes.")
    username: str = Field(description="The name to sign in with, as it was typed.")
    email: str = Field(description="Mail address.")
    role: Role = Field(description="What they may do.")
    status: PersonStatus = Field(description="Whether they may sign in.")
    created_at: str = Field(description="When they were added.")
    changed_at: str = Field(description="When anything of this was last changed.")
    last_sign_in_at: str | None = Field(description="When they last signed in; null if never.")
    recovery_codes_left: int = Field(description="How many recovery codes are unused.")
    sessions: int = Field(description="How many sessions are alive.")
    version: int = Field(description="The generation that last changed the person; the ETag.")
    is_you: bool = Field(description="Whether this is the viewer.")


class People(Page):
    """Everybody, by name."""

    items: list[Person] = Field(description="The people.")


class AskPerson(Message):
    id: int = Field(ge=1, description="Number of the person.")


class PersonDetail(Message):
    """A person and where they are signed in."""

    person: Person = Field(description="The person.")
    sessions: list[OwnSession] = Field(description="Their live sessions, newest first.")


class InvitePerson(Message):
    """Add a person, who chooses a password by a one-time link."""

    username: str = Field(max_length=64, description="The name to sign in with.")
    email: str = Field(max_length=320, description="Mail address.")
    role: Role = Field(description="What they may do.")


class ChangePerson(Message):
    """New values of a person; `version` is that of the person as the caller saw them."""

    id: int = Field(ge=1, description="Number of the person.")
    version: int = Field(description="The generation that last changed the person.")
    email: str = Field(max_length=320, description="Mail address.")
    role: Role = Field(description="What they may do.")
    status: Settable = Field(description="Whether they may sign in.")


class DeletePerson(Message):
    """Remove a person for good; `typed` repeats their username."""

    id: int = Field(ge=1, description="Number of the person.")
    version: int = Field(description="The generation that last changed the person.")
    typed: str = Field(max_length=64, description="The username once more.")


class ResetPerson(Message):
    """Void a person's password; they choose another by a one-time link."""

    id: int = Field(ge=1, description="Number of the person.")
    version: int = Field(description="The generation that last changed the person.")


class PersonLink(Message):
    """A one-time link for a person, told once: it opens `/password_reset/link/<kind>?token=…`."""

    generation: int = Field(description="The generation in force.")
    person: Person = Field(description="The person as they are now.")
    kind: LinkKind = Field(description="What the link is for.")
    token: str | None = Field(description="The token; null when the same request was answered before.")
    expires_at: str = Field(description="Until when it can be used, UTC.")


class PersonChanged(Message):
    """The change is in force; `person` is null after a deletion."""

    generation: int = Field(description="The generation in force.")
    person: Person | None = Field(description="The person as they are now.")
    message: str = Field(description="What was done, in a sentence.")


class SessionsEnded(Message):
    ended: int = Field(description="How many sessions were ended.")


class AskLink(Message):
    """Whose link this is."""

    kind: LinkKind
    token: str = Field(max_length=256)


class LinkHolder(Message):
    """Who chooses a password by a link."""

    username: str


class ChoosePassword(Message):
    """Use up a link; `sealed` holds `token`, `password` and `confirm_password`."""

    kind: LinkKind
    sealed: str


class PasswordChosen(Message):
    """The password is in force; recovery codes are shown once, after an invitation alone."""

    username: str
    recovery_codes: list[str]
    generation: int
