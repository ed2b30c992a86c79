"""Verbs of the backups: list, verify, make, preview, restore, purge."""

from __future__ import annotations

from tbot_bot.api.backups import (
    AskBackup,
    AskRestore,
    AskSnapshot,
    Backup,
    Backups,
    Purge,
    Purged,
    Restore,
    Restored,
    RestorePreview,
)
from tbot_bot.api.model import Nothing
from tbot_bot.config.backups import BackupService
from tbot_bot.config.restore import RestoreService
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.judge import require_reason, require_step_up, require_typed
from tbot_bot.control.system_api import Caller, Handler


class BackupVerbs:
    """The handlers."""

    def __init__(self, foundation: Foundation, backups: BackupService, restores: RestoreService) -> None:
        self._foundation = foundation
        self._backups = backups
        self._restores = restores

    def handlers(self) -> dict[str, Handler]:
        """The verbs answered here."""
        return {
            "backups.list": self._list,
            "backups.verify": self._verify,
            "backups.make": self._make,
            "backups.preview": self._preview,
            "backups.restore": self._restore,
            "backups.purge": self._purge,
        }

    def _list(self, _caller: Caller, _nothing: Nothing) -> Backups:
        return self._backups.list()

    def _verify(self, _caller: Caller, asked: AskBackup) -> Backup:
        return self._backups.verify(asked.id)

    def _make(self, caller: Caller, asked: AskSnapshot) -> Backup:
        return self._backups.make(
            actor=caller.actor, reason=asked.reason or f"asked for by {caller.actor}", request_id=caller.request_id
        )

    def _preview(self, _caller: Caller, asked: AskRestore) -> RestorePreview:
        return self._restores.preview(asked)

    def _restore(self, caller: Caller, asked: Restore) -> Restored:
        require_reason(asked.reason)
        require_step_up(caller.verdict, self._foundation.clock.now())
        return self._restores.restore(asked, actor=caller.actor, request_id=caller.request_id)

    def _purge(self, caller: Caller, asked: Purge) -> Purged:
        require_typed(asked.typed, str(self._foundation.configuration().identity))
        require_reason(asked.reason)
        require_step_up(caller.verdict, self._foundation.clock.now())
        return self._backups.purge(asked.before, actor=caller.actor, reason=asked.reason, request_id=caller.request_id)
