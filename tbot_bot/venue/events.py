"""The last events, numbered, for clients that ask what came after the one they saw."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Condition

from tbot_bot.domain.broker import BrokerEvent, GapDetected

EVENTS_KEPT = 10_000
EVENTS_PER_CALL = 2_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Events, and the number to ask after next time."""

    events: tuple[BrokerEvent, ...]
    next: int


class EventRing:
    """A bounded memory of events; what fell out of it is reported as a gap, never passed over in silence."""

    def __init__(self, epoch: str, *, kept: int = EVENTS_KEPT) -> None:
        self.epoch = epoch
        self._events: deque[BrokerEvent] = deque(maxlen=kept)
        self._latest = 0
        self._closed = False
        self._changed = Condition()

    @property
    def latest(self) -> int:
        """The number of the last event."""
        with self._changed:
            return self._latest

    def publish(self, events: Sequence[BrokerEvent]) -> None:
        """Number and keep events, and wake who waits for them."""
        with self._changed:
            self._events.extend(events)
            self._latest += len(events)
            self._changed.notify_all()

    def after(self, epoch: str, number: int, timeout_s: float) -> Batch:
        """Return the events after `number` of `epoch`, waiting for the first; empty when none came in time."""
        with self._changed:
            if epoch != self.epoch:
                return self._gap("the simulated market was restarted")
            if number > self._latest:
                return self._gap("the event asked for has not happened yet")
            self._changed.wait_for(lambda: self._latest > number or self._closed, timeout_s)
            oldest = self._latest - len(self._events)
            if number < oldest:
                return self._gap(f"{oldest - number} events were dropped before they were read")
            events = tuple(islice(self._events, number - oldest, number - oldest + EVENTS_PER_CALL))
            return Batch(events, number + len(events))

    def close(self) -> None:
        """Wake everyone: no event will follow."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _gap(self, reason: str) -> Batch:
        return Batch((GapDetected(reason),), self._latest)
