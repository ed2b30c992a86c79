"""A full or failing disk: nothing was acknowledged, and it may be over at the next turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from tbot_bot.control.floor import Floor
from tbot_bot.control.kill_latch import KillLatch
from tbot_bot.domain.audit import AuditUnavailableError
from tbot_bot.domain.time import Clock
from tbot_bot.trading.unrecorded import UnrecordedClosing

DISK_TROUBLE = (OSError, OperationalError, AuditUnavailableError)


class KillInTrouble:
    """Lets a kill close at the broker while nothing can be recorded."""

    def __init__(self, kill: KillLatch, floor: Floor, clock: Clock) -> None:
        self._kill = kill
        self._floor = floor
        self._clock = clock
        self._closing: UnrecordedClosing | None = None

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Do the turn within; if the disk refuses it and a kill stands that is not over, close without the disk."""
        try:
            yield
        except DISK_TROUBLE:
            if self._kill.is_due and self._floor.broker_is_up:
                self._close()
            raise

    def _close(self) -> None:
        floor = self._floor
        if self._closing is None:
            self._closing = UnrecordedClosing(floor.broker, floor.orders, self._clock)
        self._closing.advance()
