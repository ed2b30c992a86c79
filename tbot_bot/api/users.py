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
    EMAIL = "email"


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
    second_factor: bool = Field(description="Whether they give a code besides the password.")
    recovery_codes_left: int = Field(description="How many recovery codes are unused.")
    sessions: int = Field(description="How many sessions are alive.")
    version: int = Field(description="The generation that last changed the person; the ETag.")
    is_you: bool = Field(description="Whether this is the viewer.")


class People(Page):
    """Everybody, by name."""

    items: list[Person] = Field(description="The people.")
    by_mail: bool = Field(description="Whether links can be mailed: a mail server is configured.")


class AskPerson(Message):
    id: int = Field(ge=1, description="Number of the person.")


class LetterState(StrEnum):
    """How far a mail with a link came."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given_up"


class PersonLetter(Message):
    """The newest mail with a link to a person."""

    kind: LinkKind = Field(description="What the link is for.")
    state: LetterState = Field(description="How far it came.")
    asked_at: str = Field(description="When it was asked for, UTC.")
    tries: int = Field(description="How often it was tried.")
    error: str = Field(description="Why the last try failed; empty if it did not.")


class PersonDetail(Message):
    """A person, where they are signed in, and the last mail to them."""

    letter: PersonLetter | None = Field(description="The newest mail with a link; null if there was none.")
    by_mail: bool = Field(description="Whether links can be mailed: a mail server is configured.")
    person: Person = Field(description="The person.")
    sessions: list[OwnSession] = Field(description="Their live sessions, newest first.")


class InvitePerson(Message):
    """Add a person, who chooses a password by a one-time link."""

    username: str = Field(max_length=64, description="The name to sign in with.")
    email: str = Field(max_length=320, description="Mail address.")
    role: Role = Field(description="What they may do.")
    by_mail: bool = Field(default=False, description="Mail the link to the person instead of telling it.")


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
    by_mail: bool = Field(default=False, description="Mail the link to the person instead of telling it.")


class PersonLink(Message):
    """A one-time link for a person, told once: it opens `/password_reset/link/<kind>?token=…`."""

    generation: int = Field(description="The generation in force.")
    person: Person = Field(description="The person as they are now.")
    kind: LinkKind = Field(description="What the link is for.")
    token: str | None = Field(description="The token; null when the link goes by mail.")
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


class LinkWays(Message):
    """How a person who has lost the password gets a link."""

    by_mail: bool


class AskReset(Message):
    """Have a link mailed to whoever has this username or mail address."""

    name: str = Field(max_length=320)


class LinkHolder(Message):
    """Who chooses a password by a link."""

    username: str


class ChoosePassword(Message):
    """Use up a link; `sealed` holds `token`, `password` and `confirm_password`."""

    kind: LinkKind
    sealed: str


class ChangeEmail(Message):
    """Another mail address of one's own; a link is mailed to it."""

    email: str = Field(max_length=320)


class ConfirmEmail(Message):
    """Use up a link that was mailed to another address; `sealed` holds `token`."""

    sealed: str


class EmailConfirmed(Message):
    """The address is in force."""

    email: str
    generation: int


class PasswordChosen(Message):
    """The password is in force; recovery codes are shown once, after an invitation alone."""

    username: str
    recovery_codes: list[str]
    generation: int
