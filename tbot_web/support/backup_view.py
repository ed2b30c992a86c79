"""Backups in words: what they hold, how old they are, and what a button for them says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tbot_bot.api.backups import Backup, BackupHealth, BackupKind, BackupPart, Backups, RestorePreview
from tbot_web.support import figures

KINDS = {BackupKind.SNAPSHOT: "Snapshot", BackupKind.GENERATION: "Generation"}
PARTS = {
    BackupPart.SECRETS: ("keys and secrets", "Configuration, credentials and every key, as they stood then."),
    BackupPart.USERS: ("users", "People, roles and passwords. Everyone signs in again."),
    BackupPart.AUDIT: ("audit trail", "The record of acts; what was recorded since is kept aside and named."),
    BackupPart.CONTROL: ("state of the bot", "States, requests and the exchange calendar."),
    BackupPart.LEDGER: ("ledger", "Orders, trades and postings; compared with the broker before any trading."),
}
#: The kind of mark and its word.
HEALTH = {
    BackupHealth.WHOLE: ("ok", "Whole"),
    BackupHealth.DAMAGED: ("bad", "Damaged"),
    BackupHealth.UNCHECKED: ("unknown", "Not checked"),
}


def shown(backups: Backups, kind: str | None) -> list[Backup]:
    """The backups of one kind, or all."""
    return [one for one in backups.items if kind is None or one.kind == kind]


def in_use(backups: Backups) -> Backup | None:
    """The generation that counts now."""
    return next((one for one in backups.items if one.counts and one.kind is BackupKind.GENERATION), None)


def newest_snapshot(backups: Backups) -> Backup | None:
    """The newest snapshot, None while there is none."""
    return next((one for one in backups.items if one.kind is BackupKind.SNAPSHOT), None)


def generations(backups: Backups) -> list[int]:
    """The generations that are kept, newest first."""
    return [one.generation for one in backups.items if one.kind is BackupKind.GENERATION and one.generation is not None]


def purged(backups: Backups, before: int) -> list[Backup]:
    """What a purge would destroy: everything of a generation older than `before`."""
    return [one for one in backups.items if one.generation is not None and one.generation < before and not one.counts]


def age(backup: Backup, now: str) -> str:
    """How old a backup is, in its two largest units; empty where its manifest cannot be read."""
    if not backup.made_at:
        return ""
    return figures.duration(figures.between(backup.made_at, now))


def total_size(backups: Iterable[Backup]) -> str:
    """The size of several together."""
    return figures.size(sum(one.size_bytes for one in backups))


def named(backup: Backup) -> str:
    """`generation 3 of 22 Nov 2026 10:11`, `the snapshot of 22 Nov 2026 10:11`."""
    at = figures.moment(backup.made_at).rpartition(":")[0] if backup.made_at else "an unknown time"
    return (
        f"generation {backup.generation} of {at}" if backup.kind is BackupKind.GENERATION else f"the snapshot of {at}"
    )


def in_words(parts: Sequence[BackupPart]) -> str:
    """`users`, `users and ledger`, `users, audit trail and ledger`, `everything`."""
    if len(parts) == len(PARTS):
        return "everything"
    words = [PARTS[part][0] for part in parts]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def restore_button(parts: Sequence[BackupPart], backup: Backup) -> str:
    """The verb and its object, as the button says them."""
    return f"Restore {in_words(parts)} from {named(backup)}"


def lines(preview: RestorePreview) -> list[str]:
    """Every line of a preview, each with its part, so that two previews can be compared."""
    return [f"{part.part}: {line}" for part in preview.parts for line in (*part.changes, *part.loses)]
