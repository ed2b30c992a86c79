"""Keeps the audit trail's signed checkpoints outside the home too, and compares the trail with what is kept there.

It has a thread of its own: a disk elsewhere that is slow or gone never delays an act, an order or the trail itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from tbot_bot.api.audit import AuditAnchor
from tbot_bot.control.foundation import Foundation
from tbot_bot.domain.audit import AuditUnavailableError, Checkpoint
from tbot_bot.domain.notices import NoticeKind
from tbot_bot.domain.time import from_rfc3339, to_rfc3339
from tbot_bot.storage.anchors import JOURNAL, AnchorError, FileAnchor, JournalAnchor, line_of

log = structlog.get_logger("audit")
LOOK_EVERY_S = 2.0
LAST_LOOK_S = 3.0
MAIL_EVERY = timedelta(days=1)
FILE, SYSTEM_JOURNAL, MAIL = "file", "journal", "mail"
TITLES = {FILE: "Anchor file", SYSTEM_JOURNAL: "System journal", MAIL: "Mail"}
#: The fact of the runner's record that says when the last checkpoint was mailed.
_MAILED = "audit_checkpoint_mailed"


@dataclass(slots=True)
class _Anchor:
    """One place outside; `kept` is the newest checkpoint there, as far as this process knows."""

    name: str
    where: str
    keep: Callable[[Checkpoint], None]
    kept: Checkpoint | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What the anchor file and the trail disagree about; `seq` is the first place that is wrong."""

    seq: int
    what: str


class AuditAnchors:
    """Carries each new checkpoint to every place that the configuration names."""

    def __init__(self, foundation: Foundation, *, journal: Path = JOURNAL) -> None:
        self._foundation = foundation
        self._journal = journal
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._anchors: Mapping[str, _Anchor] = {}
        self._generation: int | None = None
        self._bot = ""
        self._file: FileAnchor | None = None
        self.mismatch: Mismatch | None = None

    def start(self) -> None:
        """Carry from now on, until `stop`."""
        threading.Thread(target=self._work, name="audit-anchors", daemon=True).start()

    def stop(self) -> None:
        """Carry the last checkpoint, if that takes no longer than a person waits, and no more."""
        self._ended.set()
        last = threading.Thread(target=self._look_safely, name="audit-anchors-last", daemon=True)
        last.start()
        last.join(LAST_LOOK_S)

    def look(self) -> None:
        """Carry the newest checkpoint to where it is not yet; what fails is tried again at the next look."""
        with self._lock:
            self._read_configuration()
            newest = self._foundation.audit.newest_checkpoint() if self._anchors else None
            for anchor in self._anchors.values():
                if newest is not None and anchor.kept != newest:
                    self._carry(anchor, newest)

    def compare(self) -> Mismatch | None:
        """Compare the trail with the newest checkpoint in the anchor file; what differs is remembered and told."""
        with self._lock:
            self._read_configuration()
            found = self._compare()
            if found is not None and found != self.mismatch:
                log.critical("the audit trail and its anchor file disagree", seq=found.seq, what=found.what)
                self._foundation.notices.tell(NoticeKind.INTEGRITY, f"Audit trail: {found.what}")
            self.mismatch = found
        return found

    def troubles(self) -> tuple[str, ...]:
        """What a person must know of: places that cannot be written, and a trail that is not as it was anchored."""
        found = [f"the audit trail: {self.mismatch.what}"] if self.mismatch else []
        failing = [one for one in list(self._anchors.values()) if one.trouble]
        return (*found, *(f"{TITLES[one.name].lower()} of the audit trail: {one.trouble}" for one in failing))

    def view(self) -> list[AuditAnchor]:
        """Each configured place with its newest checkpoint."""
        return [
            AuditAnchor(
                title=TITLES[one.name],
                where=one.where,
                seq=one.kept.seq if one.kept else None,
                at=to_rfc3339(one.kept.at) if one.kept else None,
                trouble=one.trouble,
            )
            for one in list(self._anchors.values())
        ]

    def _work(self) -> None:
        self._look_safely(first=True)
        while not self._ended.wait(LOOK_EVERY_S):
            self._look_safely()

    def _look_safely(self, *, first: bool = False) -> None:
        try:
            if first:
                self.compare()  # before anything new is added there
            self.look()
        except AuditUnavailableError as error:
            log.warning("checkpoints could not be read; it is tried again", why=str(error))
        except Exception:  # told in the log and its alerts; a thread that ended would carry nothing more
            log.exception("checkpoints could not be carried outside; it is tried again")

    def _carry(self, anchor: _Anchor, checkpoint: Checkpoint) -> None:
        try:
            anchor.keep(checkpoint)
        except AnchorError as error:
            if anchor.trouble != str(error):
                log.warning(
                    "a checkpoint could not be kept outside; it is tried again", anchor=anchor.name, why=str(error)
                )
            anchor.trouble = str(error)
            return
        if anchor.trouble:
            log.info("checkpoints are kept outside again", anchor=anchor.name)
        anchor.kept, anchor.trouble = checkpoint, ""

    def _read_configuration(self) -> None:
        """What is configured, once for each generation; a place that stays keeps what is known of it."""
        foundation = self._foundation
        if self._generation == foundation.generation or not foundation.is_configured():
            return
        generation, chosen = foundation.generation, foundation.configuration()
        self._bot = bot = str(chosen.identity)
        self._file = FileAnchor(Path(chosen.AUDIT_ANCHOR_FILE)) if chosen.AUDIT_ANCHOR_FILE else None
        found: list[_Anchor] = []
        if self._file is not None:
            found.append(_Anchor(FILE, chosen.AUDIT_ANCHOR_FILE, self._keep_in_file))
        if chosen.AUDIT_ANCHOR_JOURNAL == "yes":
            journal = JournalAnchor(self._journal)
            found.append(_Anchor(SYSTEM_JOURNAL, str(self._journal), lambda one: journal.keep(bot, one)))
        if chosen.AUDIT_ANCHOR_MAIL == "daily":
            found.append(_Anchor(MAIL, "the recipients of notices", self._mail))
        known = self._anchors
        self._anchors = {
            one.name: known[one.name] if one.name in known and known[one.name].where == one.where else one
            for one in found
        }
        self._generation = generation

    def _keep_in_file(self, checkpoint: Checkpoint) -> None:
        place = Path(self._anchors[FILE].where)
        if place.resolve().is_relative_to(self._foundation.home.root.resolve()):
            raise AnchorError("it lies inside the home and would be lost with it; name a place on another disk")
        if self._file is not None:
            self._file.keep(self._bot, checkpoint)

    def _mail(self, checkpoint: Checkpoint) -> None:
        """Once a day, through the notices."""
        now, record = self._foundation.clock.now(), self._foundation.record
        last = record.fact(_MAILED)
        if last is not None and now - from_rfc3339(last) < MAIL_EVERY:
            return
        record.set_fact(_MAILED, to_rfc3339(now))
        self._foundation.notices.tell(
            NoticeKind.CHECKPOINT,
            f"The audit trail of {self._bot} was signed at entry {checkpoint.seq}. Keep this message: it shows a trail "
            "that was cut off or rewritten.",
            {name: str(value) for name, value in line_of(self._bot, checkpoint).items()},
        )

    def _compare(self) -> Mismatch | None:
        if self._file is None:
            return None
        try:
            kept = self._file.newest(self._bot)
        except AnchorError as error:
            log.warning("the anchor file could not be read", why=str(error))
            return None
        audit, chain = self._foundation.audit, self._foundation.chain
        if kept is None or chain.was_put_aside(kept.seq) or (audit.holds(kept.seq, kept.hash) and audit.signed(kept)):
            return None
        end = audit.end()[0]
        if not audit.signed(kept):
            return Mismatch(
                kept.seq, f"the anchor file's checkpoint of entry {kept.seq} is not signed by a key of this trail"
            )
        if kept.seq > end:
            return Mismatch(
                end + 1, f"the end is cut off: the anchor file knows entry {kept.seq}, the trail ends at {end}"
            )
        return Mismatch(kept.seq, f"entry {kept.seq} is another one than the anchor file knows")
