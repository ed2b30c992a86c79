"""Verbs of the audit trail: list it, read one record, export what matches, verify all of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tbot_bot.api.audit import (
    AskAudit,
    AskAuditExport,
    AskAuditRecord,
    AuditExport,
    AuditItem,
    AuditPage,
    AuditQuery,
    AuditVerification,
    AuditWhole,
)
from tbot_bot.api.audit import AuditRecord as Shown
from tbot_bot.api.errors import ApiError
from tbot_bot.api.model import Nothing
from tbot_bot.api.wire import text_or_none
from tbot_bot.control.audit_examination import AuditExamination
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.domain.audit import AuditFilter, AuditPhase, AuditRecord, AuditResult
from tbot_bot.domain.time import from_rfc3339, to_rfc3339

#: A request leaves a few records; no page is to grow without end.
_RELATED = 100
_OTHER_HALF = {AuditPhase.INTENT: AuditPhase.OUTCOME, AuditPhase.OUTCOME: AuditPhase.INTENT}
#: Records on a page of an export; it may be waited for, but not for long.
_EXPORTED = 500


class AuditVerbs:
    """The handlers."""

    def __init__(self, foundation: Foundation, examination: AuditExamination) -> None:
        self._audit = foundation.audit
        self._examination = examination

    def handlers(self) -> Mapping[str, Handler]:
        """The verbs answered here."""
        return {
            "audit.list": self._list,
            "audit.record": self._record,
            "audit.export": self._export,
            "audit.verification": lambda _caller, _nothing: self._examination.view(),
            "audit.verify": self._verify,
        }

    def _list(self, _caller: Caller, asked: AskAudit) -> AuditPage:
        before = int(asked.cursor) if asked.cursor else None
        page = self._audit.page(filter_of(asked), before=before, limit=asked.limit)
        return AuditPage(items=[_item(one) for one in page.items], next=text_or_none(page.next))

    def _record(self, _caller: Caller, asked: AskAuditRecord) -> Shown:
        record = self._audit.record_at(asked.seq)
        if record is None:
            raise ApiError.of(
                404, "no_such_record", "There is no such record", f"Entry {asked.seq}.", "Go back to the list."
            )
        return Shown(**_facts(record), related=[_item(one) for one in self._related(record)])

    def _related(self, record: AuditRecord) -> list[AuditRecord]:
        """All of its request, oldest first; of an act without one, intent and outcome."""
        if record.entry.request_id:
            same = self._audit.page(AuditFilter(request_id=record.entry.request_id), limit=_RELATED)
            return list(reversed(same.items))
        other = self._other_half(record)
        return sorted([record, other] if other else [record], key=lambda one: one.seq)

    def _other_half(self, record: AuditRecord) -> AuditRecord | None:
        """The nearest outcome after an intent, or intent before an outcome, of the same act on the same thing."""
        entry, other = record.entry, _OTHER_HALF.get(record.entry.phase)
        if other is None:
            return None
        before = record.seq + (_RELATED if other is AuditPhase.OUTCOME else 0)
        page = self._audit.page(
            AuditFilter(actor=entry.actor, verb=entry.verb, phase=other), before=before, limit=_RELATED
        )
        found = [
            one
            for one in page.items
            if one.entry.target == entry.target and (one.seq > record.seq) is (other is AuditPhase.OUTCOME)
        ]
        return min(found, key=lambda one: abs(one.seq - record.seq), default=None)

    def _export(self, caller: Caller, asked: AskAuditExport) -> AuditExport:
        """The first page records the intent, the last one the outcome; a reader who leaves leaves the intent alone."""
        before = int(asked.cursor or 0) or self._note_export(caller, asked, AuditPhase.INTENT).seq
        page = self._audit.page(filter_of(asked), before=before, limit=_EXPORTED)
        if page.next is None:
            self._note_export(caller, asked, AuditPhase.OUTCOME, AuditResult.OK)
        return AuditExport(items=[AuditWhole(**_facts(one)) for one in page.items], next=text_or_none(page.next))

    def _note_export(self, caller: Caller, asked: AskAuditExport, phase: AuditPhase, result: str = "") -> AuditRecord:
        return self._audit.record(
            verb="audit.export",
            phase=phase,
            actor=caller.actor,
            role=caller.verdict.role or "",
            address=caller.address,
            target="audit trail",
            request_id=caller.request_id,
            result=result,
            detail=asked.model_dump(exclude={"cursor"}, exclude_none=True),
        )

    def _verify(self, caller: Caller, _nothing: Nothing) -> AuditVerification:
        self._examination.begin(caller.actor)
        return self._examination.view()


def filter_of(asked: AuditQuery) -> AuditFilter:
    """What was asked for, in the words of the trail."""
    return AuditFilter(
        actor=asked.actor,
        verb=asked.verb,
        phase=AuditPhase(asked.phase) if asked.phase else None,
        result=AuditResult(asked.result) if asked.result else None,
        request_id=asked.request_id,
        target=asked.target,
        since=_moment(asked.since),
        until=_moment(asked.until),
    )


def _item(record: AuditRecord) -> AuditItem:
    entry = record.entry
    return AuditItem(
        seq=record.seq,
        at=to_rfc3339(entry.at),
        actor=entry.actor,
        role=entry.role,
        verb=entry.verb,
        phase=entry.phase.value,
        target=entry.target,
        result=entry.result,
        reason=entry.reason,
        request_id=entry.request_id,
    )


def _facts(record: AuditRecord) -> dict[str, Any]:
    """A record whole, as the fields of its message."""
    entry = record.entry
    return {
        "item": _item(record),
        "session": entry.session,
        "address": entry.address,
        "generation": entry.generation,
        "state": entry.state,
        "before": _plain(entry.before),
        "after": _plain(entry.after),
        "detail": dict(entry.detail),
        "versions": dict(entry.versions),
        "hash": record.hash.hex(),
    }


def _plain(values: Mapping[str, object] | None) -> dict[str, object] | None:
    return None if values is None else dict(values)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else from_rfc3339(text)
