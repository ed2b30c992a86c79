"""Backups: what can be restored, what a restore would change, and the restore itself.

Two kinds stand in one list. A *generation* holds keys and secrets as one rotation wrote them. A *snapshot* holds the
databases as they stood at one moment, together with the generation that counted then.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from tbot_bot.api.model import Message


class BackupKind(StrEnum):
    """What a backup holds."""

    GENERATION = "generation"
    SNAPSHOT = "snapshot"


class BackupPart(StrEnum):
    """What can be restored by itself."""

    SECRETS = "secrets"
    USERS = "users"
    AUDIT = "audit"
    CONTROL = "control"
    LEDGER = "ledger"


class BackupHealth(StrEnum):
    """Whether a backup can be relied on."""

    WHOLE = "whole"
    DAMAGED = "damaged"
    UNCHECKED = "unchecked"


class Backup(Message):
    """One backup; `problem` names what is wrong with a damaged one and what to do."""

    id: str = Field(description="Name of the backup.")
    kind: BackupKind = Field(description="What it holds.")
    made_at: str = Field(description="When it was made; empty where its manifest cannot be read.")
    actor: str = Field(description="Who made the change or asked for the backup.")
    reason: str = Field(description="Why it was made.")
    generation: int | None = Field(description="Generation of the secrets in it.")
    size_bytes: int = Field(description="Its size.")
    parts: list[BackupPart] = Field(description="What can be restored from it.")
    counts: bool = Field(description="Whether this generation is the one in use.")
    health: BackupHealth = Field(description="Whether it was found whole when it was last checked.")
    problem: str = Field(default="", description="What is wrong with it, and what to do.")


class Backups(Message):
    """All backups, newest first, and the rule by which they are kept."""

    items: list[Backup] = Field(description="Newest first.")
    next: str | None = Field(default=None, description="Always null: the list is whole.")
    kept_days: int = Field(description="A backup is kept for at least this long.")
    kept_newest: int = Field(description="At least this many of each kind are kept.")
    next_snapshot_at: str | None = Field(description="When the next snapshot is due.")
    free_bytes: int = Field(description="Free space on the disk that holds them.")


class AskBackup(Message):
    """One backup by its name."""

    id: str = Field(max_length=80, description="Name of the backup.")


class AskSnapshot(Message):
    """Make a snapshot now."""

    reason: str = Field(default="", max_length=500, description="Why; shown in the list and kept in the audit trail.")


class AskRestore(Message):
    """What to restore from which backup."""

    id: str = Field(max_length=80, description="Name of the backup.")
    parts: list[BackupPart] = Field(min_length=1, max_length=5, description="What to restore from it.")


class PartPreview(Message):
    """What a restore changes in one part; `loses` is what was recorded since and will only be kept aside."""

    part: BackupPart = Field(description="The part.")
    title: str = Field(description="The part in words.")
    changes: list[str] = Field(description="What will be as it was then.")
    loses: list[str] = Field(description="What was recorded since and will only be kept aside.")


class RestorePreview(Message):
    """What the restore would do; `digest` names exactly this, and only this can be carried out.

    `restarts` says that the control process starts again for it. `refusal` says why it is not possible now.
    """

    id: str = Field(description="Name of the backup.")
    parts: list[PartPreview] = Field(description="What changes in each part.")
    restarts: bool = Field(description="Whether the control process starts again for it.")
    digest: str = Field(description="Names exactly this preview; the restore must bring it.")
    refusal: str = Field(default="", description="Why it is not possible now.")


class Restore(Message):
    """Carry out what was previewed."""

    id: str = Field(max_length=80, description="Name of the backup.")
    parts: list[BackupPart] = Field(min_length=1, max_length=5, description="What to restore from it.")
    digest: str = Field(max_length=64, description="The digest of the preview that was seen.")
    reason: str = Field(default="", max_length=500, description="Why; kept in the audit trail.")


class Restored(Message):
    """What became of it: the generation that counts now, or that the control process starts again."""

    generation: int | None = Field(description="The new generation, null until the restart.")
    restarts: bool = Field(description="Whether the control process starts again.")
    message: str = Field(description="What was done, and what follows.")


class Purge(Message):
    """Destroy every generation, and every snapshot with one, older than `before`: a credential in them was revoked."""

    before: int = Field(ge=1, description="The oldest generation that is kept.")
    typed: str = Field(default="", max_length=100, description="The name of the bot, typed.")
    reason: str = Field(default="", max_length=500, description="Why; kept in the audit trail.")


class Purged(Message):
    """What is gone."""

    generations: list[int] = Field(description="Generations that were destroyed.")
    snapshots: list[str] = Field(description="Snapshots that were destroyed.")


class Finding(Message):
    """One thing that is not as the system left it."""

    subject: str = Field(description="What was found changed or damaged.")
    what: str = Field(description="What is wrong with it.")
    next_step: str = Field(description="The way back.")
    found_at: str = Field(description="When it was found.")


class RecoveryView(Message):
    """What the recovery desk shows: why the system did not open, and what can be restored."""

    findings: list[Finding] = Field(description="Why the home could not be opened.")
    backups: Backups = Field(description="What can be restored.")
