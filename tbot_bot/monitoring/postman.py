"""Carries notices from the outbox to people, in a thread of its own: nothing that trades waits for a network.

Each try is on record before it is made, so that a crash at any point leads to one more try under the same id, never to
silence. A channel that fails rests, for longer each time; meanwhile what happens gathers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import structlog

from tbot_bot.domain.notices import Channel, Delivery, DeliveryStatus, Notice, failed, new_notice, pause_after
from tbot_bot.domain.time import Clock
from tbot_bot.monitoring.notices import Notices
from tbot_bot.monitoring.routes import DeliveryError, Route, wants

log = structlog.get_logger("postman")
TURN_S = 1.0
_REMOVED = "This channel is not configured any more."


class Outbox(Protocol):
    """What the postman needs of the outbox."""

    def due(self, now: datetime) -> Sequence[Notice]: ...

    def take(self, notice_id: str, channels: Sequence[Channel], now: datetime) -> None: ...

    def next_waiting(self, channel: Channel, now: datetime) -> tuple[Notice, Delivery] | None: ...

    def keep(self, delivery: Delivery) -> None: ...

    def retry_now(self, channel: Channel, now: datetime) -> None: ...


@dataclass(slots=True)
class Rest:
    """How a channel does: failures in a row, and until when it is left alone."""

    failures: int = 0
    until: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        return self.until is None or now >= self.until


class Postman:
    """`turn` does what is due; `routes` tells the ways that are configured now."""

    def __init__(
        self, outbox: Outbox, notices: Notices, routes: Callable[[], Mapping[Channel, Route]], clock: Clock
    ) -> None:
        self._outbox = outbox
        self._notices = notices
        self._routes = routes
        self._clock = clock
        self._stopping = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="postman", daemon=True)
        self._sent_unrecorded: set[str] = set()
        self.rests = {channel: Rest() for channel in Channel}
        notices.news = self._wake.set

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Carry no more; a try under way is waited for that long, and made again by the next start if it failed."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping:
            try:
                self.turn()
            except Exception as error:  # a postman that ended would tell nobody anything more
                log.exception("notices could not be carried; it is tried again", why=type(error).__name__)
            self._wake.wait(TURN_S)
            self._wake.clear()

    def turn(self) -> None:
        """Do what is due now."""
        routes = self._routes()
        if self._notices.unrecorded:
            self._notices.record()
            self._send_unrecorded(routes)
        for notice in self._outbox.due(self._clock.now()):
            self._take(notice, routes)
        for channel in Channel:
            while not self._stopping and self._carry_one(channel, routes.get(channel)):
                pass

    def _take(self, notice: Notice, routes: Mapping[Channel, Route]) -> None:
        """Send it on its ways once any of them is open; until then it goes on gathering."""
        now = self._clock.now()
        channels = [channel for channel, route in routes.items() if wants(route, notice.kind)]
        if not channels or any(self.rests[channel].is_over(now) for channel in channels):
            self._outbox.take(notice.notice_id, channels, now)

    def _carry_one(self, channel: Channel, route: Route | None) -> bool:
        """Try the next message of a channel; whether there was one and the channel is still open."""
        now = self._clock.now()
        found = self._outbox.next_waiting(channel, now) if self.rests[channel].is_over(now) else None
        if found is None:
            return False
        notice, delivery = found
        if route is None:
            self._outbox.keep(replace(delivery, status=DeliveryStatus.GIVEN_UP, error=_REMOVED))
            return True
        tries = delivery.tries + 1
        tried = replace(delivery, tries=tries, tried_at=now, next_at=now + pause_after(tries))
        self._outbox.keep(tried)
        try:
            route.send(notice, now)
        except DeliveryError as error:
            self._note_failure(channel, notice, tried, str(error))
            return False
        self._outbox.keep(replace(tried, status=DeliveryStatus.SENT, error=""))
        log.info("notice sent", kind=notice.kind, notice=notice.notice_id, channel=channel, tries=tries)
        if self.rests[channel].failures:
            self.rests[channel] = Rest()
            self._outbox.retry_now(channel, self._clock.now())
        return True

    def _note_failure(self, channel: Channel, notice: Notice, tried: Delivery, why: str) -> None:
        now = self._clock.now()
        failures = self.rests[channel].failures + 1
        self.rests[channel] = Rest(failures, now + pause_after(failures))
        kept = failed(tried, notice.first_at, now, why)
        self._outbox.keep(kept)
        tell = log.error if kept.status is DeliveryStatus.GIVEN_UP else log.warning
        tell("notice not sent", kind=notice.kind, notice=notice.notice_id, channel=channel, status=kept.status, why=why)

    def _send_unrecorded(self, routes: Mapping[Channel, Route]) -> None:
        """What the disk does not take is sent once from memory, and recorded when that can be done."""
        waiting = self._notices.unrecorded_now()
        self._sent_unrecorded &= {notice_id for notice_id, _, _ in waiting}
        for notice_id, kind, event in waiting:
            if notice_id in self._sent_unrecorded:
                continue
            self._sent_unrecorded.add(notice_id)
            for channel, route in routes.items():
                if wants(route, kind) and self.rests[channel].is_over(self._clock.now()):
                    self._send_at_once(channel, route, new_notice(notice_id, kind, event, None))

    def _send_at_once(self, channel: Channel, route: Route, notice: Notice) -> None:
        try:
            route.send(notice, self._clock.now())
        except DeliveryError as error:
            log.warning("notice not sent", kind=notice.kind, notice=notice.notice_id, channel=channel, why=str(error))
