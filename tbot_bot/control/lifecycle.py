"""The state of the bot: recorded by the runner, published for the portal, guarded by the table."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from tbot_bot.config.files import write_atomically
from tbot_bot.config.paths import Home
from tbot_bot.domain.integrity import TamperedError
from tbot_bot.domain.lifecycle import SETTING_UP, TRANSITIONS, State, require_transition, state_at_boot
from tbot_bot.domain.time import Clock
from tbot_bot.storage.control_store import ControlStore, LifecycleRecord

log = structlog.get_logger("lifecycle")
#: The states between which the bot moves by its strategies' windows.
WINDOWS = frozenset({State.IDLE, State.ANALYZING, State.TRADING, State.MONITORING})
_UNRECORDED = (State.SHUTDOWN_TRIGGERED, State.SHUTDOWN)


class Lifecycle:
    """Holds the present state; every change is durable before it is published."""

    def __init__(
        self, store: ControlStore, home: Home, clock: Clock, on_change: Callable[[State, State], None]
    ) -> None:
        self._store = store
        self._home = home
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.RLock()
        self._record = store.lifecycle() or LifecycleRecord(State.INITIALIZE, "new home", "runner", clock.now())

    @property
    def state(self) -> State:
        return self._record.state

    @property
    def reason(self) -> str:
        """Why the bot is in this state."""
        return self._record.reason

    @property
    def since(self) -> datetime:
        return self._record.at

    def boot(self) -> State:
        """Settle the state after a start and publish it."""
        history = self._store.lifecycle_history(50)
        last = history[0].state if history else State.INITIALIZE
        before = next((record for record in history if record.state not in _UNRECORDED), None)
        resumed = state_at_boot(last, before.state if before else None)
        if not history:
            self._write(resumed, "new home", "runner")
        elif resumed is not last:
            # an error keeps its reason until an administrator ends it
            why = before.reason if before and resumed is State.ERROR else "started again"
            self._write(resumed, why, "runner")
        self.publish()
        return resumed

    def move(self, target: State, reason: str, actor: str = "runner") -> None:
        """Go to `target`; raises TransitionRefusedError when the table has no such move."""
        with self._lock:
            source = self.state
            require_transition(source, target)
            self._write(target, reason, actor)
            self.publish()
        log.info("state", source=source, target=target, reason=reason, actor=actor)
        self._on_change(source, target)

    def fail(self, reason: str) -> None:
        """Go to error, and stay there in memory even if that cannot be recorded: what cannot be told may not trade."""
        with self._lock:
            source = self.state
            require_transition(source, State.ERROR)
            record = LifecycleRecord(State.ERROR, reason, "runner", self._clock.now())
            self._record = record
            try:
                self._store.append_lifecycle(record)
            except (SQLAlchemyError, TamperedError):
                log.exception("the error state could not be recorded; it stands all the same")
            self.publish()
        log.critical("state", source=source, target=State.ERROR, reason=reason)
        self._on_change(source, State.ERROR)

    def follow_window(self, target: State, reason: str) -> None:
        """Move among the strategy windows by the shortest way that the table allows."""
        with self._lock:
            if self.state in WINDOWS and target in WINDOWS:
                for step in shortest_way(self.state, target):
                    self.move(step, reason)

    def publish(self) -> None:
        """Write `bot_state.txt` for the portal."""
        write_atomically(self._home.bot_state, f"{self.state}\n".encode(), durable=False)

    def heal_published_copy(self) -> str | None:
        """Rewrite `bot_state.txt` if someone else changed it, and return what it said; None if it was right."""
        with self._lock:
            try:
                found = self._home.bot_state.read_bytes()[:200]
            except OSError as error:
                found = repr(error).encode()
            if found == f"{self.state}\n".encode():
                return None
            self.publish()
            return found.decode("utf-8", "replace").strip()

    @property
    def is_setting_up(self) -> bool:
        return self.state in SETTING_UP

    def last_good_state(self) -> State | None:
        """The newest state before the error."""
        good = (r.state for r in self._store.lifecycle_history(50) if r.state not in (*_UNRECORDED, State.ERROR))
        return next(good, None)

    def _write(self, state: State, reason: str, actor: str) -> None:
        record = LifecycleRecord(state, reason, actor, self._clock.now())
        self._store.append_lifecycle(record)
        self._record = record


def shortest_way(source: State, target: State) -> list[State]:
    """The fewest moves from `source` to `target` within the windows; empty when they are the same."""
    ways: deque[list[State]] = deque([[]])
    seen = {source}
    while ways:
        way = ways.popleft()
        here = way[-1] if way else source
        if here is target:
            return way
        for step in sorted(TRANSITIONS[here] & WINDOWS - seen):
            seen.add(step)
            ways.append([*way, step])
    raise ValueError(f"no way from {source} to {target}")
