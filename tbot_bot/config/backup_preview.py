"""What a restore would change, part by part, in words and counts; secrets are named, never shown."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tbot_bot.api.backups import BackupPart, PartPreview
from tbot_bot.config.secret_creation import SECOND_FACTORS
from tbot_bot.domain.money import Money
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.storage import backup_facts as facts
from tbot_bot.storage.database_copy import DatabaseUnreadableError, opened_copy, opened_read_only

Contents = Mapping[str, Mapping[str, Any]]
Found = TypeVar("Found")
_UNREADABLE = "What is there now cannot be read; it is moved aside as it is."
_SAME = "Nothing differs."


def preview_secrets(then: Contents, now: Contents | None) -> PartPreview:
    """The categories and fields that would change; `now` is None where the present ones cannot be read."""
    if now is None:
        changes = [f"{name}: taken from the backup" for name in sorted(then)]
        loses = ["The present keys and secrets cannot be read; they stay on the disk as they are."]
        return PartPreview(part=BackupPart.SECRETS, title="Keys and secrets", changes=changes, loses=loses)
    changes = []
    for name in sorted((then.keys() | now.keys()) - {SECOND_FACTORS}):  # all that are known stay
        old, new = now.get(name), then.get(name)
        if old is None:
            changes.append(f"{name}: comes back")
        elif new is None:
            changes.append(f"{name}: goes")
        elif fields := sorted(field for field in old.keys() | new.keys() if old.get(field) != new.get(field)):
            changes.append(f"{name}: {', '.join(fields)}")
    loses = ["What stands there now stays in its generation."] if changes else []
    return PartPreview(part=BackupPart.SECRETS, title="Keys and secrets", changes=changes or [_SAME], loses=loses)


def preview_users(then: Path, now: Path) -> PartPreview:
    """Who comes, goes, and changes role or status."""
    old, new = _now(now, facts.people), _then(then, facts.people)
    loses = ["Every session ends; passwords and recovery codes are those of the backup."]
    if old is None:
        return PartPreview(
            part=BackupPart.USERS,
            title="Users",
            changes=[f"{name} ({role}) comes back" for name, (role, _) in new.items()],
            loses=[_UNREADABLE, *loses],
        )
    changes = [f"{name} ({new[name][0]}) comes back" for name in new if name not in old]
    changes += [f"{name} ({old[name][0]}) goes" for name in old if name not in new]
    changes += [
        f"{name}: {', '.join(old[name])} becomes {', '.join(new[name])}"
        for name in new
        if name in old and old[name] != new[name]
    ]
    return PartPreview(part=BackupPart.USERS, title="Users", changes=changes or ["The same people."], loses=loses)


def preview_audit(then: Path, now: Path) -> PartPreview:
    """How many records go aside; the trail goes on with a record that names the end that was left."""
    old, new = _now(now, facts.audit_head), _then(then, facts.audit_head)
    changes = [
        f"The trail goes on after record {new.seq}, with a record of this restore that names the end left behind."
    ]
    if old is None:
        loses = [_UNREADABLE]
    else:
        count = max(0, old.seq - new.seq)
        loses = [f"{count} records after {new.seq} are kept aside, out of the trail."] if count else []
    return PartPreview(part=BackupPart.AUDIT, title="Audit trail", changes=changes, loses=loses)


def preview_control(then: Path, now: Path) -> PartPreview:
    """The state then and now."""
    old, new = _now(now, facts.control_facts), _then(then, facts.control_facts)
    was = f"{new.state} since {to_rfc3339(new.at)}" if new else "no state"
    state = old.state if old else "unknown"
    changes = [f"The record of states, pauses and the calendar is that of the backup: it said {was}, now {state}."]
    changes.append("The bot is stopped after it, whatever it did then.")
    return PartPreview(
        part=BackupPart.CONTROL, title="Control record", changes=changes, loses=[] if old else [_UNREADABLE]
    )


def preview_ledger(then: Path, now: Path) -> PartPreview:
    """Events, the last effective day, trades and cash, then and now."""
    old, new = _now(now, facts.ledger_facts), _then(then, facts.ledger_facts)
    changes = [f"In the backup: {_in_words(new)}."]
    loses = []
    if old is None:
        loses.append(_UNREADABLE)
    else:
        changes.append(f"Now: {_in_words(old)}.")
        if old.head.seq > new.head.seq:
            loses.append(
                f"{old.head.seq - new.head.seq} events after {new.head.seq} are kept aside; fills among them are "
                "booked again from the broker, what was entered by hand is not."
            )
    changes.append("The bot is in the state error after it, until an administrator resets it; then it reconciles.")
    return PartPreview(part=BackupPart.LEDGER, title="Ledger", changes=changes, loses=loses)


#: How each database is previewed.
OF_DATABASE: dict[BackupPart, Callable[[Path, Path], PartPreview]] = {
    BackupPart.USERS: preview_users,
    BackupPart.AUDIT: preview_audit,
    BackupPart.CONTROL: preview_control,
    BackupPart.LEDGER: preview_ledger,
}


def standing(part: BackupPart, now: Path) -> object:
    """What a preview of a part depends on now, as plain values: another answer makes the preview stale.

    The audit trail grows with every question, so where it ends now does not count.
    """
    if part is BackupPart.USERS:
        people = _now(now, facts.people)
        return None if people is None else {name: list(each) for name, each in people.items()}
    if part is BackupPart.CONTROL:
        control = _now(now, facts.control_facts)
        return None if control is None else control.state
    if part is BackupPart.LEDGER:
        ledger = _now(now, facts.ledger_facts)
        return None if ledger is None else ledger.head.model_dump()
    return None


def _in_words(ledger: facts.LedgerFacts) -> str:
    day = ledger.last_effective_at.date().isoformat() if ledger.last_effective_at else "none"
    cash = Money(sum(ledger.cash.values()))
    return f"{ledger.head.seq} events, last effective day {day}, {ledger.trades} trades, {cash} of cash"


def _then(path: Path, read: Callable[[sqlite3.Connection], Found]) -> Found:
    with opened_copy(path) as connection:
        return read(connection)


def _now(path: Path, read: Callable[[sqlite3.Connection], Any]) -> Any:
    """What a database says now, None where it cannot be read."""
    if not path.exists():
        return None
    try:
        with opened_read_only(path) as connection:
            return read(connection)
    except (DatabaseUnreadableError, OSError):
        return None
