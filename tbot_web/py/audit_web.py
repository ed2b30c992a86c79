"""`/audit/`: who did what, when, from where, and how it went."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from tbot_bot.api.audit import (
    AskAudit,
    AskAuditExport,
    AskAuditRecord,
    AuditExport,
    AuditPage,
    AuditQuery,
    AuditRecord,
    AuditVerification,
    AuditWhole,
)
from tbot_bot.api.errors import ApiError, Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.domain.time import to_rfc3339
from tbot_web.support import audit_export, audit_view
from tbot_web.support.openapi import documented
from tbot_web.support.page import CHECK, Page
from tbot_web.support.requests import one_of, whole_number
from tbot_web.support.runner_client import idempotency_key, new_request_id, runner
from tbot_web.support.utils_web import Answer, attempt, failed_panel, json_answer, message_of, now, streamed

PAGE = Page(
    slug="audit",
    title="Audit",
    purpose="Who did what, when, from where, and how it went.",
    prefix="/audit",
    permission=Permission.AUDIT_VIEW,
    phases=frozenset({Phase.MAIN}),
    group=CHECK,
    shortcut="u",
    panel=True,
    place=30,
)
blueprint = Blueprint("audit", __name__)

_PAGE, _PAGE_MAX = 50, 500
#: What a field of the form for a moment holds: a day and a minute without a zone, which is UTC here.
_MINUTE = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(:\d\d)?)?")


@dataclass(frozen=True, slots=True)
class Filter:
    """What the address says to show."""

    query: AuditQuery
    cursor: str | None

    @classmethod
    def of_request(cls) -> Filter:
        """Read the query; what cannot be a filter is refused with what is allowed."""
        asked = {name: value.strip() for name, value in request.args.items() if value.strip()}
        wanted = {name: _moment(value) for name, value in asked.items() if name in AuditQuery.model_fields}
        return cls(message_of(AuditQuery, wanted), asked.get("cursor"))

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self._given())

    def minute(self, name: str) -> str:
        """A moment as its field in the form holds it."""
        return str(self._given().get(name, ""))[:16]

    def address(self, path: str = "", **changed: str | None) -> str:
        """The page's address with this filter, changed so."""
        parts = self._given() | changed
        query = urlencode({name: value for name, value in parts.items() if value})
        return f"{PAGE.prefix}/{path}{'?' if query else ''}{query}"

    def page(self, limit: int) -> AskAudit:
        """What to ask the runner."""
        return message_of(AskAudit, self._given() | {"cursor": self.cursor, "limit": limit})

    def _given(self) -> dict[str, str | None]:
        return self.query.model_dump(exclude_none=True)


@blueprint.get("/")
def show() -> Answer:
    """The panel."""
    chosen = attempt(Filter.of_request)
    if isinstance(chosen, Problem):
        return failed_panel(PAGE, chosen)
    found, check = attempt(lambda: _list(chosen, _PAGE)), attempt(_verification)
    for part in (found, check):
        if isinstance(part, Problem):
            return failed_panel(PAGE, part)
    return render_template(
        "audit.html",
        page=PAGE,
        chosen=chosen,
        view=audit_view,
        found=found,
        check=check,
        as_of=to_rfc3339(now()),
    )


@blueprint.get("/export")
def export() -> Response:
    """Every record of this view as a file, newest first; it is sent while it is read."""
    chosen, kind = Filter.of_request(), one_of("format", tuple(audit_export.WRITERS), "csv")
    asked = message_of(AskAuditExport, chosen.query.model_dump() | {"format": kind})
    writer, request_id = audit_export.WRITERS[kind], new_request_id()
    first: AuditExport = runner().call("audit.export", asked, request_id=request_id)
    return streamed(f"audit.{kind}", writer.lines(_exported(asked, first, request_id)), writer.mimetype)


@blueprint.post("/verify")
def verify() -> Answer | AnyResponse:
    """Begin a verification, and go back to where its progress is shown."""
    begun = attempt(lambda: runner().call("audit.verify"))
    if isinstance(begun, Problem):
        return failed_panel(PAGE, begun)
    return redirect(PAGE.address, 303)


@blueprint.get("/<int:seq>")
def detail(seq: int) -> Answer:
    """One record, and what else belongs to its request."""
    found = attempt(lambda: _record(seq))
    if isinstance(found, Problem):
        return failed_panel(PAGE, found)
    return render_template("audit_record.html", page=PAGE, view=audit_view, record=found)


@blueprint.get("/api")
@documented("Records of the audit trail, newest first.", answer=AuditPage, address=AskAudit)
def rows() -> Response:
    """Records, newest first."""
    return json_answer(_list(Filter.of_request(), whole_number("limit", _PAGE, 1, _PAGE_MAX)))


@blueprint.get("/api/verify")
@documented("How far a verification is, and what the last one found.", answer=AuditVerification)
def verification() -> Response:
    """How far it is."""
    return json_answer(_verification())


@blueprint.post("/api/verify")
@documented("Verify the whole trail, unless that is under way.", answer=AuditVerification, repeatable=True)
def begin() -> Response:
    """Begin a verification."""
    begun: AuditVerification = runner().call("audit.verify", request_id=idempotency_key())
    return json_answer(begun)


@blueprint.get("/api/<int:seq>")
@documented("One record whole, with all others of its request.", answer=AuditRecord, address=AskAuditRecord)
def one(seq: int) -> Response:
    """One record."""
    return json_answer(_record(seq))


def _list(chosen: Filter, limit: int) -> AuditPage:
    found: AuditPage = runner().call("audit.list", chosen.page(limit))
    return found


def _exported(asked: AskAuditExport, first: AuditExport, request_id: str) -> Iterator[AuditWhole]:
    """The records of all pages, each asked for when it is needed."""
    page = first
    yield from page.items
    while page.next is not None:
        page = runner().call("audit.export", asked.model_copy(update={"cursor": page.next}), request_id=request_id)
        yield from page.items


def _record(seq: int) -> AuditRecord:
    if seq < 1 or seq > 10**18:
        raise ApiError.of(404, "no_such_record", "There is no such record", next_step="Go back to the list.")
    found: AuditRecord = runner().call("audit.record", AskAuditRecord(seq=seq))
    return found


def _verification() -> AuditVerification:
    found: AuditVerification = runner().call("audit.verification")
    return found


def _moment(value: str) -> str:
    """A day or a minute as a moment in UTC; anything else stays as it is."""
    found = _MINUTE.fullmatch(value)
    return f"{found[1]}T{found[2] or '00:00'}{found[3] or ':00'}Z" if found else value
