"""The kill switch with our own record of a kill: it stays triggered until the reset, whoever takes its file away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from tbot_bot.domain.lifecycle import TRANSITIONS, State
from tbot_bot.domain.time import Clock
from tbot_bot.storage.control_store import ControlStore
from tbot_bot.trading.kill_switch import KillSwitch, KillSwitchError

log = structlog.get_logger("kill")
#: So long after a kill is over it cannot be reset.
RESET_HOLD = timedelta(seconds=60)
#: Name of the fact in the runner's record.
_CLOSED = "kill_closed_at"


class KillLatch:
    """Whether a kill stands; `state` tells the lifecycle's state."""

    def __init__(self, switch: KillSwitch, record: ControlStore, clock: Clock, state: Callable[[], State]) -> None:
        self._switch = switch
        self._record = record
        self._clock = clock
        self._state = state

    @property
    def is_over(self) -> bool:
        """Whether what was open when it was pulled has been dealt with."""
        return self._record.fact(_CLOSED) is not None

    def triggered(self) -> bool | None:
        """Whether a kill stands; None when that cannot be read."""
        if self._state() is State.EMERGENCY or self.is_over:
            return True
        try:
            return self._switch.triggered()
        except KillSwitchError as error:
            log.exception("the kill switch cannot be read", why=str(error))
            return None

    @property
    def is_due(self) -> bool:
        """Whether a kill stands and what is open has still to be closed; in the error state nothing is."""
        state = self._state()
        can_close = state is State.EMERGENCY or State.EMERGENCY in TRANSITIONS[state]
        return can_close and self.triggered() is True and not self.is_over

    def end(self) -> None:
        """Record that what was open has been dealt with; the hold before a reset begins."""
        self._record.set_fact(_CLOSED, self._clock.now().isoformat())

    def hold_left(self) -> timedelta:
        """How long it cannot be reset yet."""
        closed = self._record.fact(_CLOSED)
        if closed is None:
            return RESET_HOLD if self.triggered() is not False else timedelta(0)
        return max(timedelta(0), datetime.fromisoformat(closed) + RESET_HOLD - self._clock.now())

    def reset(self) -> None:
        """Take a kill back and arm the switch again. Raises KillSwitchError."""
        if self.triggered() is not False:
            self._switch.reset()
            self._switch.arm()
        self._record.set_fact(_CLOSED, None)
