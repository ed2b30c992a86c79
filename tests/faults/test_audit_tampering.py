"""A random hand in the audit trail: every change is found, and named by the first place where it shows."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tbot_bot.audit.verification import Verification, verify_chain
from tbot_bot.storage.audit_store import SqliteAuditStore
from tbot_bot.storage.engine import open_sqlite
from tests.conftest import Rounds
from tests.unit.audit.parts import KEY, Chain

#: Changes the entry and says where that shows first.
Hand = Callable[[sqlite3.Connection, random.Random, int], int]


def flip(connection: sqlite3.Connection, chance: random.Random, last: int) -> int:
    """One bit of a body, a hash or a seal."""
    seq, column = chance.randint(1, last), chance.choice(("body", "hash", "seal"))
    kept = bytearray(_read(connection, column, seq))
    kept[chance.randrange(len(kept))] ^= 1 << chance.randrange(8)
    value = "CAST(? AS TEXT)" if column == "body" else "?"
    connection.execute(f"UPDATE entry SET {column} = {value} WHERE seq = ?", (bytes(kept), seq))  # noqa: S608 - our own names
    return seq


def delete(connection: sqlite3.Connection, chance: random.Random, last: int) -> int:
    """One entry, with or without closing the gap."""
    seq = chance.randint(1, last - 1)
    connection.execute("DELETE FROM entry WHERE seq = ?", (seq,))
    if chance.random() < 0.5:
        _shift(connection, seq, -1)
    return seq


def swap(connection: sqlite3.Connection, chance: random.Random, last: int) -> int:
    """Two entries in each other's place."""
    one, other = sorted(chance.sample(range(1, last + 1), 2))
    connection.execute("UPDATE entry SET seq = -seq WHERE seq IN (?, ?)", (one, other))
    connection.execute("UPDATE entry SET seq = CASE seq WHEN -? THEN ? ELSE ? END WHERE seq < 0", (one, other, one))
    return one


def insert(connection: sqlite3.Connection, chance: random.Random, last: int) -> int:
    """A copy of an entry at another place."""
    seq, of = chance.randint(1, last), chance.randint(1, last)
    row = [_read(connection, column, of) for column in ("body", "hash", "seal")]
    _shift(connection, seq, 1)
    connection.execute("INSERT INTO entry (seq, body, hash, seal) VALUES (?, CAST(? AS TEXT), ?, ?)", (seq + 1, *row))
    return seq + 1


def truncate(connection: sqlite3.Connection, chance: random.Random, last: int) -> int:
    """The end, entries alone; a checkpoint knows better."""
    seq = chance.randint(1, last)
    connection.execute("DELETE FROM entry WHERE seq >= ?", (seq,))
    return seq


HANDS: tuple[Hand, ...] = (flip, delete, swap, insert, truncate)


class Log:
    """A log under a checkpoint at its end; each tampering is done to a copy."""

    def __init__(self, folder: Path, entries: int) -> None:
        self.chain = Chain(folder).begin().fill(entries - 1)
        self.chain.trail.checkpoint()
        self.chain.close()
        self.entries = entries
        self.copy = folder / "copy.db"

    def after(self, tamper: Callable[[sqlite3.Connection], object]) -> Verification:
        shutil.copy(self.chain.path, self.copy)
        with closing(sqlite3.connect(self.copy)) as connection, connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            tamper(connection)
        engine = open_sqlite(self.copy)
        try:
            return verify_chain(SqliteAuditStore(engine), self.chain.key.sign, key=KEY)
        finally:
            engine.dispose()
            for leftover in self.copy.parent.glob("copy.db*"):
                leftover.unlink()


@pytest.mark.soak
def test_every_random_tampering_is_found_at_its_first_place(tmp_path: Path, rounds: Rounds) -> None:
    entries, times = rounds(600, 10_000), rounds(25, 1_000)
    log, chance = Log(tmp_path, entries), random.Random(20261122)
    assert log.after(lambda _: None).ok
    wrong = []
    for number in range(times):
        hand, first = HANDS[number % len(HANDS)], [0]

        def tamper(connection: sqlite3.Connection, hand: Hand = hand, first: list[int] = first) -> None:
            first[0] = hand(connection, chance, entries)

        found = log.after(tamper)
        if found.ok or found.first_bad_seq != first[0]:
            wrong.append(f"{number}, {hand.__name__} at {first[0]}: {found}")
    assert not wrong, "\n".join(wrong)


def _read(connection: sqlite3.Connection, column: str, seq: int) -> bytes:
    query = f"SELECT CAST({column} AS BLOB) FROM entry WHERE seq = ?"  # noqa: S608 - our own names
    found: bytes = connection.execute(query, (seq,)).fetchone()[0]
    return found


def _shift(connection: sqlite3.Connection, beyond: int, by: int) -> None:
    connection.execute("UPDATE entry SET seq = -(seq + ?) WHERE seq > ?", (by, beyond))
    connection.execute("UPDATE entry SET seq = -seq WHERE seq < 0")
