"""An audit trail as a runner would list it: a change with intent and outcome, refusals, and what the system noted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tbot_bot.api.audit import (
    AskAudit,
    AskAuditExport,
    AskAuditRecord,
    AuditAnchor,
    AuditExport,
    AuditFinding,
    AuditItem,
    AuditPage,
    AuditRecord,
    AuditVerification,
    AuditWhole,
)
from tbot_bot.api.errors import ApiError

COUNT = 120
#: The request whose intent and outcome are the two newest records.
CHANGE = "change-0001"


def item(seq: int, **changes: Any) -> AuditItem:
    """What the list shows of record `seq`."""
    told = {
        COUNT: {"verb": "configuration.change", "phase": "outcome", "result": "ok", "request_id": CHANGE},
        COUNT - 1: {"verb": "configuration.change", "phase": "intent", "result": "", "request_id": CHANGE},
        COUNT - 2: {"verb": "session.log_in", "actor": "=cmd|' /C calc'!A0", "role": "", "result": "refused",
                    "reason": "bad_credentials"},
        COUNT - 3: {"verb": "integrity.violation", "actor": "runner", "role": "", "result": "failed",
                    "target": "Users database", "reason": "an older state was put in its place"},
    }.get(seq, {"verb": "lifecycle.move", "actor": "runner", "role": "", "target": "idle"})  # fmt: skip
    return AuditItem.model_validate(
        {"seq": seq, "at": f"2026-11-22T07:{seq // 60:02}:{seq % 60:02}.000125Z", "actor": "ada", "role": "admin",
         "phase": "event", "target": "smtp", "result": "ok", "reason": "", "request_id": ""} | told | changes
    )  # fmt: skip


def page(_caller: Any, asked: AskAudit) -> AuditPage:
    """The page that matches, newest first."""
    below = int(asked.cursor or COUNT + 1)
    wanted = asked.model_dump(include={"actor", "verb", "phase", "result", "request_id"}, exclude_none=True)
    found = [
        one
        for one in map(item, range(min(below, COUNT + 1) - 1, 0, -1))
        if all(getattr(one, name) == value for name, value in wanted.items())
        and (asked.target or "") in one.target
        and (asked.since is None or one.at >= asked.since)
        and (asked.until is None or one.at < asked.until)
    ]
    shown = found[: asked.limit]
    return AuditPage(items=shown, next=str(shown[-1].seq) if len(found) > asked.limit else None)


def record(_caller: Any, asked: AskAuditRecord) -> AuditRecord:
    """One record; the newest one tells of a change."""
    if asked.seq > COUNT:
        raise ApiError.of(404, "no_such_record", "There is no such record", "", "Go back to the list.")
    shown, changed = item(asked.seq), asked.seq == COUNT
    return AuditRecord(
        item=shown,
        session="h7" if shown.role else "",
        address="192.0.2.7" if shown.role else "",
        generation=4,
        state="idle",
        before={"SMTP_HOST": "mail.example.org", "SMTP_PORT": "587", "login": {"user": "bot"}} if changed else None,
        after={"SMTP_HOST": "<b>relay</b>", "SMTP_PORT": "587", "SMTP_PASSWORD": "changed"} if changed else None,
        detail={"why": "the old host is switched off", "keys": ["env", "smtp"]} if changed else {},
        versions={"users": 3, "control": 12},
        hash="5f" * 32,
        related=[item(COUNT - 1), shown] if shown.request_id else [shown],
    )


def export(caller: Any, asked: AskAuditExport) -> AuditExport:
    """Pages of fifty whole records."""
    found = page(caller, AskAudit.model_validate(asked.model_dump(exclude={"format"}) | {"limit": 50}))
    whole = [record(caller, AskAuditRecord(seq=one.seq)).model_dump(exclude={"related"}) for one in found.items]
    return AuditExport(items=[AuditWhole.model_validate(one) for one in whole], next=found.next)


FOUND = AuditFinding(
    at="2026-11-22T07:40:00Z", by="ada", ok=True, checked=COUNT, upto=COUNT, first_bad_seq=None, what="", seconds=4
)
BROKEN = FOUND.model_copy(
    update={
        "ok": False,
        "checked": 16,
        "first_bad_seq": 17,
        "what": "entry 17 is not what was written there after the one before it",
    }
)


ANCHORS = [
    AuditAnchor(title="Anchor file", where="/mnt/anchor/bot.jsonl", seq=118, at="2026-11-22T07:59:12Z", trouble=""),
    AuditAnchor(title="System journal", where="/run/systemd/journal/socket", seq=None, at=None,
                trouble="this machine has no such journal"),
]  # fmt: skip


def verification(**changes: Any) -> AuditVerification:
    """Nothing under way, and a good finding."""
    told = {"running": False, "started_at": None, "checked": 0, "of": COUNT, "last": FOUND, "anchors": ANCHORS}
    return AuditVerification.model_validate(told | changes)


def running() -> AuditVerification:
    """One under way."""
    return verification(running=True, started_at="2026-11-22T07:59:51Z", checked=40_000, of=1_000_000)


def answers() -> dict[str, Callable[..., Any]]:
    """What the audit page is answered."""
    return {
        "audit.list": page,
        "audit.record": record,
        "audit.export": export,
        "audit.verification": lambda *_: verification(),
        "audit.verify": lambda *_: running(),
    }
