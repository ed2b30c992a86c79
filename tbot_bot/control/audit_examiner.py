"""The process that verifies the whole audit trail: it reads beside the runner, so that nothing the runner does waits.

Its order comes as one line of JSON on standard input, which is also its lifeline. It answers in lines of JSON on
standard output: how far it is, and at last the finding.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from tbot_bot.api.private_memory import keep_memory_private
from tbot_bot.audit.verification import Verification, VerificationOrder, verify_chain
from tbot_bot.control.lifeline import watch
from tbot_bot.storage.audit_store import SqliteAuditStore
from tbot_bot.storage.engine import open_beside

#: Whatever trades comes first.
_NICENESS = 10
_OFTEN = 10_000


def write_order(database: Path, order: VerificationOrder) -> str:
    """The order as one line."""
    return json.dumps(
        {"database": str(database), "key": order.key.hex(), "key_id": order.key_id, "probe": order.probe.hex()}
    )


def examine(line: str) -> Verification:
    """Carry out an order; raises AuditUnavailableError when the trail cannot be read."""
    asked = json.loads(line)
    order = VerificationOrder(bytes.fromhex(asked["key"]), asked["key_id"], bytes.fromhex(asked["probe"]))
    store = SqliteAuditStore(open_beside(Path(asked["database"])))
    told = 0

    def progress(checked: int, of: int) -> None:
        nonlocal told
        if checked - told >= _OFTEN or checked == of:
            told = checked
            _say({"checked": checked, "of": of})

    try:
        return verify_chain(store, order.sign, key=order.key, progress=progress)
    finally:
        store.close()


def main() -> int:
    """Verify once."""
    keep_memory_private()
    os.nice(_NICENESS)
    line = sys.stdin.readline()
    watch(lambda: os._exit(1))
    _say({"finding": asdict(examine(line))})
    return 0


def _say(values: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
