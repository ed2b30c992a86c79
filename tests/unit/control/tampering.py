"""What another hand can do to a home: one table of acts on its files and databases, each with what it concerns."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tbot_bot.config.paths import Home
from tbot_bot.control.damage import AUDIT, CONTROL, PLACES, SECRETS, USERS

Act = Callable[[Home, Path], object]


@dataclass(frozen=True, slots=True)
class Tamper:
    """One act; `by` gets the home and a copy of it from before the last changes."""

    subject: str
    by: Act


def sql(path: Path, *statements: str) -> None:
    """Write to a database as any program can that may open it: triggers out of the way, and in place again."""
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, made in triggers:
            connection.execute(made)
        connection.commit()


def put_back(path: Path, older: Path) -> None:
    """An older copy of a database, with what lies beside it, in its place."""
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    aside = path.with_name("older.db")
    with closing(sqlite3.connect(older)) as source, closing(sqlite3.connect(aside)) as target:
        source.backup(target)
    aside.chmod(0o600)
    aside.replace(path)


def truncated(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.truncate(path, 8192)


def generation(home: Home) -> Path:
    return home.storage / (home.storage / "current").readlink()


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def _one_bit(kept: bytes) -> bytes:
    return kept[:40] + bytes([kept[40] ^ 1]) + kept[41:]


def swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def point_at(home: Home, number: int) -> None:
    swapped = home.storage / "other"
    swapped.symlink_to(f"generations/{number:06d}")
    swapped.replace(home.storage / "current")


def linked(path: Path) -> None:
    aside = path.with_name("elsewhere")
    path.rename(aside)
    path.symlink_to(aside)


def users(*statements: str) -> Tamper:
    return Tamper(USERS, lambda home, _: sql(home.users_database, *statements))


def control(*statements: str) -> Tamper:
    return Tamper(CONTROL, lambda home, _: sql(home.control_database, *statements))


def audit(*statements: str) -> Tamper:
    return Tamper(AUDIT, lambda home, _: sql(home.audit_database, *statements))


def file(name: str, change: Callable[[Path], object]) -> Tamper:
    return Tamper(SECRETS, lambda home, _: change(generation(home) / name))


TAMPERS = {
    "user changed": users("UPDATE user SET role = 'admin' WHERE username = 'viewer'"),
    "user disabled": users("UPDATE user SET status = 'disabled' WHERE username = 'admin'"),
    "user added": users("INSERT INTO user SELECT 99, 'x', 'eve', 'Eve', email, role, status, password_hash,"
                        " created_us, changed_us, password_changed_us, generation, mac FROM user WHERE id = 1"),
    "user deleted": users("DELETE FROM user WHERE username = 'auditor'"),
    "users swapped": users("CREATE TABLE t AS SELECT id, mac, role FROM user",
                           "UPDATE user SET mac = (SELECT mac FROM t WHERE t.id = 5 - user.id),"
                           " role = (SELECT role FROM t WHERE t.id = 5 - user.id)", "DROP TABLE t"),
    "session forged": users("INSERT INTO session SELECT 'forged', 1, created_us, last_seen_us, address, user_agent,"
                            " locked, stepped_up_until_us, mac FROM session LIMIT 1"),
    "session of another": users("UPDATE session SET user_id = 3 - user_id + 1"),
    "session stepped up": users("UPDATE session SET stepped_up_until_us = 9999999999999999"),
    "session deleted": users("DELETE FROM session"),
    "code unused": users("INSERT INTO recovery_code VALUES (1, 'another', NULL, x'00')"),
    "codes deleted": users("DELETE FROM recovery_code WHERE user_id = 2"),
    "setup token added": users("INSERT INTO setup VALUES (1, 'hash', 1, NULL, x'')"),
    "seal reset": users("UPDATE seal SET version = 0, mac = x''"),
    "all people deleted": users("DELETE FROM session", "DELETE FROM recovery_code", "DELETE FROM user",
                                "UPDATE seal SET version = 0, mac = x''"),
    "a trigger in users": users("CREATE TRIGGER eve AFTER INSERT ON session BEGIN DELETE FROM attempt; END"),
    "older users": Tamper(USERS, lambda home, older: put_back(home.users_database, older / "storage/SYSTEM_USERS.db")),
    "users truncated": Tamper(USERS, lambda home, _: truncated(home.users_database)),
    "state changed": control("UPDATE lifecycle SET state = 'idle' WHERE seq = (SELECT max(seq) FROM lifecycle)"),
    "state added": control("INSERT INTO lifecycle (state, reason, actor, at_us) VALUES ('started', '', 'eve', 9)"),
    "state deleted": control("DELETE FROM lifecycle WHERE seq = (SELECT max(seq) FROM lifecycle)"),
    "fact changed": control("UPDATE fact SET value = 'no' WHERE name = 'paused'"),
    "fact deleted": control("DELETE FROM fact WHERE name = 'paused'"),
    "fact renamed": control("UPDATE fact SET name = 'market_run' WHERE name = 'paused'"),
    "request added": control("INSERT INTO request VALUES ('r', 'control.start', 'eve', 1, 9999999999999999, NULL, '')"
                             .replace("''", "x''")),
    "request unused": control("UPDATE request SET used_us = NULL"),
    "calendar changed": control("UPDATE calendar_session SET close_us = close_us + 1"),
    "calendar deleted": control("DELETE FROM calendar_session"),
    "older control": Tamper(CONTROL, lambda home, older: put_back(home.control_database, older / "storage/CONTROL.db")),
    "control truncated": Tamper(CONTROL, lambda home, _: truncated(home.control_database)),
    "audit entry changed": audit("UPDATE entry SET body = body || ' ' WHERE seq = 5"),
    "last audit entry changed": audit("UPDATE entry SET body = replace(body, '\"seq\"', '') || ' '"
                                      " WHERE seq = (SELECT max(seq) FROM entry)"),
    "audit entry deleted": audit("DELETE FROM entry WHERE seq = 4"),
    "end of the audit cut off": audit("DELETE FROM entry WHERE seq > (SELECT max(seq) - 2 FROM entry)"),
    "audit entry added": audit("INSERT INTO entry (seq, body, hash, seal) SELECT seq + 1, body, hash, seal FROM entry"
                               " ORDER BY seq DESC LIMIT 1"),
    "audit entries swapped": audit("UPDATE entry SET seq = -seq WHERE seq IN (3, 4)",
                                   "UPDATE entry SET seq = 7 + seq WHERE seq < 0"),
    "audit trail emptied": audit("DELETE FROM entry", "DELETE FROM checkpoint"),
    "audit no longer append-only": Tamper(AUDIT, lambda home, _: unguarded(home.audit_database)),
    "older audit": Tamper(AUDIT, lambda home, older: put_back(home.audit_database, older / "storage/AUDIT.db")),
    "audit truncated": Tamper(AUDIT, lambda home, _: truncated(home.audit_database)),
    "secret changed": file("secrets/env_bot.json.enc", lambda path: rewrite(path, _one_bit)),
    "secret deleted": file("secrets/env_bot.json.enc", Path.unlink),
    "secret added": file("secrets/new.json.enc", lambda path: path.write_bytes(b"x")),
    "secrets swapped": file("secrets", lambda path: swap(path / "env_bot.json.enc", path / "broker.json.enc")),
    "secret truncated": file("secrets/broker.json.enc", lambda path: os.truncate(path, 10)),
    "key deleted": file("keys/broker.key", Path.unlink),
    "keys swapped": file("keys", lambda path: swap(path / "broker.key", path / "smtp.key")),
    "manifest changed": file("MANIFEST.json", lambda path: rewrite(path, lambda kept: kept.replace(b"test", b"eve "))),
    "pointer to an older generation": Tamper(SECRETS, lambda home, _: point_at(home, 0)),
    "pointer to nowhere": Tamper(SECRETS, lambda home, _: point_at(home, 7)),
    "no pointer": Tamper(SECRETS, lambda home, _: (home.storage / "current").unlink()),
    "link of the keys": Tamper(SECRETS, lambda home, _: relinked(home.storage / "keys")),
    "generation deleted": Tamper(SECRETS, lambda home, _: shutil.rmtree(generation(home))),
    "users open to others": Tamper(PLACES, lambda home, _: home.users_database.chmod(0o644)),
    "storage open to others": Tamper(PLACES, lambda home, _: home.storage.chmod(0o750)),
    "control open to others": Tamper(PLACES, lambda home, _: home.control.chmod(0o777)),
    "flags open to all": Tamper(PLACES, lambda home, _: home.flags.chmod(0o777)),
    "users behind a link": Tamper(PLACES, lambda home, _: linked(home.users_database)),
    "users linked twice": Tamper(PLACES, lambda home, _: os.link(home.users_database, home.root / "twice")),
}  # fmt: skip


def unguarded(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER entry_no_update")
        connection.commit()


def relinked(link: Path) -> None:
    link.unlink()
    link.symlink_to("generations/000000/keys")
