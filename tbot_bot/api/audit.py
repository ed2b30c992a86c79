"""The audit trail as an auditor reads it: who did what, when, from where, and how it went."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from tbot_bot.api.model import Message, Page
from tbot_bot.domain.time import from_rfc3339, to_rfc3339


class AuditItem(Message):
    """One record in a list."""

    seq: int = Field(description="Its place in the chain, from 1.")
    at: str = Field(description="When it was recorded, UTC.")
    actor: str = Field(description="Who did it: a person, or the part of the system.")
    role: str = Field(description="The role of that person then; empty for the system.")
    verb: str = Field(description="What was done.")
    phase: Literal["intent", "outcome", "event"] = Field(
        description="Recorded before the act, after it, or as something that just happened."
    )
    target: str = Field(description="What it was done to.")
    result: str = Field(description="ok, refused or failed; empty for an intent.")
    reason: str = Field(description="Why it ended so, or why it was done.")
    request_id: str = Field(description="The request that it belongs to; intent and outcome carry the same.")


class AuditPage(Page):
    """Records, newest first."""

    items: list[AuditItem] = Field(description="The records.")


class AuditQuery(Message):
    """Which records; what is not given does not restrict."""

    actor: str | None = Field(default=None, max_length=100, description="Only what this person or part did.")
    verb: str | None = Field(default=None, max_length=100, description="Only this act.")
    phase: Literal["intent", "outcome", "event"] | None = Field(default=None, description="Only records of this kind.")
    result: Literal["ok", "refused", "failed"] | None = Field(default=None, description="Only what ended so.")
    target: str | None = Field(
        default=None, max_length=200, description="Only what was done to a thing with this in its name."
    )
    request_id: str | None = Field(default=None, max_length=64, description="Only what belongs to this request.")
    since: str | None = Field(default=None, description="Only from this moment on, RFC 3339.")
    until: str | None = Field(default=None, description="Only before this moment, RFC 3339.")

    @field_validator("since", "until")
    @classmethod
    def _is_a_moment(cls, value: str | None) -> str | None:
        return None if value is None else to_rfc3339(from_rfc3339(value))


class AskAudit(AuditQuery):
    """A page of the records that match."""

    cursor: str | None = Field(default=None, pattern=r"^[0-9]{1,18}$", description="Where the page before ended.")
    limit: int = Field(default=50, ge=1, le=500, description="Most records on the page.")


class AskAuditRecord(Message):
    """One record by its place in the chain."""

    seq: int = Field(ge=1, description="Its place in the chain.")


class AuditWhole(Message):
    """One record whole. No secret ever stands in it."""

    item: AuditItem = Field(description="What the list shows of it.")
    session: str = Field(description="Handle of the session it was done in, never its id.")
    address: str = Field(description="The address it came from.")
    generation: int | None = Field(description="Generation of keys and secrets; null where it was not told.")
    state: str = Field(description="State of the bot.")
    before: dict[str, object] | None = Field(description="What stood before; null where nothing was changed.")
    after: dict[str, object] | None = Field(description="What stands since; null where nothing was changed.")
    detail: dict[str, object] = Field(description="Further facts by name.")
    versions: dict[str, int] = Field(description="Changes that each sealed database had seen.")
    hash: str = Field(description="Covers this record and all before it, in hexadecimal.")


class AuditRecord(AuditWhole):
    """One record, and what else belongs to its request."""

    related: list[AuditItem] = Field(
        description="All records of the same request or act, this one among them, oldest first."
    )


class AskAuditExport(AuditQuery):
    """A page of an export; all pages of one carry the same request id, and the first has no cursor."""

    format: Literal["csv", "json", "md"] = Field(description="What it is written as; kept in the trail.")
    cursor: str | None = Field(default=None, pattern=r"^[0-9]{1,18}$", description="Where the page before ended.")


class AuditExport(Page):
    """Whole records, newest first."""

    items: list[AuditWhole] = Field(description="The records.")


class AuditFinding(Message):
    """What a verification of the whole trail found."""

    at: str = Field(description="When it was done, UTC.")
    by: str = Field(description="Who asked for it.")
    ok: bool = Field(description="Whether every hash, seal, checkpoint and key is as it was written.")
    checked: int = Field(description="How many records were checked.")
    upto: int = Field(description="The last record that was there.")
    first_bad_seq: int | None = Field(description="The first place that is wrong; null where none is.")
    what: str = Field(description="What is wrong there.")
    seconds: int = Field(description="How long it took.")


class AuditAnchor(Message):
    """One place outside the home that signed checkpoints are carried to."""

    title: str = Field(description="What it is.")
    where: str = Field(description="Where it is.")
    seq: int | None = Field(description="The record that the newest checkpoint there covers; null before the first.")
    at: str | None = Field(description="When that checkpoint was signed, UTC.")
    trouble: str = Field(description="Why nothing can be kept there now; empty where it can.")


class AuditVerification(Message):
    """The verification under way, and the last one that was finished."""

    running: bool = Field(description="Whether one is under way.")
    started_at: str | None = Field(description="When it began, UTC; null where none is under way.")
    checked: int = Field(description="How many records it has checked so far.")
    of: int = Field(description="How many records there are to check.")
    trouble: str = Field(default="", description="Why the newest one was not finished; empty where it was.")
    last: AuditFinding | None = Field(description="The last one that was finished; null before the first.")
    anchors: list[AuditAnchor] = Field(description="Where checkpoints are kept outside the home.")
