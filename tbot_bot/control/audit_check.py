"""The audit chain against what the runner's own record remembers of it, and the databases against the chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tbot_bot.audit.trail import AuditTrail
from tbot_bot.config.restore import RESTORED
from tbot_bot.control.damage import AUDIT
from tbot_bot.domain.audit import AuditFilter, AuditRecord
from tbot_bot.domain.integrity import TamperedError
from tbot_bot.storage.control_store import ControlStore
from tbot_bot.storage.seals import SealedDatabase

#: A longer chain is verified at the start from where it was verified last; the whole of it while the runner works.
WHOLE_AT_START = 200_000
_SEEN = "audit_seen"
_PAGE = 100


class AuditCheck:
    """Verifies the chain and remembers how far in the runner's record, so that an end cut off is missed."""

    def __init__(self, audit: AuditTrail, record: ControlStore) -> None:
        self._audit = audit
        self._record = record
        self._verified = 0
        self._whole = False

    def require_remembered(self) -> None:
        """See that the chain holds the entry that it ended with when it was last verified; raises TamperedError."""
        kept = self._record.fact(_SEEN)
        if kept is None:
            return
        seq, _, entry_hash = kept.partition(":")
        if self._audit.holds(int(seq), bytes.fromhex(entry_hash)) or self.was_put_aside(int(seq)):
            return
        raise TamperedError(AUDIT, f"entry {seq}, which was there and verified, is missing or another one")

    def at_start(self) -> None:
        """Verify the chain whole, or a very long one from where it was verified last; raises TamperedError."""
        self.require_remembered()
        kept = self._record.fact(_SEEN)
        is_long = kept is not None and self._audit.end()[0] > WHOLE_AT_START and not self.was_put_aside(0)
        self._verify(int(str(kept).partition(":")[0]) if is_long else 0)
        self._whole = not is_long
        self.remember()

    def look(self) -> None:
        """Verify what was added since; all of it after someone else wrote to the file. Raises TamperedError."""
        self.require_remembered()
        if self._audit.written_by_others():
            self._whole = False
        self._verify(self._verified if self._whole else 0)
        self._whole = True

    def doubt(self) -> None:
        """Verify all of it at the next look."""
        self._whole = False

    def remember(self) -> None:
        """Write down the verified end, if it has moved."""
        if not self._verified:
            return
        known = f"{self._verified}:{self._audit.hash_of(self._verified).hex()}"
        if known != self._record.fact(_SEEN):
            self._record.set_fact(_SEEN, known)

    def _verify(self, after: int) -> None:
        found = self._audit.verify(after)
        if not found.ok:
            self._whole = False
            raise TamperedError(AUDIT, found.what)
        self._verified = found.head

    def was_put_aside(self, seq: int) -> bool:
        """Whether a restore put an audit trail aside that went as far as entry `seq`."""
        restored = self._audit.last(verb=RESTORED)
        lost = restored.entry.detail.get("lost") if restored else None
        audit = lost.get("audit") if isinstance(lost, Mapping) else None
        return isinstance(audit, Mapping) and int(audit.get("seq", 0)) >= seq


def require_newest(audit: AuditTrail, databases: Mapping[str, tuple[str, SealedDatabase]]) -> bool:
    """See that no database is older than the chain knows it; `databases` maps its name there to subject and seal.

    A restore says which older state it put in place; from there the count goes on beyond all that was before, and the
    answer is True: that has to be recorded. Raises TamperedError.
    """
    advanced = False
    for name, (subject, seal) in databases.items():
        known = _known_version(audit, name)
        if seal.version < known:
            what = f"an older state was put in its place: change {seal.version}, but change {known} was made"
            raise TamperedError(subject, what)
        if seal.version < (highest := _highest_version(audit, name)):
            seal.advance(highest)
            advanced = True
    return advanced


def _known_version(audit: AuditTrail, name: str) -> int:
    for record in _newest_first(audit):
        if record.entry.verb == RESTORED:
            restored = record.entry.detail.get("versions")
            if isinstance(restored, Mapping) and name in restored:
                return int(restored[name])
        if name in record.entry.versions:
            return record.entry.versions[name]
    return 0


def _highest_version(audit: AuditTrail, name: str) -> int:
    """The newest count that was recorded by itself: the counts only grow."""
    return next((one.entry.versions[name] for one in _newest_first(audit) if name in one.entry.versions), 0)


def _newest_first(audit: AuditTrail) -> Iterator[AuditRecord]:
    before: int | None = None
    while True:
        page = audit.page(AuditFilter(), before=before, limit=_PAGE)
        yield from page.items
        before = page.next
        if before is None:
            return
