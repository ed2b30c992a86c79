"""What a page says of itself; navigation, permission, phase guard, shortcut and frame title follow from it."""

from __future__ import annotations

from dataclasses import dataclass

from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission

WATCH, MONEY, SET_UP, PEOPLE, CHECK = "Watch", "Money", "Set up", "People", "Check"
#: Order of the groups in the navigation.
GROUPS = (WATCH, MONEY, SET_UP, PEOPLE, CHECK)


@dataclass(frozen=True, slots=True)
class Page:
    """One page: `templates/<slug>.html`, `css/pages/<slug>.css`, and its blueprint under `prefix`.

    `group` None keeps it out of the navigation. `shortcut` is the letter after `g`. A `panel` is shown in the frame
    of `main.html` and alone; only panels may be framed, and only by ourselves. `place` orders a group, lowest first.
    `start` is where the page itself is under `prefix`.
    """

    slug: str
    title: str
    purpose: str
    prefix: str
    permission: Permission
    phases: frozenset[Phase]
    group: str | None = None
    shortcut: str | None = None
    panel: bool = False
    place: int = 50
    start: str = "/"

    @property
    def address(self) -> str:
        """Where the page begins."""
        return self.prefix + self.start
