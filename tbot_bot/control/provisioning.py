"""From a saved configuration to a bot that waits for its first administrator, step by step.

Each step can be done again: a retry, or a start after a crash, goes on at the step that was not finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog

from tbot_bot.accounting.coa_utils_ledger import create_chart
from tbot_bot.api.setup import Progress, Step, StepStatus
from tbot_bot.api.wording import counted
from tbot_bot.control.conductor import Conductor
from tbot_bot.control.floor import Floor
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.lifecycle import Lifecycle
from tbot_bot.domain.lifecycle import State
from tbot_bot.market.calendar import build
from tbot_bot.storage.control_store import StepRecord

log = structlog.get_logger("provisioning")
#: Synthetic sessions begin here.
SYNTHETIC_FIRST_DAY = date(2010, 1, 1)
READY_TIMEOUT_S = 30.0
POLL_S = 0.05


class StepFailedError(Exception):
    """A step could not be done; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """One step: what it is called, the state it belongs to, and what does it and says what was done."""

    name: str
    title: str
    state: State
    do: Callable[[], str]


class Provisioning:
    """Runs the steps. `open_floor` makes the conductor once there is a configuration; it is asked once."""

    def __init__(self, foundation: Foundation, lifecycle: Lifecycle, open_floor: Callable[[], Conductor]) -> None:
        self._foundation = foundation
        self._record = foundation.record
        self._lifecycle = lifecycle
        self._open_floor = open_floor
        self._conductor: Conductor | None = None
        self._steps = (
            _Planned("identity", "Read the configuration back", State.PROVISIONING, self._identity),
            _Planned("keys", "Check keys and secrets", State.PROVISIONING, self._keys),
            _Planned("folders", "Make the bot's folders", State.PROVISIONING, self._folders),
            _Planned("calendar", "Build the exchange calendar", State.BOOTSTRAPPING, self._calendar),
            _Planned("ledger", "Make the ledger and its chart of accounts", State.BOOTSTRAPPING, self._ledger),
            _Planned("venue", "Open the market", State.BOOTSTRAPPING, self._venue),
            _Planned("opening", "Post the opening balance", State.BOOTSTRAPPING, self._opening),
            _Planned("bot", "Start the bot", State.BOOTSTRAPPING, self._bot),
        )

    @property
    def is_due(self) -> bool:
        """Whether there is a step to do now."""
        return self._lifecycle.state in (State.PROVISIONING, State.BOOTSTRAPPING) and not self.progress().failed

    def begin(self) -> None:
        """Plan the steps and leave `initialize`."""
        self._record.plan_steps([(step.name, step.title) for step in self._steps])
        self._lifecycle.move(State.PROVISIONING, "configuration saved", "setup")

    def retry(self) -> None:
        """Let failed steps be done again."""
        for step in self._record.steps():
            if step.status == StepStatus.FAILED:
                self._record.mark_step(step.name, StepStatus.WAITING, "", self._foundation.clock.now())

    def advance(self) -> None:
        """Do the next step; after the last one the bot waits for its first administrator."""
        done = {step.name for step in self._record.steps() if step.status == StepStatus.DONE}
        step = next((one for one in self._steps if one.name not in done), None)
        if step is None:
            self._lifecycle.move(State.REGISTRATION, "set up", "runner")
            return
        if step.state is not self._lifecycle.state:
            self._lifecycle.move(step.state, step.title, "runner")
        self._do(step)

    def progress(self) -> Progress:
        """How far the set-up is."""
        known = {step.name: step for step in self._record.steps()}
        now = self._foundation.clock.now()
        steps = [_shown(planned, known.get(planned.name), now) for planned in self._steps]
        failed = any(step.status is StepStatus.FAILED for step in steps)
        done = all(step.status is StepStatus.DONE for step in steps)
        began = min((step.started_at for step in known.values() if step.started_at), default=None)
        ended = max((step.ended_at for step in known.values() if step.ended_at), default=now)
        until = ended if failed or done else now
        return Progress(
            state=self._lifecycle.state,
            steps=steps,
            failed=failed,
            done=done,
            elapsed_s=None if began is None else (until - began) // timedelta(seconds=1),
        )

    def _do(self, step: _Planned) -> None:
        clock = self._foundation.clock
        self._record.mark_step(step.name, StepStatus.RUNNING, "", clock.now())
        try:
            detail = step.do()
        except Exception as error:  # shown on the page with a button to try again, and in the log with its traceback
            log.exception("a set-up step failed", step=step.name)
            self._record.mark_step(step.name, StepStatus.FAILED, str(error) or repr(error), clock.now())
            return
        self._record.mark_step(step.name, StepStatus.DONE, detail, clock.now())
        log.info("set-up step done", step=step.name, detail=detail)

    def _floor(self) -> Conductor:
        if self._conductor is None:
            self._conductor = self._open_floor()
        return self._conductor

    # the steps

    def _identity(self) -> str:
        return f"This bot is {self._foundation.configuration().identity}"

    def _keys(self) -> str:
        with self._foundation.secrets.current() as pinned:
            pinned.verify()
            return f"Generation {pinned.number}: {len(pinned.names)} secrets, each under its own key, all readable"

    def _folders(self) -> str:
        identity = self._foundation.configuration().identity
        for folder in ("logs", "ledgers", "trades"):
            path = self._foundation.home.output(identity) / folder
            path.mkdir(mode=0o750, parents=True, exist_ok=True)
        return f"output/{identity}"

    def _calendar(self) -> str:
        sessions = build(SYNTHETIC_FIRST_DAY)
        self._record.replace_calendar(sessions)
        return f"{counted(len(sessions), 'session')} from {sessions[0].day} to {sessions[-1].day}"

    def _ledger(self) -> str:
        identity = self._foundation.configuration().identity
        chart = create_chart(
            self._floor().floor.database,
            self._foundation.clock,
            entity=identity.entity,
            jurisdiction=identity.jurisdiction,
        )
        return f"{len(chart.accounts)} accounts, version {chart.version}"

    def _venue(self) -> str:
        floor = self._open_market()
        market = floor.broker.clock()
        if market.session is None:
            return market.ended_reason or "The market has no session"
        return f"{floor.kind.name}: first session {market.session.day}, {len(floor.instruments())} symbols"

    def _opening(self) -> str:
        floor = self._open_market()
        account = floor.broker.account()
        floor.ledger.post_opening_balance(account.cash, floor.broker.clock().now, str(floor.identity))
        return f"{account.cash} of cash"

    def _bot(self) -> str:
        floor = self._floor().floor
        self._wait(lambda: floor.view.seen.market_time is not None, with_bot=True)
        floor.kill_switch.arm()
        return "The bot is up and waits for Start"

    def _open_market(self) -> Floor:
        """The floor with its market open: again, if this is the first step after a start."""
        floor = self._floor().floor
        self._wait(lambda: floor.broker_is_up, with_bot=False)
        return floor

    def _wait(self, is_ready: Callable[[], bool], *, with_bot: bool) -> None:
        floor = self._floor().floor
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not is_ready():
            floor.poll(bot=with_bot)
            if floor.venue_error:
                raise StepFailedError(floor.venue_error)
            if time.monotonic() > deadline:
                keeper = floor.bot_keeper if with_bot else floor.venue_keeper
                raise StepFailedError(f"Not ready after {READY_TIMEOUT_S:g} s: {keeper.reason if keeper else ''}")
            time.sleep(POLL_S)


def _shown(planned: _Planned, known: StepRecord | None, now: datetime) -> Step:
    if known is None:
        return Step(name=planned.name, title=planned.title, status=StepStatus.WAITING)
    at_work = known.started_at is not None and known.status != StepStatus.WAITING
    took = (known.ended_at or now) - known.started_at if at_work and known.started_at else None
    return Step(
        name=planned.name,
        title=planned.title,
        status=StepStatus(known.status),
        detail=known.detail,
        seconds=None if took is None else round(took.total_seconds(), 2),
    )
