"""Backups wired to what is open: how copies are examined, and the thread that makes one each night."""

from __future__ import annotations

import hashlib
import threading
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
from tbot_bot.config.rotation import COMMIT
from tbot_bot.config.secret_creation import BOT_IDENTITY, read_identity
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
        with secrets.current() as pinned:
            return read_identity(pinned.read(BOT_IDENTITY)) if BOT_IDENTITY in pinned.names else None

    store = BackupStore(home.backups, clock=clock, filesystem=Filesystem(), pause=pause)
    examiner = CopyExaminer(home, clock, audit)
    return BackupService(home, clock, secrets=secrets, store=store, audit=audit, bot=bot, examiner=examiner)


@contextmanager
def _closing(path: Path) -> Iterator[Engine]:
    engine = open_copy(path)
    try:
        yield engine
    finally:
        engine.dispose()


class Nightly:
    """Makes the snapshot of each UTC day in a thread of its own; one that was missed is made at the start."""

    def __init__(self, backups: BackupService, is_wanted: Callable[[], bool]) -> None:
        """`is_wanted` says whether there is anything to keep yet."""
        self._backups = backups
        self._is_wanted = is_wanted
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nightly-backup", daemon=True)
        self._told: str | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End; a snapshot under way is ended with the process and removed at the next."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._is_wanted():
                self._attempt()
            self._stopping.wait(LOOK_EVERY_S)

    def _attempt(self) -> None:
        """Make it if it is due; what stands in the way is logged once and tried again."""
        try:
            made = self._backups.make_if_due()
        except (BackupError, SecretStoreError, AuditUnavailableError, OSError) as error:
            if str(error) != self._told:
                self._told = str(error)
                log.exception("the nightly snapshot could not be made; it is tried again", why=str(error))
            return
        self._told = None
        if made is not None:
            log.info("nightly snapshot made", backup=made.id, size_bytes=made.size_bytes)
