"""Backups wired to what is open: how copies are examined, and the thread that makes one each night."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from tbot_bot.accounting.ledger import Ledger
from tbot_bot.audit.trail import AuditTrail
from tbot_bot.audit.verification import verify_chain
from tbot_bot.config.backups import BackupService
from tbot_bot.config.paths import Home
from tbot_bot.config.rescue import Rescue
from tbot_bot.config.restore import RestoreService, SecretsInUse
from tbot_bot.config.rotation import COMMIT
from tbot_bot.config.secret_creation import BOT_IDENTITY, read_identity
from tbot_bot.control.foundation import Foundation
from tbot_bot.domain.audit import AuditPhase, AuditUnavailableError
from tbot_bot.domain.ids import BotIdentity
from tbot_bot.domain.time import Clock
from tbot_bot.storage import backup_facts
from tbot_bot.storage.audit_store import SqliteAuditStore
from tbot_bot.storage.backup_errors import BackupError
from tbot_bot.storage.backup_store import BackupStore
from tbot_bot.storage.database_copy import DatabaseUnreadableError, opened_read_only
from tbot_bot.storage.engine import open_copy
from tbot_bot.storage.filesystem import Filesystem
from tbot_bot.storage.generations import GenerationStore
from tbot_bot.storage.keys import CheckpointKey
from tbot_bot.storage.ledger_database import LedgerDatabase
from tbot_bot.storage.restore_plan import RestoreFolder
from tbot_bot.storage.secret_errors import SecretStoreError

log = structlog.get_logger("backups")
LOOK_EVERY_S = 30.0


class CopyExaminer:
    """Implements `config.backups.Examiner`; `trail` is the audit trail of now, None where it cannot be opened."""

    def __init__(self, home: Home, clock: Clock, trail: AuditTrail | None) -> None:
        self._home = home
        self._clock = clock
        self._trail = trail

    def audit(self, path: Path, key: CheckpointKey) -> str:
        def sign(data: bytes) -> tuple[str, bytes]:
            return key_id(key.public_key), key.sign(data)

        with _closing(path) as engine:
            try:
                found = verify_chain(SqliteAuditStore(engine), sign)
            except AuditUnavailableError as error:
                return str(error)
        return "" if found.ok else found.what

    def ledger(self, path: Path) -> str:
        with _closing(path) as engine:
            ledger = Ledger(LedgerDatabase(engine), self._clock)
            try:
                chain = ledger.verify_chain()
                if not chain.is_intact:
                    return f"event {chain.broken_at}: {chain.reason}"
                return "kept balances are not the sums of their entries" if ledger.recompute() else ""
            except SQLAlchemyError as error:
                return str(error.__cause__ or error)

    def generation(self, request_id: str, manifest_sha256: str) -> str:
        if self._trail is None:
            return ""
        seen = self._trail.last(verb=COMMIT, phase=AuditPhase.OUTCOME, request_id=request_id)
        if seen is None or seen.entry.detail.get("manifest_sha256") == manifest_sha256:
            return ""  # generation 0 is older than the trail; a trail that was restored may not know younger ones
        return "was exchanged: the audit trail saw another one committed"

    def installation(self) -> str | None:
        try:
            with opened_read_only(self._home.audit_database) as audit:
                return backup_facts.installation(audit)
        except (DatabaseUnreadableError, OSError):
            return None


def key_id(public_key: str) -> str:
    """The short name of a checkpoint key in the audit chain."""
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:16]


def open_backups(
    home: Home, clock: Clock, secrets: GenerationStore, audit: AuditTrail | None, pause: Callable[[float], object]
) -> BackupService:
    """The backups of a home with what could be opened of it."""

    def bot() -> BotIdentity | None:
        try:
            with secrets.current() as pinned:
                return read_identity(pinned.read(BOT_IDENTITY)) if BOT_IDENTITY in pinned.names else None
        except SecretStoreError:
            return _bot_on_disk(home)

    store = BackupStore(home.backups, clock=clock, filesystem=Filesystem(), pause=pause)
    examiner = CopyExaminer(home, clock, audit)
    return BackupService(home, clock, secrets=secrets, store=store, audit=audit, bot=bot, examiner=examiner)


def open_restores(foundation: Foundation, backups: BackupService, restart: Callable[[], None]) -> RestoreService:
    """Restores into a home that is open; `restart` ends this process so that it is started again."""
    return RestoreService(
        foundation.home,
        foundation.clock,
        backups=backups,
        store=foundation.secrets,
        secrets=SecretsInUse(foundation.rotation),
        folder=RestoreFolder(foundation.home.restore, Filesystem()),
        audit=foundation.audit,
        restart=restart,
    )


def open_rescue(home: Home, clock: Clock, restart: Callable[[], None]) -> tuple[BackupService, RestoreService]:
    """Backups of a home that cannot be opened, and restores into it; what is done is recorded by the next start."""
    secrets = GenerationStore(home.storage, clock=clock, filesystem=Filesystem())
    backups = open_backups(home, clock, secrets, None, time.sleep)
    store = BackupStore(home.backups, clock=clock, filesystem=Filesystem())
    restores = RestoreService(
        home,
        clock,
        backups=backups,
        store=secrets,
        secrets=Rescue(secrets, store, home.audit_database),
        folder=RestoreFolder(home.restore, Filesystem()),
        audit=None,
        restart=restart,
    )
    return backups, restores


def _bot_on_disk(home: Home) -> BotIdentity | None:
    """The bot whose ledger lies in a home that cannot say it, None unless there is exactly one."""
    found = [path.parents[1].name.split("_") for path in (home.root / "output").glob("*_*_*_*/ledgers/LEDGER.db")]
    return BotIdentity(*found[0]) if len(found) == 1 else None


@contextmanager
def _closing(path: Path) -> Iterator[Engine]:
    engine = open_copy(path)
    try:
        yield engine
    finally:
        engine.dispose()


class Nightly:
    """Makes the snapshot of each UTC day in a thread of its own; one that was missed is made at the start."""

    def __init__(
        self, backups: BackupService, is_wanted: Callable[[], bool], failed: Callable[[str], None] = lambda _why: None
    ) -> None:
        """`is_wanted` says whether there is anything to keep yet; `failed` is told why none could be made, once."""
        self._backups = backups
        self._is_wanted = is_wanted
        self._failed = failed
        self._wake = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="nightly-backup", daemon=True)
        self._told: str | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def look(self) -> None:
        """Look now: there may be something to keep since a moment ago."""
        self._wake.set()

    def stop(self) -> None:
        """End; a snapshot under way is ended with the process, and what is left of it is removed later."""
        self._is_stopping = True
        self._wake.set()

    def _run(self) -> None:
        while not self._is_stopping:
            if self._is_wanted():
                self._attempt()
            self._wake.wait(LOOK_EVERY_S)
            self._wake.clear()

    def _attempt(self) -> None:
        """Make it if it is due; what stands in the way is logged once and tried again."""
        try:
            made = self._backups.make_if_due()
        except (BackupError, SecretStoreError, AuditUnavailableError, OSError) as error:
            if str(error) != self._told:
                self._told = str(error)
                log.exception("the nightly snapshot could not be made; it is tried again", why=str(error))
                self._failed(str(error))
            return
        self._told = None
        if made is not None:
            log.info("nightly snapshot made", backup=made.id, size_bytes=made.size_bytes)
