"""Verbs of the acts: preview, start's request, pause, resume, cancel closing, sign residuals, reset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

from tbot_bot.api.backups import Finding
from tbot_bot.api.control import Act, ActOutcome, ActRequest, AskPreview, ControlState, Issued, Preview
from tbot_bot.api.errors import ApiError
from tbot_bot.api.model import Message, Nothing
from tbot_bot.control.break_signing import tie_out_status
from tbot_bot.control.conductor import Conductor
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.judge import require_reason, require_step_up, require_typed
from tbot_bot.control.lifecycle import Lifecycle
from tbot_bot.control.requests import LIFETIME, Requests
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.domain.audit import AuditPhase
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.trading.preview import PreviewFacts, preview

START = "control.start"


class ControlVerbs:
    """The handlers; `conductor` answers None before a bot is configured, or when its ledger could not be opened."""

    def __init__(
        self,
        foundation: Foundation,
        lifecycle: Lifecycle,
        conductor: Callable[[], Conductor | None],
        requests: Requests,
        findings: Callable[[], Sequence[Finding]] = tuple,
    ) -> None:
        """`findings` looks for what was changed behind the system's back and tells what stands."""
        self._foundation = foundation
        self._lifecycle = lifecycle
        self._conductor = conductor
        self._requests = requests
        self._findings = findings

    def handlers(self) -> dict[str, Handler]:
        """The verbs answered here."""
        return {
            "control.state": self._state,
            "control.preview": self._preview,
            "control.issue_start": self._issue_start,
            "control.record_act": self._record_act,
            "control.pause": self._pause,
            "control.resume": self._resume,
            "control.begin_defense": self._begin_defense,
            "control.end_defense": self._end_defense,
            "control.sign_break": self._sign_break,
            "control.cancel_closing": self._cancel_closing,
            "control.sign_residuals": self._sign_residuals,
            "control.reset": self._reset,
        }

    def _state(self, _caller: Caller, _nothing: Message) -> ControlState:
        conductor = self._conductor()
        in_error = self._lifecycle.state is State.ERROR
        last_good = self._lifecycle.last_good_state()
        return ControlState(
            state=self._lifecycle.state,
            paused=conductor is not None and conductor.paused_because() is not None,
            kill_armed=conductor is not None and conductor.floor.kill_switch.is_armed(),
            kill_triggered=conductor is not None and conductor.kill_triggered() is not False,
            acts=[act for act in Act if conductor and preview(act, self._facts(conductor)).allowed],
            closing=conductor.closing.report() if conductor else None,
            error=self._lifecycle.reason if in_error else None,
            last_good_state=last_good if in_error else None,
            since=to_rfc3339(self._lifecycle.since),
            findings=list(self._findings()),
        )

    def _preview(self, _caller: Caller, asked: AskPreview) -> Preview:
        return preview(asked.act, self._facts(self._bot()))

    def _issue_start(self, caller: Caller, _nothing: Message) -> Issued:
        now = self._foundation.clock.now()
        self._require_allowed(Act.START)
        self._note(caller, Act.START, AuditPhase.INTENT)
        return Issued(request_id=self._requests.issue(START, caller.actor, now), expires_at=to_rfc3339(now + LIFETIME))

    def _record_act(self, caller: Caller, asked: AskPreview) -> Nothing:
        self._note(caller, asked.act, AuditPhase.INTENT)
        return Nothing()

    def _pause(self, caller: Caller, asked: ActRequest) -> ActOutcome:
        reason = asked.reason or f"paused by {caller.actor}"
        return self._act(caller, Act.PAUSE, asked, lambda bot: bot.pause(reason), "No new entries; exits are managed.")

    def _resume(self, caller: Caller, asked: ActRequest) -> ActOutcome:
        return self._act(caller, Act.RESUME, asked, lambda bot: bot.resume(), "Entries are allowed again.")

    def _begin_defense(self, caller: Caller, asked: ActRequest) -> ActOutcome:
        require_reason(asked.reason)
        return self._act(
            caller,
            Act.BEGIN_DEFENSE,
            asked,
            lambda bot: bot.begin_defense(asked.reason, caller.actor),
            "Defense mode: entries are smaller until it is ended.",
        )

    def _end_defense(self, caller: Caller, asked: ActRequest) -> ActOutcome:
        require_reason(asked.reason)
        return self._act(
            caller,
            Act.END_DEFENSE,
            asked,
            lambda bot: bot.end_defense(caller.actor),
            "Defense mode is over; float and limits are as usual.",
        )

    def _sign_break(self, caller: Caller, asked: ActRequest) -> ActOutcome:
        require_reason(asked.reason)
        require_step_up(caller.verdict, self._foundation.clock.now())
        shown = self._facts(self._bot()).tie_out
        return self._act(
            caller,
            Act.SIGN_BREAK,
            asked,
            lambda bot: bot.sign_break(asked.subject, caller.actor, asked.reason),
            "Signed: this difference is accepted as long as it stays as it is.",
            accepted="; ".join(shown.exceptions) if shown else "",
        )

    def _cancel_closing(self, caller: Caller, asked: ActRequest) -> ActOutcome:
        return self._act(
            caller,
            Act.CANCEL_CLOSING,
            asked,
            lambda bot: bot.cancel_closing(caller.actor),
            "Closing was cancelled; open positions are managed again.",
        )

    def _sign_residuals(self, caller: Caller, asked: ActRequest) -> ActOutcome:
        return self._act(
            caller,
            Act.SIGN_RESIDUALS,
            asked,
            lambda bot: bot.sign_residuals(caller.actor),
            "The positions that are left were signed off; they stay at the broker and in the books.",
        )

    def _reset(self, caller: Caller, asked: ActRequest) -> ActOutcome:
        bot = self._bot()
        require_typed(asked.typed, str(bot.floor.identity))
        require_reason(asked.reason)
        require_step_up(caller.verdict, self._foundation.clock.now())
        found = self._findings()
        if found:
            what = f"{found[0].subject}: {found[0].what}"
            raise ApiError.of(409, "integrity_broken", "Not while this stands", what, found[0].next_step)
        hold = bot.reset_hold_left()
        if hold:
            seconds = ceil(hold.total_seconds())
            raise ApiError.of(
                409, "reset_too_soon", "Not yet", f"Wait {seconds} s after the kill is over.", retry_after_s=seconds
            )
        return self._act(
            caller, Act.RESET, asked, lambda one: one.reset(caller.actor), "Reset. Press Start when you want to trade."
        )

    def _act(
        self,
        caller: Caller,
        act: Act,
        asked: ActRequest,
        do: Callable[[Conductor], None],
        message: str,
        **detail: str,
    ) -> ActOutcome:
        bot = self._bot()
        self._require_allowed(act)
        before = {"state": str(self._lifecycle.state)}
        with self._foundation.audit.act(
            verb=f"control.{act}",
            actor=caller.actor,
            role=caller.verdict.role or "",
            address=caller.address,
            target=str(bot.floor.identity),
            request_id=caller.request_id,
        ) as record:
            record.before = before
            record.detail = {"reason": asked.reason, **detail}
            do(bot)
            record.after = {"state": str(self._lifecycle.state)}
        return ActOutcome(state=self._lifecycle.state, message=message)

    def _require_allowed(self, act: Act) -> None:
        shown = preview(act, self._facts(self._bot()))
        if not shown.allowed:
            raise ApiError.of(
                409, "act_refused", "Not possible now", shown.refusal, "Reload to see where the bot stands."
            )

    def _bot(self) -> Conductor:
        conductor = self._conductor()
        if conductor is None:
            if self._findings():
                raise ApiError.of(409, "books_damaged", "The books cannot be opened", "", "Restore the ledger first.")
            raise ApiError.of(409, "no_bot", "No bot is set up", "", "Finish the configuration first.")
        return conductor

    def _facts(self, conductor: Conductor) -> PreviewFacts:
        floor, seen = conductor.floor, conductor.floor.view.seen
        return PreviewFacts(
            state=self._lifecycle.state,
            paused=conductor.is_paused_by_hand(),
            killed=conductor.kill_triggered() is not False,
            market_open=seen.is_open,
            opens_at=seen.session.open_at if seen.session and not seen.is_open else None,
            trades=floor.records.open_trades(),
            orders=floor.records.open_orders(),
            marks=seen.marks,
            name=str(floor.identity),
            defense=conductor.defense.state,
            defense_factor=floor.settings.DEFENSE_FACTOR,
            tie_out=tie_out_status(conductor.books.report, floor.records.last_reconciliation()),
        )

    def _note(self, caller: Caller, act: Act, phase: AuditPhase) -> None:
        self._foundation.audit.record(
            verb=f"control.{act}",
            phase=phase,
            actor=caller.actor,
            role=caller.verdict.role or "",
            address=caller.address,
            request_id=caller.request_id,
        )
