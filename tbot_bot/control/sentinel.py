"""The sentinel: a small process beside the runner that tells people when the runner ends without a farewell, or hangs.

It holds what the channels need, in memory only, opens no file of the home, and outlives the runner by as long as the
message takes. While all is well it fetches the heartbeat's address. What it cannot cover, a machine that is off, that
address's monitor does. See docs/decisions/0010-dead-mans-message.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from uuid import uuid4

import structlog
from pydantic import ValidationError

from tbot_bot.api.model import Message
from tbot_bot.api.private_memory import keep_memory_private
from tbot_bot.api.settings import Configuration
from tbot_bot.api.unix_socket import SocketAddress
from tbot_bot.config.paths import Home
from tbot_bot.control.clock import WallClock
from tbot_bot.domain.notices import Channel, NoticeEvent, NoticeKind, new_notice, pause_after
from tbot_bot.domain.time import Clock
from tbot_bot.monitoring.log_book import set_up
from tbot_bot.monitoring.routes import DeliveryError, Route, routes_of, wants
from tbot_bot.monitoring.webhook import WebhookError, fetch

log = structlog.get_logger("sentinel")
HEARTBEAT_EVERY_S = 60.0
HEARTBEAT_TIMEOUT_S = 10
#: Without a word for this long the runner hangs.
SILENCE_S = 120.0
#: So long another runner has to come up, which then tells of the end itself.
UP_WAIT_S = 20.0
#: A message that cannot be delivered for so long stays undelivered.
PATIENCE_S = 3600.0
#: After a stop that was asked for nobody waits for more.
FAREWELL_PATIENCE_S = 60.0
LOOK_EVERY_S = 2.0
_STANDARD_INPUT = 0


class Farewell(StrEnum):
    """How the runner ends."""

    ASKED = "asked"
    RESTART = "restart"
    FAILED = "failed"
    ORPHANED = "orphaned"


class Word(Message):
    """One line from the runner; `settings` are those of the channels, `facts` what is known last, `well` all is."""

    settings: dict[str, str] | None = None
    facts: dict[str, str] | None = None
    well: bool = True
    farewell: Farewell | None = None


_HOW: dict[Farewell | None, str] = {
    None: "The control process ended without a farewell (it was killed, or it crashed)",
    Farewell.FAILED: "The control process failed and ended",
    Farewell.ORPHANED: "What had started the control process is gone, so it ended in order",
}
_NOBODY = "Nothing had started it again when this was sent."
_WHAT_STANDS = (
    "No new entry is sent while it is down; protective orders stand at the broker, and the next start compares books"
    " and broker before it trades. Start it again and look at the notifications page."
)


class Sentinel:
    """What it knows and does; `is_up` tells whether a runner answers, `pause` waits, `now_s` is a steady clock."""

    def __init__(
        self, clock: Clock, is_up: Callable[[], bool], pause: Callable[[float], None], now_s: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._is_up = is_up
        self._pause = pause
        self._now_s = now_s
        self._routes: Mapping[Channel, Route] = {}
        self._heartbeat_url = ""
        self._facts: dict[str, str] = {}
        self._well = False
        self._farewell: Farewell | None = None
        self._heard_s = self._beat_s = now_s()
        self._told_silence = False

    def hear(self, line: str) -> None:
        """Take one line of the runner."""
        try:
            word = Word.model_validate_json(line)
            chosen = None if word.settings is None else Configuration.model_validate(word.settings)
        except ValidationError as error:
            log.warning("a word of the runner was not understood", problems=error.error_count())
            return
        self._heard_s = self._now_s()
        self._told_silence = False
        self._well = word.well
        self._facts = word.facts if word.facts is not None else self._facts
        self._farewell = word.farewell or self._farewell
        if chosen is not None:
            self._routes = routes_of(chosen)
            self._heartbeat_url = chosen.NOTIFY_HEARTBEAT_URL.get_secret_value()
            self._beat_s = self._now_s() - HEARTBEAT_EVERY_S

    def look(self) -> None:
        """Do what is due while the runner lives."""
        now_s = self._now_s()
        silent_s = now_s - self._heard_s
        if silent_s >= SILENCE_S and not self._told_silence:
            self._told_silence = True
            how = f"The control process has given no sign for {round(silent_s)} s; it may hang."
            self._tell(NoticeKind.STOPPED, f"{how} {_WHAT_STANDS}", patience_s=SILENCE_S, until=lambda: False)
        if self._heartbeat_url and self._well and silent_s < HEARTBEAT_EVERY_S <= now_s - self._beat_s:
            self._beat_s = now_s
            try:
                fetch(self._heartbeat_url, HEARTBEAT_TIMEOUT_S)
            except WebhookError as error:
                log.warning("the heartbeat's address was not reached", why=str(error))

    def gone(self) -> None:
        """The line has ended: tell it, unless another runner is up and does, or nobody wants to know."""
        if self._farewell is Farewell.RESTART:
            return
        if self._farewell is Farewell.ASKED:
            self._tell(
                NoticeKind.FAREWELL,
                "The system was stopped as asked. Protective orders stand at the broker.",
                patience_s=FAREWELL_PATIENCE_S,
                until=lambda: False,
            )
            return
        waits_until_s = self._now_s() + UP_WAIT_S
        while self._is_wanted(NoticeKind.STOPPED) and self._now_s() < waits_until_s:
            self._pause(LOOK_EVERY_S)  # the one that ends may still answer when its end of our line is closed already
            if self._is_up():
                return
        sentence = f"{_HOW[self._farewell]}. {_NOBODY} {_WHAT_STANDS}"
        self._tell(NoticeKind.STOPPED, sentence, patience_s=PATIENCE_S, until=self._is_up)

    def _is_wanted(self, kind: NoticeKind) -> bool:
        return any(wants(route, kind) for route in self._routes.values())

    def _tell(self, kind: NoticeKind, sentence: str, *, patience_s: float, until: Callable[[], bool]) -> None:
        """Send it each way, again and again for so long, but no more once `until` is true."""
        notice = new_notice(uuid4().hex, kind, NoticeEvent(self._clock.now(), sentence, self._facts), None)
        waiting = {channel: route for channel, route in self._routes.items() if wants(route, kind)}
        began_s, tries = self._now_s(), 0
        while waiting and not until():
            for channel, route in list(waiting.items()):
                with contextlib.suppress(DeliveryError):
                    route.send(notice, self._clock.now())
                    del waiting[channel]
            tries += 1
            pause_s = pause_after(tries).total_seconds()
            if not waiting or self._now_s() + pause_s - began_s > patience_s:
                return
            self._pause(pause_s)


def runner_answers(home: Home) -> bool:
    """Whether somebody is behind the runner's socket."""
    try:
        with SocketAddress(home.runner_socket) as address, socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(LOOK_EVERY_S)
            return probe.connect_ex(address.short) == 0
    except OSError:
        return False


def _write(record: Mapping[str, object]) -> None:
    with contextlib.suppress(OSError):  # the runner is gone, which is when this process has its work
        sys.stderr.write(json.dumps(record, default=str) + "\n")
        sys.stderr.flush()


def main() -> int:
    """Listen until the line ends, tell what is to be told, and end."""
    keep_memory_private()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # whoever ends all of us ends the runner too
        signal.signal(number, signal.SIG_IGN)
    home, clock = Home.from_environment(), WallClock()
    set_up(_write, clock, "sentinel")
    sentinel = Sentinel(clock, lambda: runner_answers(home), time.sleep, time.monotonic)
    left = b""
    while True:
        if select.select([_STANDARD_INPUT], [], [], 1.0)[0]:
            read = os.read(_STANDARD_INPUT, 65536)
            if not read:
                break
            *lines, left = (left + read).split(b"\n")
            for line in lines:
                sentinel.hear(line.decode("utf-8", "replace"))
        sentinel.look()
    sentinel.gone()
    return 0


if __name__ == "__main__":
    sys.exit(main())
