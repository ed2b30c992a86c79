"""The audit chain: acts of people and of the system's controls, one after the other, each sealed by the next.

No audit, no privileged act: a caller that gets AuditUnavailableError does not act. Durable means that the entry is on
the disk when `record` returns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from tbot_bot.api.errors import ApiError
from tbot_bot.audit.chain import PROBE, body_of, checkpoint_statement, is_signed, link, record_of, seal_of, statement_of
from tbot_bot.audit.keys import ChainKey, KeyRefusedError, Signer, key_of
from tbot_bot.audit.verification import ENTRIES_PER_CHECKPOINT, Verification, VerificationOrder, verify_chain
from tbot_bot.domain.audit import (
    GENESIS_VERB,
    KEY_VERB,
    Act,
    Addition,
    AuditEntry,
    AuditFilter,
    AuditPhase,
    AuditRecord,
    AuditResult,
    AuditRow,
    AuditStore,
    AuditUnavailableError,
    Checkpoint,
    Head,
    RefusedError,
)
from tbot_bot.domain.time import Clock

CHECKPOINT_INTERVAL = timedelta(seconds=60)
_SYSTEM = "system"
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Records, newest first; `next` is the `before` of the page that follows, None at the end."""

    items: tuple[AuditRecord, ...]
    next: int | None


class AuditTrail:
    """Writes and reads the chain; implements `domain.audit.AuditPort`. Safe to use from several threads."""

    def __init__(
        self,
        store: AuditStore,
        clock: Clock,
        signer: Signer,
        key: bytes,
        *,
        state: Callable[[], str] = str,
        versions: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """`key` seals entries; what `state` and `versions` tell stands in each record, empty by default.

        `state` is the bot's, for records that do not name one; `versions` counts the sealed databases' changes.
        """
        self._store = store
        self._clock = clock
        self._signer = signer
        self._key = key
        self._state = state
        self._versions = versions
        self._end: tuple[int, bytes] | None = None
        self._lock = threading.Lock()  # writers of this process queue here, not in SQLite's growing pauses

    def genesis(self, public_key: str) -> AuditRecord:
        """Begin the chain with the present checkpoint key (hexadecimal); a chain that exists is left as it is.

        Raises KeyRefusedError if the signer does not hold that key's private half.
        """

        def build(head: Head) -> Addition:
            if head.seq:
                return Addition()
            key = self._present_key(public_key, "")
            return self._key_entry(head, GENESIS_VERB, key)

        self._append(build)
        return record_of(self._store.rows(0, 1)[0])

    def introduce_key(self, public_key: str, endorsement: str) -> None:
        """Go on with a new checkpoint key, which the signer holds already and its predecessor endorsed.

        `endorsement` is the predecessor's signature over `chain.key_statement(public_key)`, in hexadecimal. A key that
        is the chain's newest already is left as it is; one that was not endorsed raises KeyRefusedError.
        """

        def build(head: Head) -> Addition:
            newest = _newest_key(head)
            if newest.public_key == public_key:
                return Addition()
            key = self._present_key(public_key, endorsement)
            if not key.follows(newest):
                raise KeyRefusedError("The new checkpoint key is not endorsed by the one that the audit log knows.")
            return self._key_entry(head, KEY_VERB, key)

        self._append(build)

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
        """Add one entry, durable when this returns; raises AuditUnavailableError when it cannot be.

        A value that has no exact text (a float) raises NotCanonicalError, an unknown phase ValueError.
        """
        entry = AuditEntry(
            at=self._clock.now(),
            verb=verb,
            phase=AuditPhase(phase),
            actor=actor,
            role=role,
            session=session,
            address=address,
            target=target,
            request_id=request_id or "",
            result=result,
            reason=reason,
            before=before,
            after=after,
            detail=detail or {},
            generation=generation,
            state=self._state() if state is None else state,
            versions=self._versions(),
        )
        added = self._append(lambda head: self._entry(head, entry))
        return record_of(added.rows[0])

    @contextmanager
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
    ) -> Iterator[Act]:
        """Record the intent, run the block, record the outcome with what the block put into the Act.

        A RefusedError and an ApiError below 500 count as refused, any other error as failed; both go on to the caller.
        A block that never ends, as in a crash, leaves an intent without an outcome: what became of it is unknown.
        """

        def note(phase: AuditPhase, act: Act, result: str = "", reason: str = "") -> None:
            self.record(
                verb=verb,
                phase=phase,
                actor=actor,
                target=target,
                role=role,
                session=session,
                address=address,
                request_id=request_id,
                result=result,
                reason=reason,
                before=act.before,
                after=act.after,
                detail=act.detail,
                generation=act.generation,
            )

        act = Act()
        note(AuditPhase.INTENT, act)
        try:
            yield act
        except Exception as error:  # whatever it was, the record says that the act did not succeed, and it goes on
            note(AuditPhase.OUTCOME, act, *_ending(error))
            raise
        note(AuditPhase.OUTCOME, act, AuditResult.OK)

    def checkpoint(self) -> Checkpoint | None:
        """Sign the present end, at a rotation and at shutdown; None if it is signed already."""
        return self._checkpoint(timedelta(0))

    def checkpoint_if_due(self) -> Checkpoint | None:
        """Sign the present end if something is new and the last checkpoint is a minute old; for a timer."""
        return self._checkpoint(CHECKPOINT_INTERVAL)

    def verify(self, after: int = 0) -> Verification:
        """Check the chain beyond entry `after` (found good before); the module `verification` says what that proves."""
        return verify_chain(self._store, self._signer, after, key=self._key)

    def order(self) -> VerificationOrder:
        """What another process needs to verify this chain as long as its key is the present one."""
        return VerificationOrder(self._key, *self._signer(PROBE))

    def newest_checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint, None before the first."""
        return self._store.head().checkpoint

    def signed(self, checkpoint: Checkpoint) -> bool:
        """Whether a key that this chain introduced signed the checkpoint."""
        keys = (key for key in map(key_of, self._store.key_rows()) if key.key_id == checkpoint.key_id)
        return any(is_signed(key.public_key, checkpoint.signature.hex(), statement_of(checkpoint)) for key in keys)

    def written_by_others(self) -> bool:
        """Whether anyone else has written to the store since this was last asked: then all of it is to be verified."""
        with self._lock:
            return self._store.written_by_others()

    def end(self) -> tuple[int, bytes]:
        """Sequence number and hash of the last entry."""
        head = self._store.head()
        return head.seq, head.hash

    def hash_of(self, seq: int) -> bytes:
        """The hash of entry `seq`, empty if it is not there."""
        row = self._row(seq)
        return row.hash if row else b""

    def holds(self, seq: int, entry_hash: bytes) -> bool:
        """Whether entry `seq` is there with this hash."""
        return self.hash_of(seq) == entry_hash

    def record_at(self, seq: int) -> AuditRecord | None:
        """The record in that place; None if there is none."""
        row = self._row(seq)
        return record_of(row) if row else None

    def last(
        self, *, verb: str | None = None, phase: str | None = None, request_id: str | None = None
    ) -> AuditRecord | None:
        """The newest record of a verb, phase or request."""
        where = AuditFilter(verb=verb, phase=AuditPhase(phase) if phase else None, request_id=request_id)
        rows = self._store.newest(where, None, 1)
        return record_of(rows[0]) if rows else None

    def page(self, where: AuditFilter, *, before: int | None = None, limit: int = 50) -> AuditPage:
        """Records that match, newest first, below the sequence number `before`."""
        rows = self._store.newest(where, before, limit + 1)
        shown = rows[:limit]
        return AuditPage(tuple(map(record_of, shown)), shown[-1].seq if len(rows) > limit else None)

    def _row(self, seq: int) -> AuditRow | None:
        rows = self._store.rows(seq - 1, 1)
        return rows[0] if rows and rows[0].seq == seq else None

    def _append(self, build: Callable[[Head], Addition]) -> Addition:
        def checked(head: Head) -> Addition:
            self._require_continuation(head)
            return build(head)

        with self._lock:
            addition = self._store.append(checked)
            if addition.rows:
                self._end = addition.rows[-1].seq, addition.rows[-1].hash
        return addition

    def _require_continuation(self, head: Head) -> None:
        """See that the chain ends where it was left; entries that were added since must be our own."""
        if self._end is None or self._end == (head.seq, head.hash):
            return
        seq, last = self._end
        if not self.holds(seq, last):
            raise AuditUnavailableError(f"entry {seq}, the last one written, was removed or changed by someone else")
        while seq < head.seq:
            row = self._store.rows(seq, 1)[0]
            if row.hash != link(last, row.seq, row.body) or row.seal != seal_of(self._key, row.hash):
                raise AuditUnavailableError(f"entry {row.seq} was added by someone else")
            seq, last = row.seq, row.hash

    def _entry(self, head: Head, entry: AuditEntry) -> Addition:
        row = self._sealed(head, entry)
        if row.seq - _signed_up_to(head) < ENTRIES_PER_CHECKPOINT:
            return Addition((row,))
        return Addition((row,), self._signed(_newest_key(head), row.seq, row.hash, head))

    def _key_entry(self, head: Head, verb: str, key: ChainKey) -> Addition:
        entry = AuditEntry(
            at=self._clock.now(),
            verb=verb,
            phase=AuditPhase.EVENT,
            actor=_SYSTEM,
            state=self._state(),
            detail=key.detail(),
        )
        row = self._sealed(head, entry)
        return Addition((row,), self._signed(key, row.seq, row.hash, head))

    def _sealed(self, head: Head, entry: AuditEntry) -> AuditRow:
        if head.seq == 0 and entry.verb != GENESIS_VERB:
            raise AuditUnavailableError("the chain has no beginning")
        body = body_of(entry)
        seq = head.seq + 1
        entry_hash = link(head.hash, seq, body)
        return AuditRow(seq, body, entry_hash, seal_of(self._key, entry_hash))

    def _checkpoint(self, age: timedelta) -> Checkpoint | None:
        def build(head: Head) -> Addition:
            last = head.checkpoint
            if last is not None and (last.seq == head.seq or self._clock.now() - last.at < age):
                return Addition()
            return Addition(checkpoint=self._signed(_newest_key(head), head.seq, head.hash, head))

        return self._append(build).checkpoint

    def _signed(self, key: ChainKey, seq: int, head_hash: bytes, head: Head) -> Checkpoint | None:
        """A checkpoint, or None while the signer's key is not in the chain yet: it follows with that key's entry."""
        at = self._clock.now()
        previous = _signed_up_to(head)
        key_id, signature = self._signer(checkpoint_statement(seq, head_hash, at, previous))
        return Checkpoint(seq, head_hash, at, previous, key_id, signature) if key_id == key.key_id else None

    def _present_key(self, public_key: str, endorsement: str) -> ChainKey:
        key_id, signature = self._signer(PROBE)
        if not is_signed(public_key, signature.hex(), PROBE):
            raise KeyRefusedError("The signer does not hold the private half of this checkpoint key.")
        return ChainKey(0, key_id, public_key, endorsement)


def _newest_key(head: Head) -> ChainKey:
    if head.key_row is None:
        raise AuditUnavailableError("the chain has no beginning")
    return key_of(head.key_row)


def _signed_up_to(head: Head) -> int:
    return head.checkpoint.seq if head.checkpoint else 0


def _ending(error: Exception) -> tuple[AuditResult, str]:
    """How the act ended and why: a stable code, never the error's text, which may quote what was typed."""
    if isinstance(error, RefusedError):
        return AuditResult.REFUSED, error.code
    if isinstance(error, ApiError):
        refused = error.problem.status < _SERVER_ERROR
        return AuditResult.REFUSED if refused else AuditResult.FAILED, error.problem.code
    return AuditResult.FAILED, type(error).__name__
