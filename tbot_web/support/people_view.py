"""People in words: how they stand, what their role lets them do."""

from __future__ import annotations

from collections.abc import Iterable

from tbot_bot.api.permissions import Role
from tbot_bot.api.users import LetterState, LinkKind, Person, PersonStatus

#: The kind of mark and its word.
STATUS = {
    PersonStatus.ACTIVE: ("ok", "Active"),
    PersonStatus.INVITED: ("unknown", "Invited"),
    PersonStatus.RESET: ("warn", "Must choose a password"),
    PersonStatus.DISABLED: ("off", "Disabled"),
}
ROLES = {
    Role.ADMIN: "Everything: people, configuration, backups, resets, trading.",
    Role.OPERATOR: "Start, stop, pause and kill; looks at status, trades and logs.",
    Role.AUDITOR: "Looks at the books and the audit trail, changes nothing.",
    Role.VIEWER: "Looks at status, trades and logs, changes nothing.",
}
#: How far a mail came: the kind of mark and its word.
LETTERS = {
    LetterState.WAITING: ("unknown", "Waiting"),
    LetterState.SENT: ("ok", "Sent"),
    LetterState.GIVEN_UP: ("bad", "Given up"),
}
LINKS = {LinkKind.INVITATION: "invitation", LinkKind.RESET: "reset link", LinkKind.EMAIL: "confirmation"}


def matching(people: Iterable[Person], text: str, role: str) -> list[Person]:
    """Those of a role whose name or mail address holds the text; empty leaves nobody out."""
    wanted = text.strip().casefold()
    return [
        one for one in people if wanted in f"{one.username} {one.email}".casefold() and (not role or one.role == role)
    ]
