"""Backups as a runner would list them, and what it says to a preview, a restore and a purge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tbot_bot.api.backups import (
    AskBackup,
    AskRestore,
    Backup,
    BackupHealth,
    BackupKind,
    BackupPart,
    Backups,
    Finding,
    PartPreview,
    Purge,
    Purged,
    RecoveryView,
    Restore,
    Restored,
    RestorePreview,
)
from tbot_bot.api.errors import ApiError

EVERYTHING = list(BackupPart)
DIGEST = "5f" * 32
NEWEST = "snapshot-20261122T021500Z-000004"
DAMAGED = "snapshot-20261120T021500Z-000003"


def generation(number: int, made_at: str, reason: str, actor: str = "ada", **changes: Any) -> Backup:
    return Backup(
        id=f"generation-{number:06d}", kind=BackupKind.GENERATION, made_at=made_at, actor=actor, reason=reason,
        generation=number, size_bytes=18_400 + number, parts=[BackupPart.SECRETS], counts=False,
        health=BackupHealth.UNCHECKED,
    ).model_copy(update=changes)  # fmt: skip


def snapshot(name: str, made_at: str, number: int, **changes: Any) -> Backup:
    return Backup(
        id=name, kind=BackupKind.SNAPSHOT, made_at=made_at, actor="runner", reason="nightly", generation=number,
        size_bytes=4_812_000, parts=EVERYTHING, counts=False, health=BackupHealth.WHOLE,
    ).model_copy(update=changes)  # fmt: skip


def backups(**changes: Any) -> Backups:
    return Backups(
        items=[
            generation(4, "2026-11-22T07:12:31Z", "password changed", counts=True, health=BackupHealth.WHOLE),
            snapshot(NEWEST, "2026-11-22T02:15:00Z", 3),
            snapshot("snapshot-20261121T101112Z-000003", "2026-11-21T10:11:12Z", 3, actor="ada",
                     reason="before the broker's maintenance", health=BackupHealth.UNCHECKED),
            generation(3, "2026-11-20T16:02:00Z", "restored from generation 1"),
            snapshot(DAMAGED, "2026-11-20T02:15:00Z", 2, health=BackupHealth.DAMAGED,
                     problem="LEDGER.db is not what was written: its hash differs. Use another snapshot."),
            generation(2, "2026-11-19T09:00:00Z", "first administrator", actor="setup"),
            generation(1, "2026-11-19T08:58:00Z", "configuration saved", actor="setup"),
            generation(0, "2026-11-19T08:55:00Z", "first start of an empty home", actor="runner"),
        ],
        kept_days=30, kept_newest=10, next_snapshot_at="2026-11-23T02:15:00Z", free_bytes=38_220_000_000,
    ).model_copy(update=changes)  # fmt: skip


def previewed(asked: AskRestore, **changes: Any) -> RestorePreview:
    told = {
        BackupPart.SECRETS: (["smtp: SMTP_PASSWORD differs", "generation 5 is made from the content of 3"], []),
        BackupPart.USERS: (["bob will be an operator again", "eve is removed"], ["2 password changes since"]),
        BackupPart.AUDIT: (["the chain goes on after entry 812"], ["41 records since, up to entry 853"]),
        BackupPart.CONTROL: (["state then: stopped"], []),
        BackupPart.LEDGER: (["cash 100,412.10 USD then, 100,977.31 USD now"], ["14 events and 3 trades since"]),
    }
    return RestorePreview(
        id=asked.id,
        parts=[PartPreview(part=part, title=part.title(), changes=told[part][0], loses=told[part][1])
               for part in asked.parts],
        restarts=asked.parts != [BackupPart.SECRETS],
        digest=DIGEST,
    ).model_copy(update=changes)  # fmt: skip


def restored(_caller: Any, asked: Restore) -> Restored:
    if asked.digest != DIGEST:
        raise ApiError.of(409, "preview_stale", "What it would do has changed", "Nothing was changed.", "Look again.")
    restarts = asked.parts != [BackupPart.SECRETS]
    return Restored(generation=None if restarts else 5, restarts=restarts, message="Generation 5 is in use now.")


def verified(_caller: Any, asked: AskBackup) -> Backup:
    found = next((one for one in backups().items if one.id == asked.id), None)
    if found is None:
        raise ApiError.of(404, "backup_not_found", "There is no such backup")
    return found.model_copy(update={"health": BackupHealth.DAMAGED if found.problem else BackupHealth.WHOLE})


def purged(_caller: Any, asked: Purge) -> Purged:
    if asked.typed != "RIGD_US_SIM_001":
        raise ApiError.of(422, "typed_wrong", "The name does not match", fields={"typed": "Type it to confirm."})
    return Purged(generations=[0, 1], snapshots=[])


FINDINGS = [
    Finding(
        subject="Keys and secrets",
        what="Generation 4 is not as it was written: secrets/smtp.json.enc does not match its hash in the manifest.",
        next_step="Restore keys and secrets from a backup.",
        found_at="2026-11-22T07:59:00Z",
    ),
    Finding(
        subject="Users database",
        what="storage/SYSTEM_USERS.db is missing.",
        next_step="Restore the users from a snapshot.",
        found_at="2026-11-22T07:59:00Z",
    ),
]


def answers() -> dict[str, Callable[..., Any]]:
    """What the backups page and the recovery desk are answered."""
    made = snapshot("snapshot-20261122T080000Z-000004", "2026-11-22T08:00:00Z", 4, actor="ada", reason="asked for")
    found = {
        "verify": verified,
        "preview": lambda _caller, asked: previewed(asked),
        "restore": restored,
    }
    return {
        "backups.list": lambda *_: backups(),
        "backups.make": lambda *_: made,
        "backups.purge": purged,
        "recovery.view": lambda *_: RecoveryView(findings=FINDINGS, backups=backups()),
    } | {f"{desk}.{name}": answer for desk in ("backups", "recovery") for name, answer in found.items()}
