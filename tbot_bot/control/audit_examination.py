"""The verification of the whole audit trail that a person asks for: one at a time, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from tbot_bot.api.audit import AuditFinding, AuditVerification
from tbot_bot.audit.verification import Verification
from tbot_bot.control.audit_anchors import AuditAnchors
from tbot_bot.control.audit_examiner import write_order
from tbot_bot.control.child import Child, start_child
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.integrity import IntegrityWatch
from tbot_bot.domain.audit import AuditPhase, AuditResult, AuditUnavailableError
from tbot_bot.domain.time import to_rfc3339

log = structlog.get_logger("audit")
_COMMAND = (sys.executable, "-m", "tbot_bot.control.audit_examiner")
#: The fact of the runner's record that holds the last finding.
_EXAMINED = "audit_examined"
_PATIENCE_S = 5.0


@dataclass(slots=True)
class _Run:
    """One verification under way; `generation` is the one whose keys it was given."""

    actor: str
    started_at: datetime
    started_s: float
    generation: int
    child: Child | None = None
    checked: int = 0
    of: int = 0
    finding: Verification | None = None
    said: list[str] = field(default_factory=list)


class AuditExamination:
    """Starts the examiner, follows it, and keeps what it found; whoever asks meanwhile sees how far it is."""

    def __init__(self, foundation: Foundation, watch: IntegrityWatch, anchors: AuditAnchors) -> None:
        self._foundation = foundation
        self._watch = watch
        self._anchors = anchors
        self._lock = threading.Lock()
        self._run: _Run | None = None
        self._thread: threading.Thread | None = None
        self._trouble = ""

    def begin(self, actor: str) -> None:
        """Begin a verification, unless one is under way."""
        with self._lock:
            if self._run is not None:
                return
            self._run = self._started(actor)
            self._trouble = ""
            self._thread = threading.Thread(target=self._attend, args=(self._run,), name="audit-examination")
            self._thread.daemon = True
            self._thread.start()

    def view(self) -> AuditVerification:
        """How far it is, and what was found last."""
        run, kept = self._run, self._foundation.record.fact(_EXAMINED)
        return AuditVerification(
            running=run is not None,
            started_at=to_rfc3339(run.started_at) if run else None,
            checked=run.checked if run else 0,
            of=(run.of if run else 0) or self._foundation.audit.end()[0],
            trouble=self._trouble,
            last=AuditFinding.model_validate_json(kept) if kept else None,
            anchors=self._anchors.view(),
        )

    def stop(self) -> None:
        """End what is under way; it counts as not done."""
        run, thread = self._run, self._thread
        if run is not None and run.child is not None:
            run.child.terminate()
        if thread is not None:
            thread.join(_PATIENCE_S)

    def _started(self, actor: str) -> _Run:
        """Order and generation belong together: no rotation may come between."""
        foundation = self._foundation
        with foundation.rotation.resting():
            run = _Run(actor, foundation.clock.now(), time.monotonic(), foundation.generation)
            order = write_order(foundation.home.audit_database, foundation.audit.order())
        run.child = start_child(
            "audit-examiner",
            _COMMAND,
            now_s=run.started_s,
            on_line=run.said.append,
            on_output=lambda line: _hear(run, line),
        )
        run.child.send(order)
        return run

    def _attend(self, run: _Run) -> None:
        """Follow a verification to its end; after a rotation meanwhile it is made again under the new keys."""
        try:
            while not self._is_final(run):
                run = self._run = self._started(run.actor)
            self._conclude(run)
        except Exception:  # told on the page and in the log; a later verification begins anew
            log.exception("the verification of the audit trail was not finished")
            self._trouble = "The verification could not be finished; the log system.log says why. Start it again."
        finally:
            self._run = None

    def _is_final(self, run: _Run) -> bool:
        if run.child is not None:
            run.child.process.wait()
            run.child.wait(0.0)
        if run.finding is None or run.finding.ok:
            return True
        with self._foundation.rotation.resting():
            return run.generation == self._foundation.generation

    def _conclude(self, run: _Run) -> None:
        found = run.finding
        if found is None:
            log.error("the verification of the audit trail ended without a finding", said=run.said[-1:])
            self._trouble = "The verification ended before it was done. Nothing is known from it; start it again."
            return
        if (mismatch := self._anchors.compare()) is not None and found.ok:
            found = replace(found, ok=False, first_bad_seq=mismatch.seq, what=mismatch.what)
        if not found.ok:
            log.critical("the audit trail is not as it was written", first_bad=found.first_bad_seq, what=found.what)
            self._foundation.chain.doubt()
            self._watch.look(everything=True)  # what it finds puts the bot into error
        told = AuditFinding(
            at=to_rfc3339(self._foundation.clock.now()),
            by=run.actor,
            ok=found.ok,
            checked=found.checked,
            upto=found.head,
            first_bad_seq=found.first_bad_seq,
            what=found.what,
            seconds=int(time.monotonic() - run.started_s),
        )
        self._foundation.record.set_fact(_EXAMINED, told.model_dump_json())
        with contextlib.suppress(AuditUnavailableError):  # the log has it, and the state says it
            self._foundation.audit.record(
                verb="audit.verify",
                phase=AuditPhase.EVENT,
                actor=run.actor,
                result=AuditResult.OK if found.ok else AuditResult.FAILED,
                reason=found.what,
                detail={"checked": found.checked, "upto": found.head},
                generation=self._foundation.generation,
            )


def _hear(run: _Run, line: str) -> None:
    said = json.loads(line)
    if "finding" in said:
        run.finding = Verification(**said["finding"])
    else:
        run.checked, run.of = said["checked"], said["of"]
