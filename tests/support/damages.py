"""What can happen to a home behind the system's back."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tbot_bot.config.paths import Home

EVERYTHING = ["secrets", "users", "audit", "control", "ledger"]
GARBAGE = b"no database any more " * 4096


def current(home: Home) -> Path:
    return (home.storage / "current").resolve()


def flip_a_secret(home: Home) -> None:
    victim = current(home) / "secrets" / "smtp.json.enc"
    content = bytearray(victim.read_bytes())
    content[-9] ^= 1
    victim.write_bytes(content)


def lose_the_pointer(home: Home) -> None:
    (home.storage / "current").unlink()


def exchange_the_manifest(home: Home) -> None:
    older = current(home).with_name("000001")
    shutil.copyfile(older / "MANIFEST.json", current(home) / "MANIFEST.json")


def roll_the_generation_back(home: Home) -> None:
    (home.storage / "current").unlink()
    (home.storage / "current").symlink_to("generations/000001")


def truncate_the_audit(home: Home) -> None:
    without_log(home.audit_database)
    os.truncate(home.audit_database, home.audit_database.stat().st_size // 2)


def edit_the_audit(home: Home) -> None:
    with closing(sqlite3.connect(home.audit_database)) as audit, audit:
        triggers = [name for (name,) in audit.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in triggers:
            audit.execute(f'DROP TRIGGER "{name}"')
        audit.execute("UPDATE entry SET body = replace(body, 'ada', 'eve') WHERE body LIKE '%ada%'")


def lose_the_users(home: Home) -> None:
    without_log(home.users_database)
    home.users_database.unlink()


def fill_the_users(home: Home) -> None:
    without_log(home.users_database)
    home.users_database.write_bytes(GARBAGE)


def fill_the_control_record(home: Home) -> None:
    without_log(home.control_database)
    home.control_database.write_bytes(GARBAGE)


def lose_all_but_the_backups(home: Home) -> None:
    for path in home.storage.iterdir():
        if path != home.backups:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


DAMAGES: list[Callable[[Home], None]] = [
    flip_a_secret,
    lose_the_pointer,
    exchange_the_manifest,
    roll_the_generation_back,
    truncate_the_audit,
    edit_the_audit,
    lose_the_users,
    fill_the_users,
    fill_the_control_record,
    lose_all_but_the_backups,
]


def without_log(database: Path) -> None:
    """Only the file itself: what SQLite keeps beside it goes into it first."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for end in ("-wal", "-shm"):
        database.with_name(database.name + end).unlink(missing_ok=True)
