"""The running market: one lock around the core, a thread that lets time pass, and the calls that clients make."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, RLock
from typing import Any

from tbot_bot.brokers.sim.wire import WireError, encode, encode_event
from tbot_bot.venue.calls import CALLS, Arguments, argument
from tbot_bot.venue.events import EventRing
from tbot_bot.venue.faults import FaultKind
from tbot_bot.venue.followers import Followers
from tbot_bot.venue.journal import Journal
from tbot_bot.venue.line import Line, Reply
from tbot_bot.venue.pacer import Pacer
from tbot_bot.venue.venue import Venue

_WAIT_MS_MAX = 60_000
#: How often a market that waits for a follower looks whether it still should.
_LOOK_S = 0.5


class MarketStoppedError(Exception):
    """The market met an error or shuts down: it answers nothing more, for its memory may be ahead of its books."""


class MarketService:
    """Runs a venue in wall time and answers calls, one at a time."""

    def __init__(
        self,
        venue: Venue,
        pacer: Pacer,
        ring: EventRing,
        followers: Followers,
        journal: Journal,
        *,
        on_failure: Callable[[], None],
    ) -> None:
        self._venue = venue
        self._pacer = pacer
        self._ring = ring
        self._followers = followers
        self._journal = journal
        self._lock = RLock()
        self._wake = Condition(self._lock)
        self._stopped = False
        self.failure: Exception | None = None
        self._on_failure = on_failure
        self._line = Line(venue.market.faults)

    def run(self) -> None:
        """Let time pass until stopped; an error stops the market, and restarting it is the way to recover."""
        with self._wake:
            while not self._stopped:
                try:
                    is_waiting = self._advance()
                except Exception as error:  # noqa: BLE001  whatever it is, the main thread reports it and exits
                    self._fail(error)
                    return
                self._wake.wait(_LOOK_S if is_waiting else self._pacer.delay_s())

    def start_clock(self) -> None:
        """Start the clock for the first time; once it runs this does nothing."""
        with self._wake:
            if not self._pacer.running:
                self._journal.start()
                self._pacer.start()
                self._wake.notify_all()

    def hold_clock(self) -> None:
        """Let the clock stand until it is started again; calls are answered. A new process goes on by itself."""
        with self._wake:
            self._pacer.hold()

    def stop(self) -> None:
        """Finish the call at hand, then refuse all others; what was answered is in the journal already."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        self._ring.close()

    def greeting(self) -> dict[str, Any]:
        """What a client needs to follow events from here on."""
        return {"epoch": self._ring.epoch, "latest": self._ring.latest}

    def forget(self, client: str) -> None:
        """A client hung up: the market does not wait for it."""
        with self._wake:
            self._followers.forget(client)
            self._wake.notify_all()

    def delay_s(self, call: str) -> int:
        """How long the line holds a call up, in seconds of the wall."""
        if not self._venue.market.faults.has(FaultKind.LATENCY):
            return 0
        with self._lock:
            fault = self._line.delay(call, self._venue.market.now)
            return 0 if fault is None else fault.seconds

    def answer(self, client: str, call: str, arguments: Arguments, *, is_current: Callable[[], bool]) -> Reply:
        """Make one call of a client at the present market time and return what crosses the wire, and how.

        `is_current` is asked under the lock: a call from a connection that its client gave up must do nothing.
        Raises WireError for a call that is not understood.
        """
        if call == "events":
            events = self._events(client, arguments)
            with self._lock:
                return self._carry(call, arguments, lambda: events)
        if call not in CALLS and call != "clock":
            raise WireError(f"there is no call {call!r}")
        with self._lock:
            if self._stopped or not is_current():
                raise MarketStoppedError
            try:
                self._advance()
                return self._carry(call, arguments, lambda: self._result(call, arguments))
            except WireError:
                raise
            except Exception as error:
                self._fail(error)
                raise MarketStoppedError from error

    def _carry(self, call: str, arguments: Arguments, make: Callable[[], Any]) -> Reply:
        reply = self._line.carry(call, arguments, self._venue.market.now, make)
        self._venue.settle()  # what the line did belongs to the scenario's state
        return reply

    def _result(self, call: str, arguments: Arguments) -> Any:
        if call == "clock":
            return encode(self._venue.market.clock(running=self._pacer.running))
        return CALLS[call](self._venue, arguments)

    def _advance(self) -> bool:
        """Let pass the time that is due, a step at a time; True where a follower has to be waited for first."""
        if self._followers.are_behind(self._ring.latest):
            return True
        target = self._pacer.target()
        while (step_at := self._venue.market.next_step_at) is not None and step_at <= target:
            self._venue.advance_to(step_at)
            if self._followers.are_behind(self._ring.latest):
                return True
        self._venue.advance_to(target)
        return False

    def _fail(self, error: Exception) -> None:
        self.failure = self.failure or error
        self._stopped = True
        self._ring.close()
        self._on_failure()

    def _events(self, client: str, arguments: Arguments) -> Any:
        wait_ms = min(max(argument(int, arguments, "timeout_ms"), 0), _WAIT_MS_MAX)
        epoch, after = argument(str, arguments, "epoch"), argument(int, arguments, "after")
        with self._wake:
            self._followers.note(client, after if epoch == self._ring.epoch else self._ring.latest)
            self._wake.notify_all()
        batch = self._ring.after(epoch, after, wait_ms / 1000)
        return {
            "events": [encode_event(event) for event in batch.events],
            "next": batch.next,
            "epoch": self._ring.epoch,
        }
