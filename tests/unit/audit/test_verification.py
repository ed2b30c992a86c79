"""Each way to falsify a log, at random places of one that has a few hundred entries."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tbot_bot.audit.chain import checkpoint_statement, link
from tbot_bot.audit.verification import Verification, verify_chain
from tbot_bot.domain.audit import NO_HASH
from tbot_bot.domain.time import from_micros
from tbot_bot.storage.audit_store import SqliteAuditStore
from tbot_bot.storage.engine import open_sqlite
from tests.unit.audit.parts import Chain, CheckpointKey

ENTRIES = 330
COVERED = 320  # the last checkpoint
INSIDE = st.integers(1, COVERED)
Tamper = Callable[[sqlite3.Connection], None]

many = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Log:
    """A finished log; each look at a falsified copy leaves it as it was."""

    def __init__(self, folder: Path) -> None:
        chain = Chain(folder).begin().fill(149)
        old, new = chain.key, CheckpointKey()
        chain.key = new
        chain.trail.introduce_key(new.public, old.endorse(new))
        chain.fill(COVERED - 151)
        chain.trail.checkpoint()
        chain.fill(ENTRIES - COVERED)
        chain.close()
        self.old_key, self.key = old, new
        self._source = chain.path
        self._copy = folder / "copy.db"

    def after(self, tamper: Tamper, since: int = 0, key: bytes | None = None) -> Verification:
        shutil.copy(self._source, self._copy)
        with closing(sqlite3.connect(self._copy)) as connection, connection:
            triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for (name,) in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            tamper(connection)
        engine = open_sqlite(self._copy)
        try:
            return verify_chain(SqliteAuditStore(engine), self.key.sign, since, key=key)
        finally:
            engine.dispose()
            for leftover in self._copy.parent.glob("copy.db*"):
                leftover.unlink()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    return Log(tmp_path_factory.mktemp("audit"))


def assert_broken(found: Verification, first_bad_seq: int, what: str = "") -> None:
    assert not found.ok
    assert found.first_bad_seq == first_bad_seq, found
    assert what in found.what


def body_of(connection: sqlite3.Connection, seq: int) -> bytes:
    return connection.execute("SELECT CAST(body AS BLOB) FROM entry WHERE seq = ?", (seq,)).fetchone()[0]


def shift(connection: sqlite3.Connection, beyond: int, by: int) -> None:
    connection.execute("UPDATE entry SET seq = -(seq + ?) WHERE seq > ?", (by, beyond))
    connection.execute("UPDATE entry SET seq = -seq WHERE seq < 0")


def forge(connection: sqlite3.Connection, since: int) -> None:
    """Hash anew what follows, as one who knows the formula can."""
    rows = connection.execute("SELECT seq, CAST(body AS BLOB), hash FROM entry ORDER BY seq").fetchall()
    previous = NO_HASH
    for seq, body, kept in rows:
        previous = link(previous, seq, body) if seq >= since else kept
        connection.execute("UPDATE entry SET hash = ? WHERE seq = ?", (previous, seq))


def test_an_honest_log_is_found_good(log: Log) -> None:
    for since in (0, 1, 150, COVERED, ENTRIES):
        assert log.after(lambda _: None, since) == Verification(ok=True, checked=ENTRIES - since, head=ENTRIES)


@many
@given(seq=st.integers(1, ENTRIES), at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_in_an_entry(log: Log, seq: int, at: int, bit: int) -> None:
    def tamper(connection: sqlite3.Connection) -> None:
        body = bytearray(body_of(connection, seq))
        body[at % len(body)] ^= 1 << bit
        connection.execute("UPDATE entry SET body = CAST(? AS TEXT) WHERE seq = ?", (bytes(body), seq))

    assert_broken(log.after(tamper), seq)


@many
@given(seq=st.integers(1, ENTRIES), at=st.integers(0, 31), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_hash(log: Log, seq: int, at: int, bit: int) -> None:
    def tamper(connection: sqlite3.Connection) -> None:
        kept = bytearray(connection.execute("SELECT hash FROM entry WHERE seq = ?", (seq,)).fetchone()[0])
        kept[at] ^= 1 << bit
        connection.execute("UPDATE entry SET hash = ? WHERE seq = ?", (bytes(kept), seq))

    assert_broken(log.after(tamper), seq)


@many
@given(seq=INSIDE, renumber=st.booleans())
def test_a_removed_entry(log: Log, seq: int, renumber: bool) -> None:
    def tamper(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM entry WHERE seq = ?", (seq,))
        if renumber:
            shift(connection, seq, -1)

    assert_broken(log.after(tamper), seq)


@many
@given(pair=st.lists(st.integers(1, ENTRIES), min_size=2, max_size=2, unique=True), with_hash=st.booleans())
def test_two_entries_in_each_others_place(log: Log, pair: list[int], with_hash: bool) -> None:
    def tamper(connection: sqlite3.Connection) -> None:
        rows = {
            seq: connection.execute("SELECT body, hash FROM entry WHERE seq = ?", (seq,)).fetchone() for seq in pair
        }
        for seq, other in (pair, reversed(pair)):
            body, kept = rows[other]
            connection.execute("UPDATE entry SET body = ? WHERE seq = ?", (body, seq))
            if with_hash:
                connection.execute("UPDATE entry SET hash = ? WHERE seq = ?", (kept, seq))

    assert_broken(log.after(tamper), min(pair))


@many
@given(seq=INSIDE)
def test_an_inserted_entry(log: Log, seq: int) -> None:
    def tamper(connection: sqlite3.Connection) -> None:
        body = body_of(connection, seq).replace(b"alice", b"carol")
        shift(connection, seq, 1)
        connection.execute(
            "INSERT INTO entry (seq, body, hash, seal) VALUES (?, CAST(? AS TEXT), x'00', x'00')", (seq + 1, body)
        )

    assert_broken(log.after(tamper), seq + 1)


@many
@given(last=st.integers(0, COVERED - 1))
def test_a_cut_off_end(log: Log, last: int) -> None:
    found = log.after(lambda connection: connection.execute("DELETE FROM entry WHERE seq > ?", (last,)) and None)
    assert_broken(found, last + 1)


@many
@given(seq=st.integers(2, COVERED))
def test_an_entry_changed_and_all_hashes_made_anew(log: Log, seq: int) -> None:
    def tamper(connection: sqlite3.Connection) -> None:
        body = body_of(connection, seq).replace(b'"role":""', b'"role":"admin"')
        connection.execute("UPDATE entry SET body = CAST(? AS TEXT) WHERE seq = ?", (body, seq))
        forge(connection, seq)

    checkpoints = (101, 151, 251, COVERED)
    assert_broken(log.after(tamper), next(each for each in checkpoints if each >= seq), "rewritten")


def test_the_whole_log_made_anew_under_another_key(log: Log, tmp_path: Path) -> None:
    forged = Chain(tmp_path).begin().fill(ENTRIES - 1)
    engine = open_sqlite(forged.path)
    found = verify_chain(SqliteAuditStore(engine), log.key.sign)
    engine.dispose()
    forged.close()
    assert_broken(found, 1, "present checkpoint key")


@pytest.mark.parametrize(
    ("statement", "first_bad_seq", "what"),
    [
        ("DELETE FROM checkpoint WHERE seq = 101", 151, "is gone"),
        ("DELETE FROM checkpoint WHERE seq >= 151", 102, "no checkpoint"),
        ("DELETE FROM checkpoint", 1, "no checkpoint"),
        ("UPDATE checkpoint SET signature = zeroblob(64) WHERE seq = 251", 251, "not signed"),
        ("UPDATE checkpoint SET key_id = 'other' WHERE seq = 251", 251, "not signed"),
        ("UPDATE checkpoint SET at_us = at_us + 1 WHERE seq = 1", 1, "not signed"),
        ("DELETE FROM entry", 1, "empty"),
    ],
)
def test_falsified_checkpoints(log: Log, statement: str, first_bad_seq: int, what: str) -> None:
    assert_broken(log.after(lambda connection: connection.execute(statement) and None), first_bad_seq, what)


def test_a_checkpoint_by_a_key_that_was_replaced(log: Log) -> None:
    def tamper(connection: sqlite3.Connection) -> None:
        row = connection.execute("SELECT hash, at_us, previous FROM checkpoint WHERE seq = 251").fetchone()
        statement = checkpoint_statement(251, row[0], from_micros(row[1]), row[2])
        key_id, signature = log.old_key.sign(statement)
        connection.execute("UPDATE checkpoint SET key_id = ?, signature = ? WHERE seq = 251", (key_id, signature))

    assert_broken(log.after(tamper), 251, "not signed by the key in force")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b'"endorsement":"', b'"endorsement":"00', "not endorsed"),
        (b'"public_key":', b'"public_kez":', "names none"),
        (b'"detail":{', b'"detail":7,"x":{', "names none"),
    ],
)
def test_a_forged_succession_of_keys(log: Log, old: bytes, new: bytes, what: str) -> None:
    def tamper(connection: sqlite3.Connection) -> None:
        body = body_of(connection, 151).replace(old, new)
        connection.execute("UPDATE entry SET body = CAST(? AS TEXT) WHERE seq = 151", (body,))
        forge(connection, 151)

    assert_broken(log.after(tamper), 151, what)


def test_a_first_entry_that_is_no_beginning(log: Log) -> None:
    def tamper(connection: sqlite3.Connection) -> None:
        body = body_of(connection, 1).replace(b"audit.genesis", b"audit.genesiz")
        connection.execute("UPDATE entry SET body = CAST(? AS TEXT) WHERE seq = 1", (body,))
        forge(connection, 1)

    assert_broken(log.after(tamper), 1, "does not introduce")


def test_a_check_that_begins_at_an_entry_that_is_gone(log: Log) -> None:
    assert_broken(log.after(lambda c: c.execute("DELETE FROM entry WHERE seq = 50") and None, 50), 50, "is missing")
    assert_broken(log.after(lambda _: None, ENTRIES + 1), ENTRIES + 1, "is missing")


def test_what_was_found_good_before_is_not_looked_at_again(log: Log) -> None:
    found = log.after(lambda c: c.execute("UPDATE entry SET hash = x'00' WHERE seq = 50") and None, 60)
    assert (found.ok, found.checked) == (True, ENTRIES - 60)
