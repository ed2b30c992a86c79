"""Restore, a privileged verb of the runner: it always rolls forward.

Secrets come back as a new generation with the content of an old one. Databases are prepared beside the present ones
and put in their place by the next start, which moves those of now aside, lets the audit trail go on with a record that
names what was left behind, ends every session and stops the bot.

RestoreRefusedError   a rule stands in the way
StalePreviewError     what the preview showed is not what there is any more
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tbot_bot.api.backups import AskRestore, BackupPart, PartPreview, Restore, Restored, RestorePreview
from tbot_bot.config import backup_preview
from tbot_bot.config.backups import DATABASE_OF, BackupService, generation_number
from tbot_bot.config.paths import Home
from tbot_bot.config.rotation import RotationService
from tbot_bot.config.secret_creation import BOT_IDENTITY, INTEGRITY, SECOND_FACTORS
from tbot_bot.domain.audit import AuditPort, AuditRecord, RefusedError
from tbot_bot.domain.canonical import canonical_json
from tbot_bot.domain.lifecycle import SETTING_UP
from tbot_bot.domain.time import Clock, to_rfc3339
from tbot_bot.storage import backup_facts as facts
from tbot_bot.storage.backup_errors import BackupError
from tbot_bot.storage.backup_store import CONTROL, USERS
from tbot_bot.storage.database_copy import DatabaseUnreadableError, opened_copy, opened_read_only
from tbot_bot.storage.generations import Contents, GenerationStore
from tbot_bot.storage.restore_plan import RestoreFolder, RestorePlan
from tbot_bot.storage.secret_errors import SecretStoreError
from tbot_bot.storage.snapshot_manifest import ChainHead

RESTORE = "backups.restore"
#: The verb of the record that says that a restore was carried out.
RESTORED = "restore.commit"


class RestoreRefusedError(RefusedError):
    code = "restore_refused"


class StalePreviewError(RefusedError):
    code = "stale_preview"

    def __init__(self) -> None:
        super().__init__(
            "What would be restored, or what it replaces, has changed since it was shown. Nothing was restored. "
            "Look again at what would change."
        )


class AuditLog(AuditPort, Protocol):
    """What a restore needs of the audit trail."""

    def last(
        self, *, verb: str | None = None, phase: str | None = None, request_id: str | None = None
    ) -> AuditRecord | None:
        """The newest record of a verb, phase or request."""
        ...


class Secrets(Protocol):
    """Makes a new generation of the secrets."""

    def roll(
        self,
        change: Callable[[Contents], Contents],
        *,
        request_id: str,
        reason: str,
        actor: str,
        backup: str,
        with_audit: bool,
    ) -> int:
        """Apply `change` and return the number; `with_audit` says that the audit trail is restored too."""
        ...


class SecretsInUse:
    """Implements `Secrets` by the rotation of a running system."""

    def __init__(self, rotation: RotationService) -> None:
        self._rotation = rotation

    def roll(
        self,
        change: Callable[[Contents], Contents],
        *,
        request_id: str,
        reason: str,
        actor: str,
        backup: str,
        with_audit: bool,  # noqa: ARG002 - a trail that works takes any new key by itself
    ) -> int:
        return self._rotation.rotate(change, request_id=request_id, reason=reason, actor=actor, target=backup).number


class RestoreService:
    """Previews and restores; `restart` asks for the end of this process so that the next one goes on."""

    def __init__(
        self,
        home: Home,
        clock: Clock,
        *,
        backups: BackupService,
        store: GenerationStore,
        secrets: Secrets,
        folder: RestoreFolder,
        audit: AuditLog | None,
        restart: Callable[[], None],
    ) -> None:
        self._home = home
        self._clock = clock
        self._backups = backups
        self._store = store
        self._secrets = secrets
        self._folder = folder
        self._audit = audit
        self._restart = restart
        self._lock = threading.Lock()

    def preview(self, asked: AskRestore) -> RestorePreview:
        """What the restore would change now; raises BackupError or GenerationInvalidError for a backup not whole."""
        parts = sorted(set(asked.parts), key=list(BackupPart).index)
        refusal = self._refusal(asked.id, parts)
        if refusal:
            return RestorePreview(id=asked.id, parts=[], restarts=False, digest="", refusal=refusal)
        shown = [self._previewed(asked.id, part) for part in parts]
        return RestorePreview(id=asked.id, parts=shown, restarts=True, digest=self._digest(asked.id, shown))

    def restore(self, asked: Restore, *, actor: str, request_id: str) -> Restored:
        """Carry out what was previewed; a repeat of the request is answered as the first.

        Raises StalePreviewError, RestoreRefusedError, BackupError, and what a rotation raises.
        """
        with self._lock:
            made = self._made_before(request_id, asked)
            if made is not None:
                return self._answer(made, asked)
            shown = self.preview(AskRestore(id=asked.id, parts=asked.parts))
            if shown.refusal:
                raise RestoreRefusedError(shown.refusal)
            if shown.digest != asked.digest:
                raise StalePreviewError
            self._backups.require_whole(asked.id)
            self._keep_what_is_now(asked, actor)
            made = self._carry_out(asked, actor, request_id)
        self._restart()
        return self._answer(made, asked)

    def _carry_out(self, asked: Restore, actor: str, request_id: str) -> int:
        if self._audit is None:
            return self._roll_forward(asked, actor, request_id)
        with self._audit.act(verb=RESTORE, actor=actor, target=asked.id, request_id=request_id) as act:
            act.detail = {"parts": [str(part) for part in asked.parts], "why": asked.reason}
            act.generation = self._roll_forward(asked, actor, request_id)
        return act.generation

    def _roll_forward(self, asked: Restore, actor: str, request_id: str) -> int:
        """Secrets first: a rotation of its own, so that no change of a later generation is made again in users."""
        made = self._secrets.roll(
            self._change(asked),
            request_id=request_id,
            reason=f"restored {_names(asked.parts)} from {asked.id}",
            actor=actor,
            backup=asked.id,
            with_audit=BackupPart.AUDIT in asked.parts,
        )
        if self._audit is None or _databases(asked.parts):
            self._prepare(asked, actor, request_id, made)
        return made

    def _made_before(self, request_id: str, asked: Restore) -> int | None:
        """The generation that this request made, once all that belongs to it is prepared or done."""
        waiting = self._folder.pending()
        if waiting is not None and waiting.request_id == request_id:
            return waiting.generation
        if self._audit is None:
            return None
        done = self._audit.last(verb=RESTORED, request_id=request_id)
        if done is not None:
            return done.entry.generation
        found = None if _databases(asked.parts) else self._store.find(request_id)
        return None if found is None else found.number

    def _change(self, asked: Restore) -> Callable[[Contents], Contents]:
        if BackupPart.SECRETS not in asked.parts:
            return dict
        then = self._contents(asked.id)

        def change(now: Contents) -> Contents:
            kept = {name: content for name, content in now.items() if name == INTEGRITY}
            factors = {**then.get(SECOND_FACTORS, {}), **now.get(SECOND_FACTORS, {})}  # whoever comes back has theirs
            return {**then, **kept, **({SECOND_FACTORS: factors} if factors else {})}

        return change

    def _prepare(self, asked: Restore, actor: str, request_id: str, generation: int) -> None:
        now = self._clock.now()
        with self._backups.secrets_of(asked.id) as pinned:
            made_at, path = pinned.manifest.created_at, None
        bot, files, versions = "", {}, {}
        if generation_number(asked.id) is None:
            manifest, path = self._backups.snapshot(asked.id)
            made_at, bot = manifest.made_at, manifest.bot
            files = {name: manifest.files[name] for name in _databases(asked.parts)}
            versions = {name: version for name, version in manifest.versions.items() if name in asked.parts}
        plan = RestorePlan(
            backup=asked.id,
            backup_made_at=made_at,
            bot=bot,
            parts=[str(part) for part in BackupPart if part in asked.parts],
            actor=actor,
            reason=asked.reason,
            request_id=request_id,
            asked_at=to_rfc3339(now),
            aside=f"replaced-{now:%Y%m%dT%H%M%SZ}-{generation:06d}",
            generation=generation,
            files=files,
            lost=self._lost(asked.parts),
            versions=versions,
        )
        self._folder.prepare(plan, path or self._home.backups)

    def _lost(self, parts: list[BackupPart]) -> dict[str, ChainHead]:
        """The ends of the chains that are left behind, as far as they can be read."""
        reads = {BackupPart.AUDIT: facts.audit_head, BackupPart.LEDGER: facts.ledger_head}
        lost: dict[str, ChainHead] = {}
        for part, read in reads.items():
            path = self._present(part)
            if part in parts and path is not None:
                try:
                    with opened_read_only(path) as connection:
                        lost[str(part)] = read(connection)
                except (DatabaseUnreadableError, OSError):
                    continue  # it cannot be read, so its end is unknown; the file is moved aside as it is
        return lost

    def _keep_what_is_now(self, asked: Restore, actor: str) -> None:
        """A snapshot of now, where now can be read."""
        try:
            self._backups.make(actor=actor, reason=f"before restoring from {asked.id}", request_id="")
        except (BackupError, SecretStoreError):
            if self._audit is not None:
                raise

    def _refusal(self, name: str, parts: list[BackupPart]) -> str:
        """Why these parts cannot be restored from a backup that is whole; empty when they can."""
        if generation_number(name) is not None:
            if parts != [BackupPart.SECRETS]:
                return "A generation holds keys and secrets only. Choose a snapshot to restore databases."
        else:
            manifest, path = self._backups.snapshot(name)
            missing = [part for part in parts if part in DATABASE_OF and DATABASE_OF[part] not in manifest.files]
            if missing:
                return f"{name} holds no {_names(missing)}: it was made before there was one."
            if BackupPart.USERS in parts and not _lets_someone_in(path, parts):
                return f"{name} was made before there was an administrator: nobody could sign in after it."
        if BackupPart.SECRETS in parts and not self._is_same_bot(name):
            return f"{name} was made before this bot was configured, or for another one."
        return ""

    def _is_same_bot(self, name: str) -> bool:
        now = self._present_contents()
        return now is None or self._contents(name).get(BOT_IDENTITY) == now.get(BOT_IDENTITY)

    def _previewed(self, name: str, part: BackupPart) -> PartPreview:
        if part is BackupPart.SECRETS:
            return backup_preview.preview_secrets(self._contents(name), self._present_contents())
        _, path = self._backups.snapshot(name)
        present = self._present(part) or Path()
        return backup_preview.OF_DATABASE[part](path / DATABASE_OF[part], present)

    def _digest(self, name: str, shown: list[PartPreview]) -> str:
        """Stands for what would be restored and what it meets."""
        with self._backups.secrets_of(name) as pinned:
            source: list[object] = [name, pinned.manifest_sha256]
        if generation_number(name) is None:
            manifest, _ = self._backups.snapshot(name)
            source.append(hashlib.sha256(canonical_json(manifest.model_dump())).hexdigest())
        met: dict[str, object] = {"generation": self._present_generation()}
        for one in shown:
            path = self._present(one.part)
            met[str(one.part)] = None if path is None else backup_preview.standing(one.part, path)
        return hashlib.sha256(canonical_json({"source": source, "met": met})).hexdigest()

    def _present(self, part: BackupPart) -> Path | None:
        return self._backups.sources().get(DATABASE_OF.get(part, ""))

    def _contents(self, name: str) -> dict[str, dict[str, Any]]:
        with self._backups.secrets_of(name) as pinned:
            return pinned.read_all()

    def _present_contents(self) -> Contents | None:
        try:
            with self._store.current() as pinned:
                return pinned.read_all()
        except SecretStoreError:
            return None

    def _present_generation(self) -> str | None:
        try:
            with self._store.current() as pinned:
                return pinned.manifest_sha256
        except SecretStoreError:
            return None

    @staticmethod
    def _answer(generation: int, asked: Restore) -> Restored:
        return Restored(
            generation=generation,
            restarts=True,
            message=f"Restored {_names(asked.parts)} from {asked.id} as generation {generation}. "
            "The control process starts again with it.",
        )


def _lets_someone_in(snapshot: Path, parts: list[BackupPart]) -> bool:
    """Whether there is an administrator in a snapshot, or its state asks for the first one."""
    with opened_copy(snapshot / USERS) as users:
        if ("admin", "active") in facts.people(users).values():
            return True
    if BackupPart.CONTROL not in parts:
        return False
    with opened_copy(snapshot / CONTROL) as control:
        then = facts.control_facts(control)
    return then is None or then.state in SETTING_UP


def _databases(parts: list[BackupPart]) -> list[str]:
    """The databases of these parts, by their names in a snapshot."""
    return [DATABASE_OF[part] for part in BackupPart if part in parts and part in DATABASE_OF]


def _names(parts: list[BackupPart]) -> str:
    names = [str(part) for part in BackupPart if part in parts]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
