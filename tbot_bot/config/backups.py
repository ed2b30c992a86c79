"""Backups, privileged verbs of the runner: list, verify, make, keep for their time, and destroy.

Generations of keys and secrets are backups by themselves; snapshots hold the databases too. The service works on what
it is given: where the audit trail cannot be opened there is none to write to, and whoever asked is recorded later.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from tbot_bot.api.backups import Backup, BackupHealth, BackupKind, BackupPart, Backups, Purged
from tbot_bot.config.paths import Home
from tbot_bot.domain.audit import Act, AuditPort, RefusedError
from tbot_bot.domain.ids import BotIdentity
from tbot_bot.domain.time import Clock, from_rfc3339, to_rfc3339
from tbot_bot.storage.backup_errors import BackupDamagedError, BackupError, BackupFailedError, BackupNotFoundError
from tbot_bot.storage.backup_store import (
    AUDIT,
    CONTROL,
    DATABASES,
    LEDGER,
    USERS,
    BackupStore,
    SnapshotRequest,
    SupersededError,
    snapshot_generation,
)
from tbot_bot.storage.generation import PinnedGeneration
from tbot_bot.storage.generations import KEEP_FOR, KEEP_NEWEST, GenerationStore
from tbot_bot.storage.keys import CheckpointKey
from tbot_bot.storage.secret_errors import GenerationInvalidError, SecretStoreError
from tbot_bot.storage.snapshot_manifest import SnapshotManifest

MAKE = "backups.make"
PRUNE = "backups.prune"
PURGE = "backups.purge"
NIGHTLY = "nightly"
#: Which database of a snapshot each part is restored from.
DATABASE_OF = {
    BackupPart.USERS: USERS,
    BackupPart.AUDIT: AUDIT,
    BackupPart.CONTROL: CONTROL,
    BackupPart.LEDGER: LEDGER,
}
_GENERATION = "generation-"
_GENERATION_NAME = re.compile(r"generation-([0-9]{6,})")
_SYSTEM = "system"
_TRIES = 3


class PurgeRefusedError(RefusedError):
    """What was asked to be destroyed still counts."""

    code = "purge_refused"


class Examiner(Protocol):
    """Looks into the copies of databases whose rules other services know; each answers what is wrong, or ""."""

    def audit(self, path: Path, key: CheckpointKey) -> str:
        """Whether a copied audit trail is whole and ends under this key."""
        ...

    def ledger(self, path: Path) -> str:
        """Whether a copied ledger is whole and balanced."""
        ...

    def generation(self, request_id: str, manifest_sha256: str) -> str:
        """Whether the audit trail of now saw this generation committed."""
        ...

    def installation(self) -> str | None:
        """The hash of the first entry of the audit trail of now, None where it cannot be read."""
        ...


class BackupService:
    """One for each home; safe to use from several threads. `audit` is None where there is none to write to."""

    def __init__(
        self,
        home: Home,
        clock: Clock,
        *,
        secrets: GenerationStore,
        store: BackupStore,
        audit: AuditPort | None,
        bot: Callable[[], BotIdentity | None],
        examiner: Examiner,
    ) -> None:
        """`bot` is None before one is configured."""
        self._home = home
        self._clock = clock
        self._secrets = secrets
        self._store = store
        self._audit = audit
        self._bot = bot
        self._examiner = examiner
        self._checked: dict[str, str] = {}
        self._lock = threading.Lock()

    # what there is

    def list(self) -> Backups:
        """Every backup, newest first; what is damaged at first sight is named."""
        items = [self._shown(f"{_GENERATION}{number:06d}") for number in self._secrets.numbers()]
        items += [self._shown(name) for name in self._store.names()]
        return Backups(
            items=sorted(items, key=lambda one: (one.made_at, one.id), reverse=True),
            kept_days=KEEP_FOR.days,
            kept_newest=KEEP_NEWEST,
            next_snapshot_at=to_rfc3339(self._next_snapshot()),
            free_bytes=self._store.free_bytes(),
        )

    def verify(self, name: str) -> Backup:
        """Check every byte of a backup, its databases, chains and secrets, and remember the finding."""
        try:
            self.require_whole(name)
        except (BackupDamagedError, GenerationInvalidError) as error:
            self._checked[name] = str(error)
        else:
            self._checked[name] = ""
        return self._shown(name)

    def require_whole(self, name: str) -> None:
        """Raise BackupDamagedError or GenerationInvalidError with what is wrong with a backup."""
        number = generation_number(name)
        if number is None:
            self._require_snapshot(name)
            return
        with self._generation(number) as pinned:
            pinned.verify()
            fault = self._examiner.generation(pinned.manifest.request_id, pinned.manifest_sha256)
        if fault:
            raise BackupDamagedError(name, "MANIFEST.json", fault)

    @contextmanager
    def secrets_of(self, name: str) -> Iterator[PinnedGeneration]:
        """Hold the generation of a backup of either kind."""
        number = generation_number(name)
        if number is not None:
            with self._generation(number) as pinned:
                yield pinned
            return
        with self._store.generation(name, self._store.read(name)) as pinned:
            yield pinned

    def snapshot(self, name: str) -> tuple[SnapshotManifest, Path]:
        """The manifest and the folder of a snapshot."""
        return self._store.read(name), self._store.path(name)

    def sources(self) -> dict[str, Path]:
        """The present databases, by their names in a snapshot; one that is not there yet is left out."""
        home, bot = self._home, self._bot()
        paths = {
            USERS: home.users_database,
            AUDIT: home.audit_database,
            CONTROL: home.control_database,
        }
        if bot is not None:
            paths[LEDGER] = home.ledger_database(bot)
        return {name: paths[name] for name in DATABASES if name in paths and paths[name].exists()}

    # making and keeping

    def make(self, *, actor: str, reason: str, request_id: str) -> Backup:
        """Make a snapshot now; a request that made one before answers that one.

        Raises BackupSpaceError, BackupFailedError, AuditUnavailableError.
        """
        with self._lock:
            for name in reversed(self._store.names()):
                if request_id and self._made_by(name) == request_id:
                    return self._shown(name)
            with self._act(MAKE, actor, "", request_id) as act:
                manifest = self._write(SnapshotRequest(str(self._bot() or ""), actor, reason, request_id))
                act.detail = {"backup": manifest.name, "why": reason}
                act.generation = manifest.generation
            self._store.verify(manifest.name)
            self._checked[manifest.name] = ""
        return self._shown(manifest.name)

    def make_if_due(self) -> Backup | None:
        """The snapshot of this UTC day if there is none, and an end to those past their time."""
        if not self._is_due():
            return None
        made = self.make(actor=_SYSTEM, reason=NIGHTLY, request_id="")
        self.prune()
        return made

    def prune(self) -> tuple[str, ...]:
        """Remove snapshots, and what restores moved aside, when their time is over; returns their names."""
        now = self._clock.now()
        doomed = past_their_time(self._made_at(), now) + past_their_time(self._store.asides(), now)
        if doomed:
            with self._act(PRUNE, _SYSTEM, "", "") as act:
                act.detail = {"backups": list(doomed)}
                self._store.remove(doomed)
        return doomed

    def purge(self, before: int, *, actor: str, reason: str, request_id: str) -> Purged:
        """Destroy every generation older than `before`, and every snapshot that holds one.

        The current generation and its parent always stay: PurgeRefusedError says so, and nothing is destroyed.
        """
        with self._lock, self._secrets.current() as pinned:
            number, parent = pinned.number, pinned.manifest.parent
            stays = number if parent is None else min(number, parent)
            if before > stays:
                raise PurgeRefusedError(
                    f"Generation {number} counts now, and it and the one it was made from, {stays}, always stay: "
                    f"nothing newer than {stays} can be named here. Nothing was destroyed. Rotate once, then purge."
                )
            generations = [one for one in self._secrets.numbers() if one < before]
            snapshots = [name for name in self._store.names() if snapshot_generation(name) < before]
            with self._act(PURGE, actor, f"before generation {before}", request_id) as act:
                act.detail = {"generations": generations, "backups": snapshots, "why": reason}
                self._store.remove(snapshots)
                self._secrets.destroy(before)
        return Purged(generations=generations, snapshots=snapshots)

    # how

    def _write(self, request: SnapshotRequest) -> SnapshotManifest:
        for _ in range(_TRIES):
            try:
                return self._write_once(request)
            except SupersededError:
                continue  # keys and audit trail went on meanwhile; where they never agree, the home is damaged
        raise BackupFailedError("The snapshot was not made", "keys and audit trail are not of the same moment")

    def _write_once(self, request: SnapshotRequest) -> SnapshotManifest:
        with self._secrets.current() as pinned:
            return self._store.write(request, self.sources(), pinned, lambda: self._counting() == pinned.number)

    def _require_snapshot(self, name: str) -> None:
        manifest = self._store.verify(name)
        ours = self._examiner.installation()
        if ours not in (None, manifest.installation):
            raise BackupDamagedError(name, "MANIFEST.json", "was made by another installation")
        with self._store.generation(name, manifest) as pinned:
            key = pinned.checkpoint_key()
            fault = self._examiner.generation(pinned.manifest.request_id, pinned.manifest_sha256)
        if fault:
            raise BackupDamagedError(name, "generation/MANIFEST.json", fault)
        path = self._store.path(name)
        self._require_sound(name, AUDIT, self._examiner.audit(path / AUDIT, key))
        if LEDGER in manifest.files:
            self._require_sound(name, LEDGER, self._examiner.ledger(path / LEDGER))

    @staticmethod
    def _require_sound(name: str, database: str, fault: str) -> None:
        if fault:
            raise BackupDamagedError(name, database, f"is not whole: {fault}")

    @contextmanager
    def _generation(self, number: int) -> Iterator[PinnedGeneration]:
        if number not in self._secrets.numbers():
            raise BackupNotFoundError(f"{_GENERATION}{number:06d}")
        with self._secrets.pinned(number) as pinned:
            yield pinned

    def _shown(self, name: str) -> Backup:
        number = generation_number(name)
        try:
            shown = self._shown_snapshot(name) if number is None else self._shown_generation(name, number)
        except (BackupDamagedError, GenerationInvalidError) as error:
            kind = BackupKind.SNAPSHOT if number is None else BackupKind.GENERATION
            return Backup(
                id=name,
                kind=kind,
                made_at="",
                actor="",
                reason="",
                generation=snapshot_generation(name) if number is None else number,
                size_bytes=0,
                parts=[],
                counts=False,
                health=BackupHealth.DAMAGED,
                problem=str(error),
            )
        problem = self._checked.get(name)
        if problem is None:
            return shown
        health = BackupHealth.DAMAGED if problem else BackupHealth.WHOLE
        return shown.model_copy(update={"health": health, "problem": problem})

    def _shown_generation(self, name: str, number: int) -> Backup:
        with self._generation(number) as pinned:
            manifest = pinned.manifest
            return Backup(
                id=name,
                kind=BackupKind.GENERATION,
                made_at=manifest.created_at,
                actor=manifest.actor,
                reason=manifest.reason,
                generation=number,
                size_bytes=pinned.size,
                parts=[BackupPart.SECRETS],
                counts=number == self._counting(),
                health=BackupHealth.UNCHECKED,
            )

    def _shown_snapshot(self, name: str) -> Backup:
        manifest = self._store.read(name)
        return Backup(
            id=name,
            kind=BackupKind.SNAPSHOT,
            made_at=manifest.made_at,
            actor=manifest.actor,
            reason=manifest.reason,
            generation=manifest.generation,
            size_bytes=sum(entry.size for entry in manifest.files.values()),
            parts=[BackupPart.SECRETS, *(part for part, one in DATABASE_OF.items() if one in manifest.files)],
            counts=False,
            health=BackupHealth.UNCHECKED,
        )

    def _counting(self) -> int | None:
        """The generation that counts, None where the store cannot tell."""
        try:
            with self._secrets.current() as pinned:
                return pinned.number
        except SecretStoreError:
            return None

    def _made_by(self, name: str) -> str | None:
        try:
            return self._store.read(name).request_id
        except BackupError:
            return None

    def _made_at(self) -> dict[str, datetime]:
        """When each readable snapshot was made."""
        found = {}
        for name in self._store.names():
            try:
                found[name] = from_rfc3339(self._store.read(name).made_at)
            except BackupDamagedError:
                continue  # it stands in the list as damaged until a person decides
        return found

    def _is_due(self) -> bool:
        today = self._clock.now().date()
        return all(at.date() != today for at in self._made_at().values())

    def _next_snapshot(self) -> datetime:
        now = self._clock.now()
        if self._is_due():
            return now
        return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)

    @contextmanager
    def _act(self, verb: str, actor: str, target: str, request_id: str) -> Iterator[Act]:
        if self._audit is None:
            yield Act()
            return
        with self._audit.act(verb=verb, actor=actor, target=target, request_id=request_id) as act:
            yield act


def generation_number(name: str) -> int | None:
    """The generation that a backup's name stands for; None for a snapshot's."""
    found = _GENERATION_NAME.fullmatch(name)
    return None if found is None else int(found[1])


def past_their_time(made_at: Mapping[str, datetime], now: datetime) -> tuple[str, ...]:
    """What is older than 30 days and not among the newest ten, oldest first."""
    made = sorted(made_at.items(), key=lambda item: item[1])
    return tuple(name for name, at in made[:-KEEP_NEWEST] if at < now - KEEP_FOR)
