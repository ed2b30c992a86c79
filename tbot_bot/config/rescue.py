"""Secrets made anew while the home cannot be opened: a rotation without the services of a running system.

ContentsLostError   the present secrets cannot be relied on, so they must be restored too
KeyLostError        the key that the audit trail ends under is gone, so the trail must be restored too
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tbot_bot.domain.audit import RefusedError
from tbot_bot.storage import backup_facts as facts
from tbot_bot.storage.backup_store import AUDIT, BackupStore, snapshot_generation
from tbot_bot.storage.database_copy import DatabaseUnreadableError, opened_copy, opened_read_only
from tbot_bot.storage.generation_draft import Request
from tbot_bot.storage.generations import Contents, GenerationStore
from tbot_bot.storage.keys import CheckpointKey
from tbot_bot.storage.secret_errors import SecretStoreError


class ContentsLostError(RefusedError):
    code = "contents_lost"

    def __init__(self) -> None:
        super().__init__(
            "The present keys and secrets cannot be relied on, so a restore must bring them back too. Nothing was "
            "restored. Choose keys and secrets as well."
        )


class KeyLostError(RefusedError):
    code = "key_lost"

    def __init__(self) -> None:
        super().__init__(
            "The key that the audit trail ends under cannot be read any more, so the trail could not go on. Nothing "
            "was restored. Choose a snapshot, and its audit trail as well."
        )


class Rescue:
    """Implements `config.restore.Secrets` for a home that cannot be opened."""

    def __init__(self, secrets: GenerationStore, store: BackupStore, audit_database: Path) -> None:
        self._secrets = secrets
        self._store = store
        self._audit_database = audit_database

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
        """Put `change` of what can be read in place, endorsed by the key under which the audit trail will end.

        Raises ContentsLostError, KeyLostError, and what `GenerationStore.rescue` raises.
        """
        endorser = self._endorser(backup if with_audit else "")
        contents = change(self._present())
        if not contents:
            raise ContentsLostError
        above = max([snapshot_generation(name) for name in self._store.names()], default=-1)
        request = Request(request_id, actor, reason)
        return self._secrets.rescue(contents, request, above=above, endorser=endorser).number

    def _present(self) -> Contents:
        try:
            with self._secrets.current() as pinned:
                # An older generation that was pointed at again is not what stood there last: it is chosen or not taken.
                return pinned.verify() if pinned.number == self._secrets.numbers()[-1] else {}
        except SecretStoreError:
            return {}

    def _endorser(self, backup: str) -> CheckpointKey:
        """The private half of the key that the trail of now, or the one in a backup, ends under."""
        try:
            wanted = self._key_of_trail(backup)
        except (DatabaseUnreadableError, OSError) as error:
            raise KeyLostError from error
        for key in self._keys():
            if key.public_key == wanted:
                return key
        raise KeyLostError

    def _key_of_trail(self, backup: str) -> str:
        if backup:
            with opened_copy(self._store.path(backup) / AUDIT) as audit:
                return facts.checkpoint_key(audit)
        with opened_read_only(self._audit_database) as audit:
            return facts.checkpoint_key(audit)

    def _keys(self) -> Iterator[CheckpointKey]:
        yield from self._secrets.checkpoint_keys()
        for name in self._store.names():
            with self._store.generation(name, self._store.read(name)) as pinned:
                yield pinned.checkpoint_key()
