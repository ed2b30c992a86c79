"""Keys, secrets, audit log and people of one home, put together as the runner does, and rotated again and again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from tbot_bot.audit.trail import AuditTrail
from tbot_bot.config.key_generation import prepare_keys
from tbot_bot.config.rotation import EffectHandler, RotationService
from tbot_bot.config.secret_creation import INTEGRITY
from tbot_bot.domain.time import Clock
from tbot_bot.identity.passwords import PasswordHasher
from tbot_bot.identity.throttle import Throttle
from tbot_bot.identity.users import CHANGE_PASSWORD, CREATE_FIRST_ADMIN, Users
from tbot_bot.storage.audit_store import SqliteAuditStore
from tbot_bot.storage.engine import migrate, open_sqlite
from tbot_bot.storage.filesystem import Filesystem
from tbot_bot.storage.generation import PinnedGeneration
from tbot_bot.storage.generations import Committed, Contents, GenerationStore
from tbot_bot.storage.user_store import SqliteUserStore
from tests.unit.audit.parts import KEY
from tests.unit.storage.faults import FixedClock, WatchedFilesystem, in_child, kill_at

ADMIN = {
    "kind": CREATE_FIRST_ADMIN,
    "effect_id": "first-admin",
    "username": "ada",
    "display": "ada",
    "email": "ada@example.org",
    "password_hash": "hash 1",
    "recovery_code_hashes": [],
}
_HASHER = PasswordHasher(cost=4)


def contents(number: int, count: int) -> dict[str, dict[str, object]]:
    """All secrets after the request of that number."""
    return {f"secret_{one:02d}": {"n": number, "value": f"value {one} of {number}"} for one in range(count)}


def secrets_in(pinned: PinnedGeneration) -> dict[str, dict[str, Any]]:
    """What a generation holds beside the sealing key, which stays the same through all of them."""
    return {name: content for name, content in pinned.read_all().items() if name != INTEGRITY}


def request_id(number: int) -> str:
    return f"request-{number:06d}"


def effect(number: int) -> dict[str, object]:
    """The change in the users database that goes with the request of that number."""
    if number == 1:
        return ADMIN
    return {"kind": CHANGE_PASSWORD, "user_id": 1, "password_hash": f"hash {number}", "keep_session": None}


class Vault:
    """A home as its runner holds it. Request 1 makes the administrator, each later one changes the password."""

    store_type: type[GenerationStore] = GenerationStore
    service_type: type[RotationService] = RotationService

    def __init__(self, root: Path, clock: Clock, *, count: int = 4, disk: Filesystem | None = None) -> None:
        self.root = root
        self.clock = clock
        self.count = count
        self.disk = disk or Filesystem()
        self.store = self.store_type(root / "storage", clock=clock, filesystem=self.disk)
        self.audit_engine, self.users_engine = open_sqlite(root / "AUDIT.db"), open_sqlite(root / "USERS.db")
        if isinstance(disk, WatchedFilesystem):
            for engine in (self.audit_engine, self.users_engine):
                watch(engine, disk)

    @cached_property
    def audit(self) -> AuditTrail:
        return AuditTrail(self.audit_store, self.clock, self._sign, KEY)

    @cached_property
    def audit_store(self) -> SqliteAuditStore:
        return SqliteAuditStore(self.audit_engine)

    @cached_property
    def people(self) -> SqliteUserStore:
        return SqliteUserStore(self.users_engine, KEY)

    @cached_property
    def service(self) -> RotationService:
        return self.service_type(self.store, self.audit, handlers=self.handlers())

    def handlers(self) -> Mapping[str, EffectHandler]:
        users = Users(self.people, _HASHER, Throttle(self.people, self.clock), self.audit, self.clock)
        return dict.fromkeys((CREATE_FIRST_ADMIN, CHANGE_PASSWORD), users.apply_effect)

    def close(self) -> None:
        self.audit_store.close()
        self.users_engine.dispose()

    def create(self) -> None:
        """The first start of an empty home."""
        prepare_keys(self.store)
        migrate(self.audit_engine, "audit")
        migrate(self.users_engine, "users")
        with self.store.current() as pinned:
            self.audit.genesis(pinned.checkpoint_key().public_key)
        self.service.verify_at_start()

    def start(self) -> int:
        """What each start does before anything is served; the generation that counts."""
        prepare_keys(self.store)
        return self.service.verify_at_start()

    def rotate(self, number: int, change: Callable[[Contents], Contents] | None = None) -> Committed:
        return self.service.rotate(
            change or (lambda _old: contents(number, self.count)),
            request_id=request_id(number),
            reason="test",
            actor="ada",
            after_effects=[effect(number)],
        )

    def held(self) -> tuple[int, dict[str, dict[str, Any]]]:
        """The generation that counts and all its secrets."""
        with self.store.current() as pinned:
            return pinned.number, secrets_in(pinned)

    def password_hash(self) -> str:
        user = self.people.user(1)
        return user.password_hash if user else ""

    def _sign(self, data: bytes) -> tuple[str, bytes]:
        with self.store.current() as pinned:
            key = pinned.checkpoint_key()
        return hashlib.sha256(bytes.fromhex(key.public_key)).hexdigest()[:16], key.sign(data)


def watch(engine: Engine, disk: WatchedFilesystem) -> None:
    """Count each change in a database, and each commit, among the disk's operations."""

    @event.listens_for(engine, "before_cursor_execute")
    def _statement(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            disk.step("sql", statement)

    @event.listens_for(engine, "commit")
    def _commit(_connection: Any) -> None:
        disk.step("commit", engine.url.database)


@contextmanager
def opened(vault: Vault) -> Iterator[Vault]:
    try:
        yield vault
    finally:
        vault.close()


#: The last request of a home that `make` made.
MADE = 10


def make(root: Path, *, count: int = 4) -> FixedClock:
    """A home after ten requests, whose next rotation has old generations to prune and others' leavings to remove.

    A rotation died between its first and its second rename, another while it wrote. Returns the home's clock.
    """
    root.mkdir()
    clock = FixedClock()
    with opened(Vault(root, clock, count=count)) as vault:
        vault.create()
        vault.rotate(1)
        clock.move(timedelta(days=20))
        for number in range(2, MADE + 1):
            vault.rotate(number)
        clock.move(timedelta(days=11))
    renames = WatchedFilesystem(kill_at(1), only=("rename",))
    store = GenerationStore(root / "storage", clock=clock, filesystem=renames)
    in_child(lambda: store.rotate(lambda old: old, request_id="died", reason="test", actor="nobody"))
    partial = root / "storage/generations/000012.partial"
    partial.mkdir()
    (partial / "half.key").write_text("half")
    return clock
