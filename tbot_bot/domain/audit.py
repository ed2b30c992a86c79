"""What the audit chain holds, where it is kept, and how acts are recorded in it.

AuditUnavailableError   nothing could be recorded, so nothing privileged may be done
RefusedError            a rule refused an act; its code is stable and goes into the record
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

#: The hash before the first entry.
NO_HASH = bytes(32)
#: The verbs of the entries that introduce a checkpoint key: the chain's first, and each later one.
GENESIS_VERB = "audit.genesis"
KEY_VERB = "audit.key"
KEY_VERBS = (GENESIS_VERB, KEY_VERB)


class AuditUnavailableError(Exception):
    """The audit log cannot be written or read; acts that must be recorded are refused until it can."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The audit log is not available: {why}. Nothing that must be recorded is done until it is; the kill "
            "switch still works. Free space on the disk that holds the audit database and check that it can be written."
        )


class RefusedError(Exception):
    """An act that a rule refused; the message is for the person who asked, `code` for programs and the record."""

    code = "refused"


class AuditPhase(StrEnum):
    """Before an act, after it, or something that just happened."""

    INTENT = "intent"
    OUTCOME = "outcome"
    EVENT = "event"


class AuditResult(StrEnum):
    """How an act ended; FAILED means that it may have been done in part."""

    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which thing, from where, and how it went; no secret ever stands in it.

    `session` is the handle of a session, never its id. `generation` is that of the secrets, `state` the bot's.
    `versions` counts the changes of the sealed databases so far: an older copy of one is known by it.
    """

    at: datetime
    verb: str
    phase: AuditPhase
    actor: str
    role: str = ""
    session: str = ""
    address: str = ""
    target: str = ""
    request_id: str = ""
    result: str = ""
    reason: str = ""
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
    generation: int | None = None
    state: str = ""
    versions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An entry in its place in the chain; `hash` covers it and all before it."""

    seq: int
    entry: AuditEntry
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A record as it lies in the store: `body` is the canonical JSON that was hashed, `seal` the runner's own mark."""

    seq: int
    body: bytes
    hash: bytes
    seal: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signature over the chain up to `seq`; `previous` is the checkpoint before it, 0 for the first."""

    seq: int
    hash: bytes
    at: datetime
    previous: int
    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain ends: the last entry, the last checkpoint, the entry that introduced the newest key."""

    seq: int
    hash: bytes
    checkpoint: Checkpoint | None
    key_row: AuditRow | None


@dataclass(frozen=True, slots=True)
class Addition:
    """What one write adds: entries, a checkpoint, or both."""

    rows: tuple[AuditRow, ...] = ()
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which records to look for; what is None does not restrict. `target` is any part of the target's text."""

    actor: str | None = None
    verb: str | None = None
    phase: AuditPhase | None = None
    result: AuditResult | None = None
    request_id: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditStore(Protocol):
    """Keeps the chain; each method raises AuditUnavailableError when the store fails."""

    def append(self, build: Callable[[Head], Addition]) -> Addition:
        """Add what `build` makes of the present head, in one durable write; it raises to add nothing."""
        ...

    def written_by_others(self) -> bool:
        """Whether anyone but this store has written since this was last asked."""
        ...

    def head(self) -> Head:
        """The present end of the chain."""
        ...

    def rows(self, after: int, limit: int) -> Sequence[AuditRow]:
        """The next rows after a sequence number, in order."""
        ...

    def checkpoints(self, after: int) -> Sequence[Checkpoint]:
        """All checkpoints after a sequence number, in order."""
        ...

    def key_rows(self) -> Sequence[AuditRow]:
        """The rows that introduce checkpoint keys, in order."""
        ...

    def newest(self, where: AuditFilter, before: int | None, limit: int) -> Sequence[AuditRow]:
        """Rows that match, newest first, below the sequence number `before`."""
        ...


@dataclass(slots=True)
class Act:
    """An act under way; what is set here stands in the outcome's record."""

    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
    generation: int | None = None


class AuditPort(Protocol):
    """Records acts; a service that cannot record does not act."""

    def record(
        self,
        *,
        verb: str,
        phase: str,
        actor: str,
        target: str = "",
        role: str = "",
        session: str = "",
        address: str = "",
        request_id: str | None = None,
        result: str = "",
        reason: str = "",
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
        detail: Mapping[str, object] | None = None,
        generation: int | None = None,
        state: str | None = None,
    ) -> AuditRecord:
        """Add one entry, durable when this returns; raises AuditUnavailableError when it cannot be."""
        ...

    def act(
        self,
        *,
        verb: str,
        actor: str,
        target: str = "",
        role: str = "",
        session: str = "",
        address: str = "",
        request_id: str | None = None,
    ) -> AbstractContextManager[Act]:
        """Record the intent, run the block, record the outcome: ok, refused or failed."""
        ...
