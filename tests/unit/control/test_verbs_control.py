"""The acts as verbs: what is asked for, what it takes, and what the audit trail keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tbot_bot.api.backups import Finding
from tbot_bot.api.control import Act, ControlState
from tbot_bot.api.errors import ApiError
from tbot_bot.control.break_signing import BreakChangedError, NothingToSignError
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.control.verbs_control import START, ControlVerbs
from tbot_bot.domain.audit import AuditPhase, AuditResult
from tbot_bot.domain.defense import Cause
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.money import Money, Quantity
from tests.unit.control.backstage import BOT, PASSWORD, Backstage, call
from tests.unit.control.stage import Stage


class Acts:
    """The handlers, and an admin who can be stepped up."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.findings: tuple[Finding, ...] = ()
        house = stage.backstage
        self.handlers: Mapping[str, Handler] = ControlVerbs(
            house.foundation, house.lifecycle, lambda: stage.conductor, house.requests, lambda: self.findings
        ).handlers()
        self._session: str | None = None

    def ask(self, verb: str, **params: object) -> Any:
        return call(self.handlers, f"control.{verb}", self.caller(), **params)

    def refused(self, verb: str, **params: object) -> tuple[int, str]:
        with pytest.raises(ApiError) as error:
            self.ask(verb, **params)
        return error.value.problem.status, error.value.problem.code

    def caller(self) -> Caller:
        self._session = self._session or self.stage.backstage.sign_in("admin")
        return self.stage.backstage.caller(self._session)

    def step_up(self) -> None:
        session = self.caller().session
        assert session is not None
        self._session = self.stage.backstage.foundation.sessions.step_up(session, PASSWORD).session_id

    def state(self) -> ControlState:
        found = self.ask("state")
        assert isinstance(found, ControlState)
        return found

    def kill(self) -> None:
        self.stage.floor.kill_switch.trigger("admin")
        self.stage.tick(0)
        self.stage.ticks_until(State.STOPPED)


@pytest.fixture
def acts(stage: Stage) -> Acts:
    return Acts(stage)


@pytest.mark.parametrize("verb", ["preview", "issue_start", "pause", "reset"])
def test_without_a_bot_no_act_is_possible(house: Backstage, verb: str) -> None:
    handlers = ControlVerbs(house.foundation, house.lifecycle, lambda: None, house.requests, tuple).handlers()
    params = {"act": "start"} if verb == "preview" else {}
    with pytest.raises(ApiError) as refused:
        call(handlers, f"control.{verb}", house.caller(house.sign_in()), **params)
    assert (refused.value.problem.status, refused.value.problem.code) == (409, "no_bot")


def test_without_a_bot_the_state_is_shown(house: Backstage) -> None:
    handlers = ControlVerbs(house.foundation, house.lifecycle, lambda: None, house.requests, tuple).handlers()
    found = call(handlers, "control.state", house.caller())
    assert (found.state, found.acts, found.closing, found.kill_armed) == ("stopped", [], None, False)


def test_the_state_tells_what_can_be_done(acts: Acts) -> None:
    assert acts.state().acts == [Act.START, Act.KILL, Act.BEGIN_DEFENSE]
    acts.stage.trade()
    found = acts.state()
    assert (found.state, found.kill_armed, found.kill_triggered, found.paused) == ("trading", True, False, False)
    assert found.acts == [Act.PAUSE, Act.STOP, Act.KILL, Act.BEGIN_DEFENSE]
    assert (found.error, found.last_good_state) == (None, None)


def test_the_error_and_the_last_good_state_are_told(acts: Acts) -> None:
    acts.stage.lifecycle.move(State.ERROR, "the disk broke")
    found = acts.state()
    assert (found.error, found.last_good_state) == ("the disk broke", "stopped")
    assert found.acts == [Act.RESET]


def test_start_gets_an_id_for_its_flag(acts: Acts) -> None:
    issued = acts.ask("issue_start")
    house = acts.stage.backstage
    assert issued.expires_at == "2026-03-02T09:02:00Z"
    assert house.requests.use(issued.request_id, START, house.clock.now()) == "Admin"
    (entry,) = house.audited("control.start")
    assert (entry.phase, entry.actor, entry.role, entry.address) == (AuditPhase.INTENT, "Admin", "admin", "192.0.2.7")


def test_no_id_for_a_start_that_would_be_refused(acts: Acts) -> None:
    acts.kill()
    assert acts.refused("issue_start") == (409, "act_refused")
    assert acts.stage.backstage.audited("control.start") == []


def test_an_act_by_flag_is_recorded_before_it(acts: Acts) -> None:
    acts.ask("record_act", act="stop")
    (entry,) = acts.stage.backstage.audited("control.stop")
    assert (entry.phase, entry.actor) == (AuditPhase.INTENT, "Admin")


def test_a_preview_names_the_figures(acts: Acts) -> None:
    acts.stage.trade()
    acts.stage.enter()
    acts.stage.tell_market()
    shown = acts.ask("preview", act="stop")
    assert shown.allowed
    assert [(line.symbol, line.quantity) for line in shown.positions] == [("AAA", "100")]
    assert Money.of(shown.gross_value) == Money.of("10000")


def test_pause_and_resume_are_acts_with_a_record(acts: Acts) -> None:
    acts.stage.trade()
    paused = acts.ask("pause", reason="news")
    assert paused.state == "trading"
    assert acts.stage.conductor.paused_because() == "news"
    assert acts.refused("pause") == (409, "act_refused")
    acts.ask("resume")
    assert acts.refused("resume") == (409, "act_refused")
    acts.ask("pause")
    assert acts.stage.conductor.paused_because() == "paused by Admin"
    entries = [entry for entry in acts.stage.backstage.audited("control.pause") if entry.target == BOT]
    assert {(entry.phase, entry.result) for entry in entries} == {
        (AuditPhase.INTENT, ""),
        (AuditPhase.OUTCOME, AuditResult.OK),
    }
    assert {"reason": "news"} in [entry.detail for entry in entries]


def test_defense_mode_is_begun_and_ended_with_a_reason_on_record(acts: Acts) -> None:
    acts.stage.trade()
    assert acts.refused("end_defense", reason="why not") == (409, "act_refused")
    assert acts.refused("begin_defense", reason=" ") == (422, "reason_missing")
    acts.ask("begin_defense", reason="news")
    assert acts.stage.conductor.defense.state.causes == {Cause.BY_HAND: "news (Admin)"}
    assert acts.refused("begin_defense", reason="again") == (409, "act_refused")
    assert Act.END_DEFENSE in acts.state().acts
    assert acts.refused("end_defense", reason="") == (422, "reason_missing")
    acts.ask("end_defense", reason="it is over")
    assert not acts.stage.conductor.defense.state.is_active
    reasons = {
        verb: [entry.detail for entry in acts.stage.backstage.audited(f"control.{verb}") if entry.detail]
        for verb in ("begin_defense", "end_defense")
    }
    assert {"reason": "news"} in reasons["begin_defense"]
    assert {"reason": "it is over"} in reasons["end_defense"]


# a difference between broker and books


def broken(acts: Acts, quantity: int = 7) -> str:
    """Broker and books disagree about BBB; what a signature would name."""
    acts.stage.line.extra["BBB"] = Quantity.of(quantity)
    acts.stage.conductor.books_behind("test")
    acts.stage.tick(1)
    return str(acts.ask("preview", act="sign_break").subject)


def test_a_signed_difference_is_accepted_until_it_changes(acts: Acts) -> None:
    stage = acts.stage
    stage.trade()
    subject = broken(acts)
    assert "BBB" in (stage.conductor.paused_because() or "")
    assert Act.SIGN_BREAK in acts.state().acts
    asked = {"reason": "an old gift", "subject": subject}
    assert acts.refused("sign_break", subject=subject) == (422, "reason_missing")
    assert acts.refused("sign_break", **asked) == (403, "step_up_needed")
    acts.step_up()
    acts.ask("sign_break", **asked)
    stage.tick(1)
    assert stage.conductor.paused_because() is None
    outcome = next(one for one in stage.backstage.audited("control.sign_break") if one.phase is AuditPhase.OUTCOME)
    assert outcome.detail == {"reason": "an old gift", "accepted": "BBB 7"}
    assert Act.SIGN_BREAK not in acts.state().acts
    assert acts.refused("sign_break", **asked) == (409, "act_refused")
    for _ in range(3):  # it stands over later comparisons
        stage.conductor.books_behind("test")
        stage.tick(1)
        assert stage.conductor.paused_because() is None
    newer = broken(acts, 8)
    assert "BBB" in (stage.conductor.paused_because() or "")
    assert newer != subject
    broken(acts, 7)
    assert "BBB" in (stage.conductor.paused_because() or "")  # it had changed in between


def test_only_what_was_shown_is_signed(acts: Acts) -> None:
    acts.stage.trade()
    subject = broken(acts)
    newer = broken(acts, 8)
    acts.step_up()
    with pytest.raises(BreakChangedError):
        acts.ask("sign_break", reason="an old gift", subject=subject)
    assert "BBB" in (acts.stage.conductor.paused_because() or "")
    (refused,) = [one for one in acts.stage.backstage.audited("control.sign_break") if one.phase is AuditPhase.OUTCOME]
    assert refused.result == AuditResult.REFUSED
    acts.stage.line.down = True
    acts.stage.conductor.books_behind("test")
    acts.stage.tick(1)
    assert acts.refused("sign_break", reason="an old gift", subject=newer) == (409, "act_refused")
    with pytest.raises(NothingToSignError):
        acts.stage.conductor.sign_break(newer, "ada", "an old gift")


def test_a_signature_unlocks_a_start_and_stands_after_a_restart(acts: Acts) -> None:
    stage = acts.stage
    stage.line.extra["BBB"] = Quantity.of(7)
    stage.conductor.start("ada")
    stage.tick()
    stage.tell_market(window="idle")
    stage.tick()
    assert stage.lifecycle.state is State.STARTED
    acts.step_up()
    acts.ask("sign_break", reason="an old gift", subject=acts.ask("preview", act="sign_break").subject)
    stage.tick(1)
    assert stage.lifecycle.state is State.IDLE
    assert "signed" in stage.lifecycle.reason
    stage.restart()
    stage.tick()
    stage.tell_market(window="idle")
    stage.tick()
    assert stage.conductor.books.boot is not None
    assert stage.conductor.books.boot.signed
    assert stage.conductor.paused_because() is None


def test_a_stop_is_cancelled(acts: Acts) -> None:
    acts.stage.trade()
    acts.stage.enter()
    acts.stage.conductor.stop("flag")
    assert acts.state().closing is None
    acts.stage.tick(0)
    assert acts.state().closing is not None
    done = acts.ask("cancel_closing")
    assert done.state == "idle"
    assert acts.refused("cancel_closing") == (409, "act_refused")


def test_residuals_are_signed(acts: Acts) -> None:
    assert acts.refused("sign_residuals") == (409, "act_refused")
    acts.stage.trade()
    acts.stage.enter()
    acts.stage.conductor.stop("flag")
    acts.stage.line.submissions = ["refuse"] * 99
    for _ in range(40):
        acts.stage.pass_market_time(15)
        acts.stage.tick(30)
    assert acts.ask("sign_residuals").state == "stopped"
    assert acts.stage.lifecycle.reason == "residuals signed"


# reset


def test_a_reset_takes_name_reason_password_and_patience_in_this_order(acts: Acts) -> None:
    acts.kill()
    assert acts.refused("reset", typed="bot", reason="") == (422, "typed_wrong")
    assert acts.refused("reset", typed=BOT.lower(), reason="checked") == (422, "typed_wrong")
    assert acts.refused("reset", typed=BOT, reason="  ") == (422, "reason_missing")
    assert acts.refused("reset", typed=BOT, reason="checked") == (403, "step_up_needed")
    acts.step_up()
    assert acts.refused("reset", typed=BOT, reason="checked") == (409, "reset_too_soon")
    assert acts.stage.conductor.kill_triggered() is True
    assert acts.stage.backstage.audited("control.reset") == []
    acts.stage.clock.move(seconds=60)
    done = acts.ask("reset", typed=f" {BOT} ", reason="checked")
    assert done.state == "stopped"
    assert acts.stage.conductor.kill_triggered() is False
    outcome = next(one for one in acts.stage.backstage.audited("control.reset") if one.phase is AuditPhase.OUTCOME)
    assert outcome.result == AuditResult.OK
    assert outcome.actor == "Admin"


@pytest.mark.parametrize(("seconds", "left"), [(0, 60), (1, 59), (59, 1), (60, None), (61, None)])
def test_the_hold_before_a_reset(acts: Acts, seconds: int, left: int | None) -> None:
    acts.kill()
    acts.step_up()
    acts.stage.clock.move(seconds=seconds)
    if left is None:
        assert acts.ask("reset", typed=BOT, reason="checked").state == "stopped"
        return
    with pytest.raises(ApiError) as refused:
        acts.ask("reset", typed=BOT, reason="checked")
    problem = refused.value.problem
    assert (problem.code, problem.retry_after_s) == ("reset_too_soon", left)
    assert f"{left} s" in problem.detail
    assert acts.stage.conductor.kill_triggered() is True


@pytest.mark.parametrize(("minutes", "code"), [(9, None), (10, "step_up_needed"), (11, "step_up_needed")])
def test_a_step_up_is_good_for_ten_minutes(acts: Acts, minutes: int, code: str | None) -> None:
    acts.kill()
    acts.step_up()
    acts.stage.clock.move(minutes=minutes)
    if code is None:
        acts.ask("reset", typed=BOT, reason="checked")
    else:
        assert acts.refused("reset", typed=BOT, reason="checked") == (403, code)


def test_a_caller_whose_step_up_ended_meanwhile(acts: Acts) -> None:
    """The verdict was made before the clock moved on: the handler looks again."""
    acts.kill()
    acts.step_up()
    caller = acts.caller()
    acts.stage.clock.move(minutes=10, seconds=1)
    with pytest.raises(ApiError) as refused:
        call(acts.handlers, "control.reset", caller, typed=BOT, reason="checked")
    assert refused.value.problem.code == "step_up_needed"


def test_nothing_to_reset(acts: Acts) -> None:
    acts.step_up()
    assert acts.refused("reset", typed=BOT, reason="checked") == (409, "act_refused")


def test_a_reset_leaves_the_error(acts: Acts) -> None:
    acts.stage.lifecycle.move(State.ERROR, "broken")
    acts.step_up()
    assert acts.ask("reset", typed=BOT, reason="mended").state == "stopped"
