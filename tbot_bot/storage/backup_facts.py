"""What a database file says of itself, read for previews and manifests from the present one or from a copy."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tbot_bot.domain.time import from_micros
from tbot_bot.storage.database_copy import DatabaseUnreadableError, opened_copy
from tbot_bot.storage.snapshot_manifest import ChainHead

_NO_LEDGER_HASH = "0" * 64
_SEALED = {"SYSTEM_USERS.db": "users", "CONTROL.db": "control"}


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """How far a ledger goes; `cash` are its running balances in units at rest, by account."""

    head: ChainHead
    last_effective_at: datetime | None
    trades: int
    cash: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ControlFacts:
    """The state that a runner's record names, since when and why."""

    state: str
    reason: str
    at: datetime


def installation(audit: sqlite3.Connection) -> str:
    """The hash of the first entry of an audit trail: it names the home."""
    return str(_one(audit, "SELECT lower(hex(hash)) FROM entry WHERE seq = 1")[0])


def checkpoint_key(audit: sqlite3.Connection) -> str:
    """The public half of the newest checkpoint key that an audit trail knows."""
    statement = (
        "SELECT json_extract(body, '$.detail.public_key') FROM entry"
        " WHERE verb IN ('audit.genesis', 'audit.key') ORDER BY seq DESC LIMIT 1"
    )
    return str(_one(audit, statement)[0])


def audit_head(audit: sqlite3.Connection) -> ChainHead:
    """Where an audit trail ends."""
    row = _one(audit, "SELECT seq, lower(hex(hash)) FROM entry ORDER BY seq DESC LIMIT 1")
    return ChainHead(seq=row[0], hash=row[1])


def ledger_head(ledger: sqlite3.Connection) -> ChainHead:
    """Where the events of a ledger end."""
    row = ledger.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetchone()
    return ChainHead(seq=0, hash=_NO_LEDGER_HASH) if row is None else ChainHead(seq=row[0], hash=row[1])


def ledger_facts(ledger: sqlite3.Connection) -> LedgerFacts:
    """How far a ledger goes."""
    last = _one(ledger, "SELECT max(effective_us) FROM txn WHERE state = 'posted'")[0]
    held = ledger.execute(
        "SELECT a.code, coalesce(b.debit - b.credit, 0) FROM account a LEFT JOIN balance b ON b.account = a.code"
        " WHERE a.at_broker = 1 AND a.code NOT IN (SELECT parent FROM account WHERE parent IS NOT NULL)"
    )
    return LedgerFacts(
        head=ledger_head(ledger),
        last_effective_at=None if last is None else from_micros(last),
        trades=_one(ledger, "SELECT count(*) FROM trade")[0],
        cash={str(code): int(value) for code, value in held},
    )


def people(users: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    """Role and status of every person, by the name shown."""
    rows = users.execute("SELECT display, role, status FROM user ORDER BY username")
    return {str(row[0]): (str(row[1]), str(row[2])) for row in rows}


def control_facts(control: sqlite3.Connection) -> ControlFacts | None:
    """The state that the record names, None before there is one."""
    row = control.execute("SELECT state, reason, at_us FROM lifecycle ORDER BY seq DESC LIMIT 1").fetchone()
    return None if row is None else ControlFacts(row[0], row[1], from_micros(row[2]))


def versions(copies: Mapping[str, Path]) -> dict[str, int]:
    """The counters of the databases that carry one, by the database's short name."""
    found: dict[str, int] = {}
    for name, path in copies.items():
        with opened_copy(path) as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'seal'").fetchone():
                found[_SEALED[name]] = int(_one(connection, "SELECT version FROM seal")[0])
    return found


def _one(connection: sqlite3.Connection, statement: str) -> sqlite3.Row:
    with closing(connection.execute(statement)) as cursor:
        row: sqlite3.Row | None = cursor.fetchone()
    if row is None:
        raise DatabaseUnreadableError("it holds none of what it should")
    return row
