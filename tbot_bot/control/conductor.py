"""Leads the bot through its states: start and reconcile, follow the windows, pause, stop, kill, reset.

`tick` is called by the runner's loop and does what is due, one short step at a time. The bot's reports arrive on its
own thread; both take one lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

import structlog

from tbot_bot.api.bot_protocol import Halt, Pause, Run, TellMarket, TellSession
from tbot_bot.api.status import ApiHealth
from tbot_bot.control.account_view import AccountView
from tbot_bot.control.announcements import Announcements
from tbot_bot.control.api_watch import ApiWatch
from tbot_bot.control.books_keeper import BooksKeeper
from tbot_bot.control.break_signing import sign
from tbot_bot.control.closing_desk import ClosingDesk
from tbot_bot.control.condition_keeper import ConditionKeeper
from tbot_bot.control.defense_keeper import DefenseKeeper
from tbot_bot.control.disk_trouble import KillInTrouble
from tbot_bot.control.floor import Floor
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.kill_latch import KillLatch
from tbot_bot.control.lifecycle import WINDOWS, Lifecycle
from tbot_bot.control.market_view import Seen
from tbot_bot.control.trading_day import TradingDay
from tbot_bot.domain.audit import RefusedError
from tbot_bot.domain.gate import GateConditions
from tbot_bot.domain.intents import Window
from tbot_bot.domain.lifecycle import CLOSING, RUNNING, TRANSITIONS, State, require_transition
from tbot_bot.domain.time import from_rfc3339
from tbot_bot.monitoring.log_book import LogBook
from tbot_bot.monitoring.watchdog_bot import Judgement, Limits
from tbot_bot.trading.closing import ClosingKind, ClosingOutcome
from tbot_bot.trading.kill_switch import KillLatchedError
from tbot_bot.trading.reconciliation import BootReport

log = structlog.get_logger("conductor")
#: Names of facts in the runner's record.
_PAUSED = "paused"
_STOP_SCHEDULED = "stop_scheduled"
_TRADING_SINCE = "trading_since"


class MarketInUseError(RefusedError):
    """The market is started again only while the bot is stopped."""

    code = "market_in_use"

    def __init__(self, state: State) -> None:
        super().__init__(
            f"The market takes new values when it is started again, and for that the bot must be stopped; it is {state}"
            " now. Press Stop, and save again once it is stopped."
        )


class Conductor:
    """Owns what the bot may do. `changed` is called whenever something that people see has changed."""

    def __init__(
        self, foundation: Foundation, lifecycle: Lifecycle, log_book: LogBook, changed: Callable[[], None]
    ) -> None:
        self._foundation = foundation
        self._record = foundation.record
        self._clock = foundation.clock
        self._lifecycle = lifecycle
        self._changed = changed
        self._lock = threading.RLock()
        self.floor = Floor(foundation, log_book, self.conditions, self)
        self.kill = KillLatch(self.floor.kill_switch, self._record, self._clock, lambda: lifecycle.state)
        self.in_trouble = KillInTrouble(self.kill, self.floor, foundation.clock)
        self.notices = foundation.notices
        self.announce = Announcements(self.notices)
        self.defense = DefenseKeeper(foundation, log_book, self.floor, self._defense_changed)
        self.day = TradingDay(self.floor, foundation.clock, self._trip, lambda: self.defense.factor)
        limits = Limits.of(self.floor.settings)
        self.api = ApiWatch(limits, foundation.clock, self.floor.probe, self._api_changed)
        self.account = AccountView(self.floor, self._clock, lambda: self.api.is_down)
        self.input = ConditionKeeper(self.floor, self.account, self._clock, self._tell_pause)
        self.closing = ClosingDesk(self.floor, self._record, self._clock, self.announce)
        self.books = BooksKeeper(self.day.reconcile, self._clock, self.announce, self._tell_pause, changed)
        self._bot_may_trade = False
        self._kill_reason: str | None = None
        self._reopen_due = False

    # what is asked before each order

    def conditions(self) -> GateConditions:
        """What the runner knows now."""
        seen = self.floor.view.seen
        open_day = seen.session.day if seen.session is not None and seen.is_open else None
        return GateConditions(
            state=self._lifecycle.state,
            armed=self.floor.kill_switch.is_armed(),
            killed=self.kill_triggered() is not False,
            paused=self.paused_because() is not None or self.books.is_behind,
            market_day=open_day,
            instruments=self.floor.instruments(),
            marks=seen.marks,
            limits=self.day.limits(),
            float_allocation=self.day.float_in_force(seen),
            defense=self.defense.state.is_active,
            paused_strategies=self.floor.pauses.reasons(),
        )

    def kill_triggered(self) -> bool | None:
        """Whether a kill stands; None when that cannot be read."""
        return self.kill.triggered()

    def paused_because(self) -> str | None:
        """Why no new entry is made; None when entries are allowed."""
        blocked = self.books.break_found or self.api.down_because() or self.input.blocking()
        return blocked or self._record.fact(_PAUSED)

    def is_paused_by_hand(self) -> bool:
        """Whether a person holds entries back; a break does so by itself."""
        return self._record.fact(_PAUSED) is not None

    def trading_since(self) -> datetime | None:
        """The open of the first session that was seen while the bot could trade, market time."""
        kept = self._record.fact(_TRADING_SINCE)
        return None if kept is None else datetime.fromisoformat(kept)

    # acts

    def start(self, actor: str) -> None:
        """Stopped -> started: the switch is armed, reconciliation follows, and then the market runs.

        Raises TransitionRefusedError, KillLatchedError, KillSwitchError.
        """
        with self._lock:
            require_transition(self._lifecycle.state, State.STARTED)
            if self.kill_triggered():
                raise KillLatchedError
            self.floor.kill_switch.arm()
            self._record.set_fact(_STOP_SCHEDULED, None)
            self._lifecycle.move(State.STARTED, "started", actor)
            self.books.expect()

    def pause(self, reason: str) -> None:
        """No new entries; exits are managed."""
        self._set_pause(reason or "paused by a person")

    def resume(self) -> None:
        """Entries again; a break between broker and books still blocks them."""
        self._set_pause(None)

    def begin_defense(self, reason: str, actor: str) -> None:
        """Smaller entries until a person ends it."""
        with self._lock:
            self.defense.begin(reason, actor)

    def end_defense(self, actor: str) -> None:
        """Entries as usual, although something may still call for defense mode."""
        with self._lock:
            self.defense.end(actor)

    def sign_break(self, subject: str, actor: str, reason: str) -> None:
        """Accept what broker, books and ledger disagree about; they are compared again at once.

        Raises NothingToSignError, BreakChangedError.
        """
        with self._lock:
            sign(self.floor.records, self.books.report, subject, actor, reason, self._clock.now())
            self.books.expect()
        self._changed()

    def stop(self, actor: str) -> None:
        """Running -> closing: entries end and the strategy book is closed."""
        with self._lock:
            if self._lifecycle.state in RUNNING:
                self._begin_closing(State.GRACEFUL, "stop", actor)

    def cancel_closing(self, actor: str) -> None:
        """Closing by Stop -> idle: what is still open stays open and is managed again.

        Raises TransitionRefusedError.
        """
        with self._lock:
            self._lifecycle.move(State.IDLE, "closing cancelled", actor)
            self.closing.end(f"cancelled by {actor}")
            self.books.expect()

    def sign_residuals(self, actor: str) -> None:
        """Closing -> stopped although positions are left; they stay at the broker and in the books."""
        with self._lock:
            if self.closing.waits_for_signature:
                self._finish_closing("residuals signed", actor)

    def reset(self, actor: str) -> None:
        """Take the kill switch back, or leave the error state: stopped, and nothing trades until Start."""
        with self._lock:
            if self._lifecycle.state is State.ERROR:
                self._lifecycle.move(State.STOPPED, "reset", actor)
            self.kill.reset()
        self._changed()

    @contextmanager
    def reopening(self) -> Iterator[None]:
        """Within, the bot stays stopped; afterwards market and bot are started again, as they are configured then.

        Raises MarketInUseError unless the bot is stopped. What the block raises leaves them as they are.
        """
        with self._lock:
            if self._lifecycle.state is not State.STOPPED:
                raise MarketInUseError(self._lifecycle.state)
            yield
            self._reopen_due = True

    def reset_hold_left(self) -> timedelta:
        """How long a triggered kill switch cannot be reset yet."""
        return self.kill.hold_left()

    # what is due

    def tick(self) -> None:
        """Do what is due now."""
        if self._reopen_due:
            self._reopen_due = False
            self.floor.reopen()
        self.floor.poll()
        if self.floor.venue_damage is not None:
            self.fail(self.floor.venue_damage)
        self.api.look()
        state = self._lifecycle.state
        with self._lock:
            health, running = self.api.judgement.health, state in RUNNING
            self.input.look(self.books.report, self.day.limits(), self.day.float_in_force(self.floor.view.seen))
            self.defense.look(self.day.figures, api=health, broken=self.books.is_broken, running=running)
            if self.kill_triggered() and State.EMERGENCY in TRANSITIONS[state] and not self.kill.is_over:
                self._begin_closing(State.EMERGENCY, self._kill_reason or "kill switch pulled", "kill switch")
                self._kill_reason = None
            elif state is State.ERROR:
                self._hold_kill()
            elif state in CLOSING:
                self._advance_closing()
            elif state in RUNNING:
                self._keep_trading()

    def fail(self, reason: str) -> None:
        """Trade no more until an administrator has reset the error; what is being closed is closed first."""
        with self._lock:
            state = self._lifecycle.state
            if State.ERROR not in TRANSITIONS[state] or state in CLOSING:
                return
            self.floor.bot.tell(Halt(reason=reason, cancel_entries=True))
            self._bot_may_trade = False
            self._lifecycle.fail(reason)

    def locked_because(self) -> str:
        """Why the market cannot be started again now; empty if it can."""
        state = self._lifecycle.state
        return "" if state is State.STOPPED else str(MarketInUseError(state))

    def shut_down(self) -> None:
        """End bot and venue: working entries are cancelled, protective orders stay at the broker."""
        self.floor.close()

    def _keep_trading(self) -> None:
        if self.api.is_down:
            return  # there is nobody to compare with; the probes say when there is
        if self._bot_may_trade:
            self.books.compare_while_trading()
        elif self.books.is_due and self._bot_has_spoken():
            self.books.postpone()
            self._unlock_if_clean()

    def _bot_has_spoken(self) -> bool:
        """Whether there is a bot to unlock; until its first word it is still coming up."""
        is_there = self.floor.bot_keeper.child is not None and self.floor.view.seen.market_time is not None
        return is_there and not self._bot_may_trade

    def _unlock_if_clean(self) -> None:
        seen = self.floor.view.seen
        if not self.floor.take_back_orders() or not self.books.may_unlock():
            return
        allotted = self.day.float_in_force(seen)
        if allotted is None:
            return
        counts = self.floor.counts(seen.session.day) if seen.session else {}
        trades_today = self.floor.orders.facts().trades_today

        def run() -> Run:
            return Run(
                paused=self.paused_because() is not None,
                trades=self.floor.wire_trades(),
                counts=counts,
                float_allocation=str(allotted),
                trades_today=trades_today,
            )

        if self.floor.bot.tell_books(run):
            self.floor.run_market()
            self._bot_may_trade = True
            why = self.books.unlocked()
            if self._lifecycle.state is State.STARTED:
                self._lifecycle.move(State.IDLE, why, "runner")

    def _begin_closing(self, target: State, reason: str, actor: str) -> None:
        self.floor.bot.tell(Halt(reason=reason, cancel_entries=True))
        self._bot_may_trade = False
        self.closing.begin()
        self._lifecycle.move(target, reason, actor)
        if target is State.EMERGENCY:
            self.announce.kill(reason)

    def _advance_closing(self) -> None:
        kind = ClosingKind.STOP if self._lifecycle.state is State.GRACEFUL else ClosingKind.KILL
        outcome = self.closing.advance(kind)
        self._changed()
        if outcome is ClosingOutcome.SCHEDULED:
            self._record.set_fact(_STOP_SCHEDULED, "yes")
            self._set_pause("Stop was asked for while the market is closed; positions are closed at the open")
            self._lifecycle.move(State.IDLE, "stop scheduled for the open", "runner")
            self.closing.end("scheduled for the open")
            self.books.expect()
        elif outcome is ClosingOutcome.FLAT:
            self._finish_closing("strategy book is flat", "runner")

    def _hold_kill(self) -> None:
        """A kill in the error state closes nothing, so its hold begins as soon as it is seen."""
        if self.kill_triggered() is not False and not self.kill.is_over:
            self.kill.end()
            self.announce.kill("it was pulled while the bot is in error")

    def _finish_closing(self, reason: str, actor: str) -> None:
        if self._lifecycle.state is State.EMERGENCY:
            self.kill.end()
        self._lifecycle.move(State.STOPPED, reason, actor)
        self.closing.end(reason)

    def _set_pause(self, reason: str | None) -> None:
        with self._lock:
            self._record.set_fact(_PAUSED, reason)
            self._tell_pause()
        self._changed()

    def _tell_pause(self) -> None:
        because = self.paused_because()
        self.floor.bot.tell(Pause(paused=because is not None, reason=because or ""))

    def _api_changed(self, before: Judgement, after: Judgement) -> None:
        """An interface that was down, or is: entries stop at once, and follow once broker and books were compared."""
        with self._lock:
            if before.health is ApiHealth.DOWN:
                self.books.is_behind = True
            if ApiHealth.DOWN in (before.health, after.health):
                self._tell_pause()
                self.announce.api_health(after)
        self._changed()

    def _defense_changed(self) -> None:
        self.day.tell_float(self.floor.view.seen)
        self.announce.defense(self.defense.state)
        self._changed()

    def _trip(self, reason: str) -> None:
        if self.kill_triggered() is False and self._lifecycle.state in RUNNING:
            self._kill_reason = reason
            self.floor.kill_switch.trigger(reason)
            self.announce.loss_limit(reason)

    # what the bot reports (its own thread)

    def market(self, told: TellMarket) -> None:
        """A minute or a second has passed in the market."""
        self.api.hear(told)
        self.input.hear(told)
        seen = self.floor.view.take(told)
        with self._lock:
            self.day.minute(seen)
            if self._bot_may_trade and self._lifecycle.state in WINDOWS:
                self._lifecycle.follow_window(*self._due_in(seen))

    def _due_in(self, seen: Seen) -> tuple[State, str]:
        """The state of this moment and why: exits that outlast their window are managed until the close."""
        if seen.window is Window.IDLE and seen.is_open and self.floor.records.open_trades():
            return State.MONITORING, "exits are still worked"
        return State(seen.window.value), f"strategy {seen.strategy}" if seen.strategy else "no window open"

    def session(self, told: TellSession) -> None:
        """A session opened or closed, or the feed ended."""
        if told.what == "gap":
            self.books.is_behind = True
            return
        with self._lock:
            if told.what == "ended":
                self._end_of_feed(told.reason)
                return
            if told.what == "opened" and self._record.fact(_TRADING_SINCE) is None:
                self._record.set_fact(_TRADING_SINCE, from_rfc3339(told.at).isoformat())
            report = self.day.session(told, self.floor.view.seen)
            if report is not None:
                self._session_closed(date.fromisoformat(told.day or ""), report)
            if told.what == "opened" and self._record.fact(_STOP_SCHEDULED) and self._lifecycle.state in RUNNING:
                self._record.set_fact(_STOP_SCHEDULED, None)
                self._set_pause(None)
                self._begin_closing(State.GRACEFUL, "stop scheduled before the open", "runner")
        self._changed()

    def _session_closed(self, day: date, report: BootReport) -> None:
        if self._bot_may_trade:
            self.books.judge(report)
        kept = self.floor.records.results(day)
        found = "" if report.may_trade else "; ".join(report.sentences) or "they disagree"
        self.announce.session_summary(day, kept.result, kept.equity_at_close, found)

    def books_behind(self, why: str) -> None:
        """Something could not be recorded: pull it from the broker soon."""
        log.error("books are behind the broker", why=why)
        self.books.is_behind = True

    def bot_gone(self) -> None:
        """The bot's end of the line closed: nothing trades until a new bot has reconciled."""
        with self._lock:
            self._bot_may_trade = False
            self.api.expect()
            self.floor.view.lose()
            self.books.expect()
            if self._lifecycle.state in WINDOWS:
                self._lifecycle.follow_window(State.IDLE, "the bot process ended; it is started again")
        self._changed()

    def _end_of_feed(self, reason: str) -> None:
        self.floor.view.end(reason)
        if self._lifecycle.state in RUNNING:
            self._begin_closing(State.GRACEFUL, reason, "market")
