"""A furnished home with its backups, worked on without a runner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tbot_bot.api.backups import AskRestore, BackupPart, Restore
from tbot_bot.config.backups import BackupService
from tbot_bot.control.backups import CopyExaminer, open_backups, open_restores
from tbot_bot.domain.audit import AuditFilter
from tbot_bot.storage.backup_store import BackupStore
from tbot_bot.storage.filesystem import Filesystem
from tests.unit.control.backstage import Backstage, furnished


class Vault:
    """The backups of a home; the clock is the home's."""

    def __init__(self, stage: Backstage) -> None:
        self.stage = stage
        self.home = self.stage.home
        self.clock = self.stage.clock
        foundation = self.stage.foundation
        self.secrets, self.audit = foundation.secrets, foundation.audit
        self.service: BackupService = open_backups(self.home, self.clock, self.secrets, self.audit, lambda _s: None)
        self.restarts = 0
        self.restores = open_restores(foundation, self.service, self._restart)

    def _restart(self) -> None:
        self.restarts += 1

    def close(self) -> None:
        """Let go of every database, as the end of a process does."""
        self.stage.foundation.close()

    def again(self) -> Vault:
        """The home after its next start."""
        self.close()
        return Vault(Backstage(self.home.root, self.clock))

    def restore(self, name: str, *parts: BackupPart, request_id: str = "restore-0001", reason: str = "test") -> int:
        """Preview and carry out; the generation it made."""
        shown = self.restores.preview(AskRestore(id=name, parts=list(parts)))
        assert shown.refusal == "", shown.refusal
        asked = Restore(id=name, parts=list(parts), digest=shown.digest, reason=reason)
        made = self.restores.restore(asked, actor="alice", request_id=request_id).generation
        assert made is not None
        return made

    def on(self, filesystem: Filesystem) -> BackupService:
        """The same backups on another filesystem."""
        store = BackupStore(self.home.backups, clock=self.clock, filesystem=filesystem, pause=lambda _s: None)
        return BackupService(
            self.home,
            self.clock,
            secrets=self.secrets,
            store=store,
            audit=self.audit,
            bot=lambda: self.stage.foundation.configuration().identity,
            examiner=CopyExaminer(self.home, self.clock, self.audit),
        )

    def snapshot(self, reason: str = "test", **named: Any) -> str:
        """Make one; its name."""
        return self.service.make(actor="alice", reason=reason, request_id="", **named).id

    def rotate(self, number: int) -> int:
        """A change of one secret; the new generation."""
        committed = self.stage.foundation.rotation.rotate(
            lambda old: {**old, "smtp": {**old["smtp"], "SMTP_PORT": 1000 + number}},
            request_id=f"rotation-{number:04d}",
            reason=f"change {number}",
            actor="alice",
        )
        return committed.number

    def secret(self) -> int:
        """The secret that `rotate` changes."""
        with self.secrets.current() as pinned:
            return int(pinned.read("smtp")["SMTP_PORT"])

    def audited(self, verb: str) -> list[tuple[str, str, dict[str, Any]]]:
        """Phase, result and detail of a verb's records, oldest first."""
        found = self.audit.page(AuditFilter(verb=verb), limit=100).items
        return [(one.entry.phase, one.entry.result, dict(one.entry.detail)) for one in reversed(found)]


def vault_at(root: Path) -> Vault:
    """The backups of a furnished home."""
    return Vault(furnished(root))


def stranger_at(root: Path) -> Vault:
    """Those of another installation, which has no bot yet."""
    return Vault(Backstage(root))
