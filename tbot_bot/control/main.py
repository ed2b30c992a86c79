"""The runner: the privileged backend process. Owns keys, secrets, people, audit, books, lifecycle and system API."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

import structlog
from sqlalchemy.exc import OperationalError

from tbot_bot.api.backups import Finding
from tbot_bot.api.private_memory import keep_memory_private
from tbot_bot.api.status import ErrorEvent
from tbot_bot.audit.trail import AuditTrail
from tbot_bot.config.paths import Home
from tbot_bot.config.rotation import RotationError
from tbot_bot.control.audit_anchors import AuditAnchors
from tbot_bot.control.audit_examination import AuditExamination
from tbot_bot.control.backups import Nightly, open_backups, open_restores
from tbot_bot.control.clock import WallClock
from tbot_bot.control.conductor import Conductor
from tbot_bot.control.configured_routes import open_postman
from tbot_bot.control.damage import LEDGER, HomeDamagedError, Inspection
from tbot_bot.control.disk_trouble import DISK_TROUBLE
from tbot_bot.control.exit_codes import START_AGAIN, UNHELPABLE
from tbot_bot.control.flags import PROVISION, START, STOP, Flag, FlagFolder
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.home_lock import HomeTakenError, take_home
from tbot_bot.control.integrity import IntegrityWatch
from tbot_bot.control.judge import CallJudge
from tbot_bot.control.letterbox import Letterbox, portal_address
from tbot_bot.control.lifecycle import Lifecycle
from tbot_bot.control.lifeline import watch
from tbot_bot.control.measures import measures_of
from tbot_bot.control.provisioning import Provisioning
from tbot_bot.control.recovery import RecoveryDesk, closed_desk
from tbot_bot.control.requests import Requests
from tbot_bot.control.sentinel import Farewell
from tbot_bot.control.sentinel_host import SentinelHost, last_known
from tbot_bot.control.status_source import StatusSource
from tbot_bot.control.system_api import SystemApi
from tbot_bot.control.unsealer import Unsealer
from tbot_bot.control.verbs_audit import AuditVerbs
from tbot_bot.control.verbs_backups import BackupVerbs
from tbot_bot.control.verbs_configuration import ConfigurationVerbs
from tbot_bot.control.verbs_control import START as START_VERB
from tbot_bot.control.verbs_control import ControlVerbs
from tbot_bot.control.verbs_dashboard import DashboardVerbs
from tbot_bot.control.verbs_factors import FactorVerbs
from tbot_bot.control.verbs_journal import JournalVerbs
from tbot_bot.control.verbs_logs import LogVerbs
from tbot_bot.control.verbs_notifications import NotificationVerbs
from tbot_bot.control.verbs_orders import OrderVerbs
from tbot_bot.control.verbs_sessions import SessionVerbs
from tbot_bot.control.verbs_setup import SetupVerbs
from tbot_bot.control.verbs_strategies import StrategyVerbs
from tbot_bot.control.verbs_users import UserVerbs
from tbot_bot.domain.audit import AuditPhase, AuditResult, AuditUnavailableError
from tbot_bot.domain.identity import UsersUnavailableError
from tbot_bot.domain.integrity import TamperedError
from tbot_bot.domain.lifecycle import CLOSING, SETTING_UP, TRANSITIONS, State, TransitionRefusedError
from tbot_bot.domain.notices import NoticeKind
from tbot_bot.monitoring.error_handler import ErrorHandler
from tbot_bot.monitoring.log_book import LogBook, set_up
from tbot_bot.storage.secret_errors import SecretStoreError
from tbot_bot.trading.kill_switch import KillSwitchError

log = structlog.get_logger("runner")
TICK_S = 0.1
POSTMAN_STOP_S = 2.0
STATUS_EVERY_S = 1.0
HEAL_EVERY_S = 1.0
PASSWORD_COST = 12
_LAST_ERROR = "last_error"
_NOTHING_TO_KEEP = SETTING_UP - {State.REGISTRATION} | {State.ERROR, State.SHUTDOWN_TRIGGERED, State.SHUTDOWN}


class Runner:
    """One runner on one home; `run` returns once it was asked to stop."""

    def __init__(self, home: Home, *, password_cost: int = PASSWORD_COST) -> None:
        self._home = home
        self._clock = WallClock()
        self._stopping = threading.Event()
        self._exit_code = 0
        self._log_book = LogBook(home.system_logs, self._clock)
        set_up(self._log_book.write, self._clock, "runner")
        self._foundation = Foundation(home, self._clock, state=self._state_now, password_cost=password_cost)
        self._lifecycle = Lifecycle(self._foundation.record, home, self._clock, self._state_changed)
        self._requests = Requests(self._foundation.record)
        self._conductor: Conductor | None = None
        self._findings: list[Finding] = []
        self._status: StatusSource | None = None
        self._errors = ErrorHandler(self._remembered_error(), self._remember_error)
        self._log_book.listen(self._errors.hear)
        self._provisioning = Provisioning(self._foundation, self._lifecycle, self._open_floor)
        self._watch = IntegrityWatch(self._foundation)
        self._anchors = AuditAnchors(self._foundation)
        self._told_findings: tuple[Finding, ...] = ()
        self._flags = FlagFolder(home.flags, self._flag_refused)
        self._backups = open_backups(
            home, self._clock, self._foundation.secrets, self._foundation.audit, self._stopping.wait
        )
        self._restores = open_restores(self._foundation, self._backups, self._start_again)
        self._notices = self._foundation.notices
        self._postman = open_postman(self._foundation)
        self._letterbox = Letterbox(self._foundation, portal_address(os.environ))
        self._sentinel = SentinelHost(
            self._foundation, self._log_book, lambda: last_known(self._lifecycle, self._conductor), self._lifecycle
        )
        self._farewell = Farewell.ORPHANED
        self._nightly = Nightly(
            self._backups, lambda: self._lifecycle.state not in _NOTHING_TO_KEEP, self._backup_failed
        )
        self._metrics = measures_of(self._foundation, self._errors)
        self._stop_asked = False
        self._troubled: set[str] = set()
        self._api = self._make_api()
        self._next_status_s = 0.0
        self._next_heal_s = 0.0

    def run(self) -> int:
        """Serve and work until asked to stop (0) or to start again (START_AGAIN), or the unexpected happens (1).

        Then everything below us is ended.
        """
        state = self._lifecycle.boot()
        if state is State.REGISTRATION and self._foundation.users.admin_exists():
            self._lifecycle.move(State.STOPPED, "the first administrator had been registered")
        self._foundation.offer_setup_token()
        self._foundation.epoch.bump()
        log.info("runner up", state=state, generation=self._foundation.generation)
        self._attempt(self._tell_recovery)
        if state not in SETTING_UP or state is State.REGISTRATION:
            self._open_books()
        self._watch.start()
        self._anchors.start()
        self._api.prepare()
        threading.Thread(target=self._api.serve, name="system-api", daemon=True).start()
        self._nightly.start()
        self._postman.start()
        self._letterbox.start()
        self._sentinel.begin()
        try:
            while not self._stopping.wait(TICK_S):
                self._tick()
        except Exception:  # told here; whoever started us starts us again, which is the way to recover
            log.exception("the control process fails and ends")
            self._farewell = Farewell.FAILED
            return 1
        finally:
            self._shut_down()
        return self._exit_code

    def stop(self, *by_signal: int | FrameType | None) -> None:
        """Ask the loop to end: someone did by a signal, or, without one, whoever started us is gone."""
        if by_signal:
            self._farewell = Farewell.ASKED
        self._stopping.set()

    def _start_again(self) -> None:
        self._exit_code, self._farewell = START_AGAIN, Farewell.RESTART
        self._stopping.set()

    # the loop

    def _tick(self) -> None:
        inspection = Inspection(self._clock)
        with inspection.of(LEDGER):
            for part in (
                self._judge_findings,
                self._take_flags,
                self._stop_if_asked,
                self._work,
                self._look_after,
                self._publish_if_due,
            ):
                self._attempt(part)
        if inspection.findings:
            self._attempt(self._end_children)
            self._conductor = self._status = None
            self._books_are_damaged(inspection)

    def _attempt(self, part: Callable[[], object]) -> None:
        """Do one part of a turn; what a disk in trouble did not let us do is tried again at the next."""
        try:
            part()
        except TamperedError:
            self._watch.look(everything=True)  # it tells what it finds at the next turn
            return
        except DISK_TROUBLE as error:
            if part.__name__ not in self._troubled:
                self._troubled.add(part.__name__)
                log.exception("the disk refuses; nothing was acknowledged, it is tried again", why=str(error))
            return
        if part.__name__ in self._troubled:
            self._troubled.discard(part.__name__)
            log.info("the disk accepts again", doing=part.__name__)

    def _judge_findings(self) -> None:
        """Tell what was changed behind our back, once, and trade no more until an administrator has seen to it."""
        found = self._watch.findings
        told, self._told_findings = self._told_findings, found
        for one in [one for one in found if one not in told]:
            log.critical("changed behind the system's back", subject=one.subject, what=one.what)
            self._notices.tell(NoticeKind.INTEGRITY, f"{one.subject}: {one.what} {one.next_step}")
            with contextlib.suppress(AuditUnavailableError):  # the log has it, and the state says it
                self._note("integrity.violation", one.subject, AuditResult.FAILED, reason=one.what)
        if not found or State.ERROR not in TRANSITIONS[self._lifecycle.state] or self._lifecycle.state in CLOSING:
            return  # what is being closed is closed first
        if self._lifecycle.is_setting_up or self._conductor is None:
            raise HomeDamagedError(found)  # nobody could reset it: the next start says what to do
        self._conductor.fail(f"{found[0].subject}: {found[0].what} {found[0].next_step}")

    def _take_flags(self) -> None:
        for flag in self._flags.consume():
            self._obey(flag)

    def _stop_if_asked(self) -> None:
        if not self._stop_asked:
            return
        if self._conductor is not None:
            self._conductor.stop("flag")
        self._stop_asked = False
        self._note("control.stop", "flag", AuditResult.OK)

    def _work(self) -> None:
        if self._provisioning.is_due:
            self._provisioning.advance()
        elif self._conductor is not None:
            with self._conductor.in_trouble.beside():
                self._conductor.tick()

    def _look_after(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_heal_s:
            self._next_heal_s = now_s + HEAL_EVERY_S
            self._sentinel.poll()
            self._heal()
            if self._foundation.audit.checkpoint_if_due() is not None:
                self._foundation.chain.remember()

    def _publish_if_due(self) -> None:
        now_s = time.monotonic()
        if self._status is not None and now_s >= self._next_status_s:
            self._next_status_s = now_s + STATUS_EVERY_S
            self._status.publish()

    def _heal(self) -> None:
        found = self._lifecycle.heal_published_copy()
        if found is None:
            return
        log.error("bot_state.txt was changed by someone else and was rewritten", found=found)
        self._note("lifecycle.heal", "bot_state.txt", AuditResult.OK, before={"found": found})

    def _obey(self, flag: Flag) -> None:
        if flag.name == STOP:
            self._stop_asked = True
            return
        now = self._clock.now()
        try:
            verb = {PROVISION: "provision", START: START_VERB}[flag.name]
            actor = self._requests.use(flag.request_id or "", verb, now)
            if actor is None:
                self._flag_refused(flag.name, "its request is unknown, expired or used")
                return
            if flag.name == PROVISION:
                self._provisioning.begin()
            elif self._conductor is not None:
                self._conductor.start(actor)
            self._note(verb, flag.name, AuditResult.OK, actor=actor)
        except (TransitionRefusedError, KillSwitchError) as error:
            self._flag_refused(flag.name, str(error))

    def _shut_down(self) -> None:
        log.info("runner stopping")
        self._nightly.stop()
        self._letterbox.stop(POSTMAN_STOP_S)
        try:
            for part in (self._say_shutting_down, self._end_children, self._say_shut_down):
                self._attempt(part)
            self._attempt(self._foundation.audit.checkpoint)
            self._anchors.stop()
            self._watch.stop()
            self._watch.look()
            self._attempt(self._foundation.chain.remember)
        finally:
            self._postman.stop(POSTMAN_STOP_S)
            self._api.stop()  # its threads would keep a process alive that does nothing
            self._attempt(lambda: self._sentinel.farewell(self._farewell))  # we do not answer any more
            self._foundation.close()

    def _say_shutting_down(self) -> None:
        if State.SHUTDOWN_TRIGGERED in TRANSITIONS[self._lifecycle.state]:
            self._lifecycle.move(State.SHUTDOWN_TRIGGERED, "asked to stop")

    def _end_children(self) -> None:
        if self._conductor is not None:
            self._conductor.shut_down()

    def _say_shut_down(self) -> None:
        if self._lifecycle.state is State.SHUTDOWN_TRIGGERED:
            self._lifecycle.move(State.SHUTDOWN, "stopped")

    # composition

    def _open_books(self) -> None:
        """Open the floor; with a damaged ledger the bot is in error until an administrator has restored it."""
        inspection = Inspection(self._clock)
        inspection.require_file(LEDGER, self._home.ledger_database(self._foundation.configuration().identity))
        if not inspection.findings:
            with inspection.of(LEDGER):
                self._open_floor()
        self._books_are_damaged(inspection)

    def _books_are_damaged(self, inspection: Inspection) -> None:
        """With what was found, the bot is in error and nothing trades; nothing found changes nothing."""
        self._findings = inspection.findings
        state = self._lifecycle.state
        if state is State.REGISTRATION:
            inspection.require_none()  # nobody could sign in to restore it
        for found in self._findings:
            log.critical("the ledger is damaged", what=found.what, next_step=found.next_step)
            if state is not State.ERROR:
                self._lifecycle.move(State.ERROR, f"{found.subject}: {found.what}")

    def _open_floor(self) -> Conductor:
        if self._conductor is None:
            self._conductor = Conductor(self._foundation, self._lifecycle, self._log_book, self._publish_soon)
            self._status = StatusSource(
                self._foundation, self._lifecycle, self._conductor, self._errors, self._anchors.troubles
            )
        return self._conductor

    def _make_api(self) -> SystemApi:
        unsealer = Unsealer(self._foundation, self._requests)
        dashboard = DashboardVerbs(self._desk, self._metrics)
        logs = LogVerbs(self._foundation, self._log_book)
        orders = OrderVerbs(lambda: self._audit, self._open_floor, self._clock)
        strategies = StrategyVerbs(lambda: self._audit, self._open_floor)
        setup = SetupVerbs(self._foundation, self._lifecycle, self._provisioning, unsealer, self._requests)
        control = ControlVerbs(
            self._foundation, self._lifecycle, lambda: self._conductor, self._requests, self._all_findings
        )
        sessions, codes = SessionVerbs(self._foundation, unsealer), FactorVerbs(self._foundation, unsealer)
        backups = BackupVerbs(self._foundation, self._backups, self._restores)
        configuration = ConfigurationVerbs(self._foundation, self._open_floor, unsealer)
        audit = AuditVerbs(self._foundation, AuditExamination(self._foundation, self._watch, self._anchors))
        journal = JournalVerbs(lambda: self._desk()[0])
        people = UserVerbs(self._foundation, unsealer, self._letterbox)
        told = NotificationVerbs(self._foundation, self._postman)
        verbs = (
            setup,
            sessions,
            codes,
            people,
            dashboard,
            logs,
            orders,
            strategies,
            control,
            configuration,
            backups,
            audit,
            journal,
            told,
        )
        handlers = {name: handler for each in verbs for name, handler in each.handlers().items()}
        handlers |= closed_desk()
        judge = CallJudge(self._foundation, self._lifecycle)
        return SystemApi(self._home.runner_socket, handlers, judge, frozenset({os.getuid()}))

    def _all_findings(self) -> list[Finding]:
        return [*self._findings, *self._watch.findings]

    def _desk(self) -> tuple[Conductor, StatusSource]:
        conductor = self._open_floor()
        if self._status is None:
            raise RuntimeError("the floor is open, so there is a status source")
        return conductor, self._status

    # what happened

    def _state_now(self) -> str:
        return self._lifecycle.state if hasattr(self, "_lifecycle") else State.INITIALIZE

    def _state_changed(self, source: State, target: State) -> None:
        self._foundation.epoch.bump()
        self._nightly.look()
        self._publish_soon()
        why = self._lifecycle.reason
        log.info("status changed", state_change=True, shown="state", before=source, after=target, why=why)
        if target is State.ERROR:
            self._notices.tell(NoticeKind.ERROR_STATE, f"Nothing trades: {self._lifecycle.reason}", {"before": source})
        try:
            self._note("lifecycle.move", target, AuditResult.OK, before={"state": source})
        except AuditUnavailableError:
            log.exception("a state change could not be audited", source=source, target=target)

    def _backup_failed(self, why: str) -> None:
        self._notices.tell(NoticeKind.BACKUP_FAILED, f"No nightly snapshot could be made: {why}. It is tried again.")

    def _publish_soon(self) -> None:
        self._next_status_s = 0.0

    def _flag_refused(self, name: str, reason: str) -> None:
        log.warning("a flag was refused", flag=name, why=reason)
        self._note("flag.refuse", name, AuditResult.REFUSED, reason=reason)

    def _note(
        self,
        verb: str,
        target: str,
        result: AuditResult,
        *,
        actor: str = "runner",
        reason: str = "",
        before: dict[str, object] | None = None,
    ) -> None:
        self._audit.record(
            verb=verb,
            phase=AuditPhase.EVENT,
            actor=actor,
            target=target,
            result=result,
            reason=reason,
            before=before,
            generation=self._foundation.generation,
        )

    @property
    def _audit(self) -> AuditTrail:
        return self._foundation.audit

    def _tell_recovery(self) -> None:
        """Say what lay beside the generation that counts, if anything did."""
        recovery = self._foundation.recovery
        found = {name: getattr(recovery, name) for name in ("removed", "uncommitted", "damaged")}
        left = {name: ", ".join(map(str, ones)) for name, ones in found.items() if ones}
        if not left:
            return
        (log.error if recovery.damaged else log.warning)("generations of secrets were left over or damaged", **left)
        self._note("secrets.recover", str(recovery.number), AuditResult.OK, before=dict(left))

    def _remembered_error(self) -> ErrorEvent | None:
        kept = self._foundation.record.fact(_LAST_ERROR)
        return None if kept is None else ErrorEvent.model_validate_json(kept)

    def _remember_error(self, event: ErrorEvent) -> None:
        # It stays in memory; to log this would only lead back here.
        with contextlib.suppress(OperationalError, TamperedError):
            self._foundation.record.set_fact(_LAST_ERROR, event.model_dump_json())


def open_home(home: Home) -> Runner | RecoveryDesk:
    """The runner of this home; where the home is damaged, the desk that restores it, with a word at the terminal."""
    try:
        return Runner(home)
    except HomeDamagedError as error:
        found = "".join(f"  - {one.subject}: {one.what}\n" for one in error.findings)
        sys.stderr.write(f"The home {home.root} is damaged and was not opened:\n{found}")
        return RecoveryDesk(home, WallClock(), error.findings)


def main() -> int:
    """Run until asked to stop; UNHELPABLE when something outside must change first."""
    os.umask(0o027)
    keep_memory_private()
    home = Home.from_environment()
    try:
        take_home(home)
        runner = open_home(home)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, runner.stop)
        watch(runner.stop)
        return runner.run()
    except (HomeTakenError, HomeDamagedError, SecretStoreError, RotationError, AuditUnavailableError) as error:
        sys.stderr.write(f"Cannot start: {error}\n")
        return UNHELPABLE
    except (OSError, OperationalError, UsersUnavailableError) as error:
        why = error.orig if isinstance(error, OperationalError) else error
        sys.stderr.write(
            f"Cannot start: the home {home.root} cannot be read or written ({why}). Free some space there.\n"
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
