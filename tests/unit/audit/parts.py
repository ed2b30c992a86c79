"""A clock that is moved by hand, and checkpoint keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from tbot_bot.audit.chain import key_statement
from tbot_bot.audit.trail import AuditTrail
from tbot_bot.storage.audit_store import SqliteAuditStore
from tbot_bot.storage.engine import migrate, open_sqlite

#: Seals what the tests write.
KEY = bytes(range(32))


class HandClock:
    def __init__(self) -> None:
        self._now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def move(self, **by: int) -> None:
        self._now += timedelta(**by)


class CheckpointKey:
    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes_raw().hex()

    def sign(self, data: bytes) -> tuple[str, bytes]:
        return self.public, self._private.sign(data)

    def endorse(self, successor: CheckpointKey) -> str:
        return self._private.sign(key_statement(successor.public)).hex()


class Chain:
    """A trail on a database of its own, whose checkpoint key can be exchanged."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "AUDIT.db"
        self.engine: Engine = open_sqlite(self.path)
        migrate(self.engine, "audit")
        self.clock = HandClock()
        self.key = CheckpointKey()
        self.store = SqliteAuditStore(self.engine)
        self.trail = AuditTrail(self.store, self.clock, self.sign, KEY)

    def sign(self, data: bytes) -> tuple[str, bytes]:
        return self.key.sign(data)

    def begin(self) -> Chain:
        self.trail.genesis(self.key.public)
        return self

    def fill(self, entries: int) -> Chain:
        for number in range(entries):
            self.trail.record(verb="order.cancel", phase="event", actor="alice", target=f"order {number}")
            self.clock.move(milliseconds=10)
        return self

    def close(self) -> None:
        self.store.close()
