"""What exists from the first start on: keys and secrets, audit trail, people, the runner's own record."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

from tbot_bot.api.settings import Configuration
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.audit.trail import AuditTrail
from tbot_bot.config.files import write_atomically
from tbot_bot.config.key_generation import prepare_keys
from tbot_bot.config.paths import Home
from tbot_bot.config.places import places_of
from tbot_bot.config.restored import PendingRestore
from tbot_bot.config.rotation import RotationService
from tbot_bot.config.secret_creation import (
    BOT_IDENTITY,
    INTEGRITY,
    SECOND_FACTORS,
    read_configuration,
    read_trading_settings,
    sealing_key,
)
from tbot_bot.control.audit_check import AuditCheck, require_newest
from tbot_bot.control.damage import AUDIT, CONTROL, RESTORE, SECRETS, USERS, Inspection
from tbot_bot.control.known_devices import KnownDevices
from tbot_bot.domain.audit import AuditPhase, AuditResult
from tbot_bot.domain.integrity import TamperedError
from tbot_bot.domain.notices import NoticeKind
from tbot_bot.domain.time import Clock
from tbot_bot.identity.login import LogIn
from tbot_bot.identity.passwords import PasswordHasher
from tbot_bot.identity.second_factor import FACTOR_KINDS, SecondFactors
from tbot_bot.identity.sessions import Sessions
from tbot_bot.identity.setup import SetupTokens
from tbot_bot.identity.throttle import Throttle
from tbot_bot.identity.user_changes import CHANGE_KINDS, UserChanges
from tbot_bot.identity.users import EFFECT_KINDS, Users
from tbot_bot.monitoring.notices import Notices
from tbot_bot.storage.audit_store import SqliteAuditStore
from tbot_bot.storage.backup_store import BackupStore
from tbot_bot.storage.control_store import ControlStore
from tbot_bot.storage.engine import migrate, open_sqlite
from tbot_bot.storage.filesystem import Filesystem
from tbot_bot.storage.generations import GenerationStore
from tbot_bot.storage.secret_errors import require_clock
from tbot_bot.storage.user_store import SqliteUserStore


class Epoch:
    """A counter in a small file; the portal reuses what it was told only while the counter stands."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._number = 0
        self._run = os.urandom(8).hex()  # so that a restart never repeats an epoch

    def bump(self) -> None:
        """Everything the portal was told before is to be asked again."""
        with self._lock:
            self._number += 1
            write_atomically(self._path, f"{self._run}-{self._number}\n".encode(), durable=False)


class Foundation:
    """Opens a home: makes generation 0 and the audit's first entry on an empty one, verifies both on any other.

    Raises HomeDamagedError when the home is not as we left it: then nothing may be served from it. A disk that is full
    or fails raises what it always does (OSError, OperationalError, StoreUnreadableError, AuditUnavailableError,
    UsersUnavailableError).
    """

    def __init__(self, home: Home, clock: Clock, *, state: Callable[[], str], password_cost: int) -> None:
        self.home = home
        self.clock = clock
        self.epoch = Epoch(home.epoch)
        self.secrets = GenerationStore(home.storage, clock=clock, filesystem=Filesystem())
        self._compared = False
        inspection = Inspection(clock)
        inspection.places(places_of(home))
        inspection.require_none()
        with inspection.of(RESTORE):
            self._put_restored_in_place()
        inspection.require_keys(home)
        inspection.require_none()
        with inspection.of(SECRETS):
            self._open_secrets()
        inspection.require_none()  # the keys sign and seal all the rest
        with inspection.of(CONTROL):
            self.record = ControlStore(open_sqlite(home.control_database), self._key)
        with inspection.of(USERS):
            self.people = self._open_users()
        with inspection.of(AUDIT):
            self._open_audit(state)
        inspection.require_none()
        self._gather(password_cost)
        with inspection.of(AUDIT):
            self._compare()
        inspection.require_none()
        with inspection.of(SECRETS):
            self.generation = self.rotation.verify_at_start()
        inspection.require_none()
        with inspection.of(AUDIT):
            self.chain.at_start()
        inspection.require_none()
        self.notices = Notices(self.record.outbox, clock)
        self.known_devices = KnownDevices(self.record, self.notices)
        self._settle_restored()

    def _put_restored_in_place(self) -> None:
        """Exchange the databases that a restore prepared, before any of them is opened."""
        self._restored = PendingRestore.find(self.home, self.clock, Filesystem())
        if self._restored is not None:
            self._restored.put_in_place()

    def _settle_restored(self) -> None:
        if self._restored is not None:
            self._restored.settle(self.people, self.record)
            plan = self._restored.plan
            self.notices.tell(
                NoticeKind.RESTORE,
                f"{plan.actor} restored {', '.join(plan.parts)} from the backup of {plan.backup_made_at}.",
                {"backup": plan.backup, "reason": plan.reason, "asked at": plan.asked_at},
            )
            self._restored.close()
            self.epoch.bump()

    def _open_secrets(self) -> None:
        self.recovery = prepare_keys(self.secrets)
        with self.secrets.current() as pinned:
            pinned.require_clock()
            self._key = sealing_key(pinned.read(INTEGRITY))
            self._is_new = pinned.number == 0

    def _open_users(self) -> SqliteUserStore:
        engine = open_sqlite(self.home.users_database)
        migrate(engine, "users")
        store = SqliteUserStore(engine, self._key)
        store.inspect()
        return store

    def _open_audit(self, state: Callable[[], str]) -> None:
        engine = open_sqlite(self.home.audit_database)
        migrate(engine, "audit")
        store = self.audit_store = SqliteAuditStore(engine)
        store.inspect()
        self.audit = AuditTrail(store, self.clock, self._sign, self._key, state=state, versions=self.versions)
        if not self._is_new and not self.audit.end()[0]:
            raise TamperedError(AUDIT, "all entries are gone")
        with self.secrets.current() as pinned:
            self.audit.genesis(pinned.checkpoint_key().public_key)
        if self._restored is not None:
            snapshots = BackupStore(self.home.backups, clock=self.clock, filesystem=Filesystem())
            self._restored.carry_on(self.audit, self.secrets, snapshots)

    def _compare(self) -> None:
        """Compare chain, databases and clock with one another."""
        self.chain.require_remembered()
        databases = {"users": (USERS, self.people.seal), "control": (CONTROL, self.record.seal)}
        advanced = require_newest(self.audit, databases)
        last = self.audit.last()
        if last is not None:
            require_clock(self.clock.now(), last.entry.at, f"entry {last.seq} of the audit trail was written")
        self._compared = True
        if advanced:
            self.audit.record(verb="restore.settle", phase=AuditPhase.EVENT, actor="system", result=AuditResult.OK)

    def versions(self) -> dict[str, int]:
        """How many changes each sealed database has seen, once that was compared: an older copy is known by it."""
        if not self._compared:
            return {}
        return {"users": self.people.seal.version, "control": self.record.seal.version}

    def close(self) -> None:
        """Let go of the databases' files, whole; a later use opens them again."""
        self.audit_store.close()
        self.people.seal.close()
        self.record.seal.close()

    def _gather(self, password_cost: int) -> None:
        """Put together the services that stand on the stores."""
        store, audit, clock, changed = self.people, self.audit, self.clock, self.epoch.bump
        self.chain = AuditCheck(audit, self.record)
        hasher = PasswordHasher(cost=password_cost)
        throttle = self.throttle = Throttle(store, clock)
        self.users = Users(store, hasher, throttle, audit, clock, changed=changed)
        self.user_changes = UserChanges(store, store.links, hasher, audit, clock, changed=changed)
        factors = self.second_factors = SecondFactors(
            store.factors, store, throttle, audit, clock, secret_of=self._factor_secret, changed=changed
        )
        self.sessions = Sessions(store, hasher, throttle, audit, clock, accepts=factors.accepts, changed=changed)
        self.log_in = LogIn(store, self.sessions, hasher, throttle, audit, clock, store.links, factors)
        self.setup_tokens = SetupTokens(store, throttle, audit, clock)
        self.rotation = RotationService(
            self.secrets,
            audit,
            handlers=dict.fromkeys(EFFECT_KINDS, self.users.apply_effect)
            | dict.fromkeys(CHANGE_KINDS, self.user_changes.apply_effect)
            | dict.fromkeys(FACTOR_KINDS, factors.apply_effect),
            readers=[self._note_generation],
        )

    def offer_setup_token(self) -> None:
        """While there is no administrator, put a setup token where only the runner's user can read it."""
        if self.users.admin_exists():
            self.home.setup_token.unlink(missing_ok=True)
            return
        with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):  # then it is written anew
            if self.setup_tokens.in_force(self.home.setup_token.read_text("ascii").strip()):
                return
        write_atomically(self.home.setup_token, f"{self.setup_tokens.issue()}\n".encode(), mode=0o600)

    def is_configured(self) -> bool:
        """Whether a configuration was saved."""
        with self.secrets.current() as pinned:
            return BOT_IDENTITY in pinned.names

    def configuration(self) -> Configuration:
        """Return the saved configuration."""
        with self.secrets.current() as pinned:
            return read_configuration(pinned.read_all())

    def _factor_secret(self, secret_id: str) -> str | None:
        """The secret of a second factor."""
        with self.secrets.current() as pinned:
            kept = pinned.read(SECOND_FACTORS) if SECOND_FACTORS in pinned.names else {}
        return kept.get(secret_id)

    def trading_settings(self) -> TradingSettings:
        """Return the trading settings in force."""
        with self.secrets.current() as pinned:
            return read_trading_settings(pinned.read_all())

    def _sign(self, data: bytes) -> tuple[str, bytes]:
        with self.secrets.current() as pinned:
            key = pinned.checkpoint_key()
        return hashlib.sha256(bytes.fromhex(key.public_key)).hexdigest()[:16], key.sign(data)

    def _note_generation(self, number: int) -> None:
        self.generation = number
        self.epoch.bump()
