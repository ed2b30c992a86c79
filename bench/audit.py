"""The verification of a long audit trail, by the process that makes it beside the runner."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from bench.measurement import Measurement
from tbot_bot.audit.chain import PROBE, body_of, checkpoint_statement, link, seal_of
from tbot_bot.audit.verification import ENTRIES_PER_CHECKPOINT, VerificationOrder
from tbot_bot.control.audit_examiner import write_order
from tbot_bot.domain.audit import AuditEntry, AuditPhase
from tbot_bot.domain.time import to_micros
from tests.unit.audit.parts import KEY, Chain

_AT_ONCE = 10_000


def main(*, quick: bool) -> list[Measurement]:
    """Seconds for a million records; each hash, seal and signature is checked."""
    records = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        chain = Chain(Path(folder)).begin()
        fill(chain, records)
        seconds = verified(chain, records)
        chain.close()
    return [Measurement(f"verification of {records:,} audit records", seconds, "s", goal_max=60)]


def fill(chain: Chain, records: int) -> None:
    """Write the trail at once, as it would stand after `records` acts."""
    seq, head = chain.trail.end()
    with closing(sqlite3.connect(chain.path)) as connection, connection:
        rows = entries(seq, head, records)
        while part := list(islice(rows, _AT_ONCE)):
            connection.executemany("INSERT INTO entry (seq, body, hash, seal) VALUES (?, ?, ?, ?)", part)
            signed = [checkpoint(chain, row) for row in part if row[0] % ENTRIES_PER_CHECKPOINT == 1]
            connection.executemany("INSERT INTO checkpoint VALUES (?, ?, ?, ?, ?, ?)", signed)


def entries(seq: int, head: bytes, records: int) -> Iterator[tuple[int, str, bytes, bytes]]:
    """Sealed entries after `seq`, as the store has them."""
    at = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    for number in range(seq + 1, records + 1):
        entry = AuditEntry(
            at=at + timedelta(seconds=number),
            verb="configuration.change",
            phase=AuditPhase.EVENT,
            actor="ada",
            role="admin",
            address="192.0.2.7",
            target=f"target {number}",
            request_id=f"request-{number}",
            result="ok",
            detail={"why": "a reason", "number": number},
            generation=4,
            state="idle",
            versions={"users": 3, "control": number},
        )
        body = body_of(entry)
        head = link(head, number, body)
        yield number, body.decode(), head, seal_of(KEY, head)


def checkpoint(chain: Chain, row: tuple[int, str, bytes, bytes]) -> tuple[Any, ...]:
    """The signature over the trail up to a row."""
    seq, at, previous = row[0], chain.clock.now(), row[0] - ENTRIES_PER_CHECKPOINT
    key_id, signature = chain.sign(checkpoint_statement(seq, row[2], at, previous))
    return seq, row[2], to_micros(at), previous, key_id, signature


def verified(chain: Chain, records: int) -> float:
    """Seconds from the order to the finding."""
    order = write_order(chain.path, VerificationOrder(KEY, *chain.sign(PROBE)))
    command = [sys.executable, "-m", "tbot_bot.control.audit_examiner"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the examiner has both ends")
        began = time.perf_counter()
        process.stdin.write(order + "\n")
        process.stdin.flush()
        finding = [json.loads(line) for line in process.stdout][-1]["finding"]
        seconds = time.perf_counter() - began
    if not finding["ok"] or finding["checked"] != records:
        raise RuntimeError(f"the trail was not found whole: {finding}")
    return seconds
