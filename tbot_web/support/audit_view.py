"""Records of the audit trail as the pages show them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tbot_bot.api.audit import AuditItem

#: How an end is marked: the kind of mark and the word.
_ENDS = {"ok": ("ok", "ok"), "refused": ("warn", "refused"), "failed": ("bad", "failed")}
PHASES = {"intent": "Intent", "outcome": "Outcome", "event": "Event"}
RESULTS = {"ok": "OK", "refused": "Refused", "failed": "Failed"}


@dataclass(frozen=True, slots=True)
class Change:
    """One field before and after an act; None where it was not there."""

    name: str
    before: str | None
    after: str | None

    @property
    def differs(self) -> bool:
        """Whether the act changed it."""
        return self.before != self.after


def end_of(item: AuditItem) -> tuple[str, str] | None:
    """The mark of how it ended; None for an intent, whose end stands in a record of its own."""
    return _ENDS.get(item.result)


def changes(before: Mapping[str, object] | None, after: Mapping[str, object] | None) -> list[Change]:
    """Each field of both sides, those within others by their dotted names; what differs comes first."""
    left, right = dict(_flat(before or {})), dict(_flat(after or {}))
    names = dict.fromkeys([*left, *right])
    return sorted((Change(name, left.get(name), right.get(name)) for name in names), key=lambda one: not one.differs)


def facts(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Names and values as text, those within others by their dotted names."""
    return list(_flat(values))


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
