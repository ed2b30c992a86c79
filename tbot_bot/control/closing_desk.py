"""The closing that a Stop or a Kill began: taken up again after a restart, and told when it is over."""

from __future__ import annotations

from datetime import datetime

from tbot_bot.api.control import ClosingReport
from tbot_bot.control.announcements import Announcements
from tbot_bot.control.floor import Floor
from tbot_bot.domain.time import Clock
from tbot_bot.storage.control_store import ControlStore
from tbot_bot.trading.closing import Closing, ClosingKind, ClosingOutcome

#: Name of the fact in the runner's record.
_SINCE = "closing_since"


class ClosingDesk:
    """Works one closing at a time, a short step at each call."""

    def __init__(self, floor: Floor, record: ControlStore, clock: Clock, announce: Announcements) -> None:
        self._floor = floor
        self._record = record
        self._clock = clock
        self._announce = announce
        self._under_way: Closing | None = None
        self._last: ClosingReport | None = None

    @property
    def waits_for_signature(self) -> bool:
        """Whether what is left can only be signed."""
        return self._under_way is not None and self._under_way.outcome is ClosingOutcome.RESIDUALS

    def report(self) -> ClosingReport | None:
        """The closing under way, else the last one since the start of this process."""
        return self._last if self._under_way is None else self._under_way.report()

    def begin(self) -> None:
        """Note since when it is closed; the first step comes with `advance`."""
        self._record.set_fact(_SINCE, self._clock.now().isoformat())
        self._under_way = None

    def advance(self, kind: ClosingKind) -> ClosingOutcome | None:
        """Take the next step; return what came of the closing, None while it goes on."""
        if self._under_way is None:
            self._under_way = self._take_up(kind)
        closing = self._under_way
        was_over = closing.outcome is not None
        if not closing.advance():
            return None
        if self.waits_for_signature and not was_over:
            self._announce.closing(closing.report(), "residuals wait for an administrator's signature")
        return closing.outcome

    def end(self, outcome: str) -> None:
        """It is over; `outcome` says how, in words."""
        self._last = None if self._under_way is None else self._under_way.report()
        self._announce.closing(self._last, outcome)
        self._under_way = None
        self._record.set_fact(_SINCE, None)

    def _take_up(self, kind: ClosingKind) -> Closing:
        floor, since = self._floor, self._record.fact(_SINCE)
        started_at = datetime.fromisoformat(since) if since else self._clock.now()
        return Closing(kind, floor.broker, floor.orders, floor.ledger, self._clock, started_at=started_at)
