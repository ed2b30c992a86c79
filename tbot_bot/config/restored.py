"""The second half of a restore, at the start of the next process: databases in place, the trail carried on, recorded.

Every step can be done again, so a start that is interrupted anywhere is finished by the one after it.
"""

from __future__ import annotations

from typing import Protocol

from tbot_bot.config.paths import Home
from tbot_bot.config.restore import RESTORED
from tbot_bot.config.rotation import COMMIT, RotationAudit
from tbot_bot.domain.audit import AuditPhase, AuditResult
from tbot_bot.domain.ids import BotIdentity
from tbot_bot.domain.lifecycle import SETTING_UP, State
from tbot_bot.domain.time import Clock
from tbot_bot.storage.backup_store import AUDIT, CONTROL, LEDGER, USERS, BackupStore
from tbot_bot.storage.control_store import ControlStore, LifecycleRecord
from tbot_bot.storage.filesystem import Filesystem
from tbot_bot.storage.generations import GenerationStore
from tbot_bot.storage.restore_plan import RestoreFolder, RestorePlan

#: The fact that makes the next reconciliation take back orders that the restored ledger does not know.
LEDGER_RESTORED = "ledger_restored"
#: The fact that stands while a runner runs; one that is there at a start was left by a sudden end.
RUNNING_SINCE = "running_since"


class SessionEnder(Protocol):
    """What a restore needs of the people's database."""

    def end_all_sessions(self) -> int:
        """End every session of everybody."""
        ...


class PendingRestore:
    """A restore that waits to be carried out at this start."""

    def __init__(self, home: Home, clock: Clock, folder: RestoreFolder, plan: RestorePlan) -> None:
        self._home = home
        self._clock = clock
        self._folder = folder
        self.plan = plan

    @classmethod
    def find(cls, home: Home, clock: Clock, filesystem: Filesystem) -> PendingRestore | None:
        """The restore that was prepared, None if there is none; raises RestoreDamagedError."""
        folder = RestoreFolder(home.restore, filesystem)
        folder.sweep()
        plan = folder.pending()
        return None if plan is None else cls(home, clock, folder, plan)

    def put_in_place(self) -> None:
        """Exchange the databases, before any of them is opened; raises RestoreDamagedError, OSError."""
        home = self._home
        targets = {USERS: home.users_database, AUDIT: home.audit_database, CONTROL: home.control_database}
        if self.plan.bot:
            targets[LEDGER] = home.ledger_database(BotIdentity(*self.plan.bot.split("_")))
        self._folder.carry_out(self.plan, targets, home.backups / self.plan.aside)

    def carry_on(self, audit: RotationAudit, secrets: GenerationStore, store: BackupStore) -> None:
        """Let the audit trail go on under the present key, with a record of the restore and of what was left behind."""
        plan = self.plan
        with secrets.current() as pinned:
            number, manifest, digest = pinned.number, pinned.manifest, pinned.manifest_sha256
        if AUDIT in plan.files:
            with store.generation(plan.backup, store.read(plan.backup)) as then:
                endorsement = then.checkpoint_key().endorse(manifest.checkpoint_key)
        else:
            endorsement = manifest.endorsement.signature if manifest.endorsement else ""
        audit.introduce_key(manifest.checkpoint_key, endorsement)
        if audit.last(verb=RESTORED, request_id=plan.request_id) is None:
            self._record(audit)
        last = audit.last(verb=COMMIT, phase=AuditPhase.OUTCOME)
        known = last is not None and last.entry.generation == number
        if not known and (AUDIT in plan.files or number == plan.generation):
            audit.record(
                verb=COMMIT,
                phase=AuditPhase.OUTCOME,
                actor=plan.actor,
                request_id=manifest.request_id,
                result=AuditResult.OK,
                detail={
                    "manifest_sha256": digest,
                    "parent": manifest.parent,
                    "why": f"carried over the restore from {plan.backup}",
                    "created_at": manifest.created_at,
                },
                generation=number,
            )

    def settle(self, people: SessionEnder, record: ControlStore) -> None:
        """End all sessions after a restore of people, and leave the bot where it does nothing by itself."""
        plan = self.plan
        if USERS in plan.files:
            people.end_all_sessions()
        if LEDGER in plan.files:
            record.set_fact(LEDGER_RESTORED, plan.backup_made_at)
        if CONTROL in plan.files:
            record.set_fact(RUNNING_SINCE, None)  # the snapshot was made of a system that ran
        now = record.lifecycle()
        if now is None or now.state in SETTING_UP or not {LEDGER, CONTROL} & plan.files.keys():
            return
        state = State.ERROR if LEDGER in plan.files else State.STOPPED
        reason = (
            f"The ledger was restored to {plan.backup_made_at}: look at it, then reset. What the broker filled since "
            "is booked again before anything trades."
            if state is State.ERROR
            else f"the control record was restored to {plan.backup_made_at}"
        )
        if (now.state, now.reason) != (state, reason):
            record.append_lifecycle(LifecycleRecord(state, reason, plan.actor, self._clock.now()))

    def close(self) -> None:
        """Everything is done and recorded."""
        self._folder.close()

    def _record(self, audit: RotationAudit) -> None:
        plan = self.plan
        audit.record(
            verb=RESTORED,
            phase=AuditPhase.OUTCOME,
            actor=plan.actor,
            target=plan.backup,
            request_id=plan.request_id,
            result=AuditResult.OK,
            detail={
                "parts": plan.parts,
                "why": plan.reason,
                "asked_at": plan.asked_at,
                "lost": {part: head.model_dump() for part, head in plan.lost.items()},
                "aside": plan.aside,
                "versions": plan.versions,
            },
            generation=plan.generation,
        )
