"""The runner's end of the sentinel's line: keeps it running, tells it what it needs, and says farewell."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from subprocess import TimeoutExpired

import structlog

from tbot_bot.api.configuration import Category, category_of
from tbot_bot.api.settings import Configuration
from tbot_bot.config.configuration_change import texts
from tbot_bot.config.restored import RUNNING_SINCE
from tbot_bot.control.child import Child, Keeper, start_child
from tbot_bot.control.conductor import Conductor
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.lifecycle import Lifecycle
from tbot_bot.control.sentinel import Farewell, Word
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.notices import NoticeKind
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.monitoring.log_book import LogBook
from tbot_bot.monitoring.routes import routes_of

log = structlog.get_logger("sentinel_host")
WORD_EVERY_S = 1.0
#: With nothing to send it ends at once; with something, nobody waits for it.
END_TIMEOUT_S = 2.0
POSITIONS_NAMED = 10
_ASKED_FOR = frozenset({Farewell.ASKED, Farewell.RESTART})


class SentinelHost:
    """There is a sentinel while there is a channel or a heartbeat; `facts` tells what is known now."""

    def __init__(
        self, foundation: Foundation, log_book: LogBook, facts: Callable[[], Mapping[str, str]], lifecycle: Lifecycle
    ) -> None:
        self._foundation = foundation
        self._log_book = log_book
        self._facts = facts
        self._lifecycle = lifecycle
        self._keeper = Keeper("sentinel", self._start)
        self._generation: int | None = None
        self._settings: dict[str, str] | None = None
        self._next_word_s = 0.0

    def begin(self) -> None:
        """Take note that a runner runs, and tell if the one before ended without taking leave."""
        record, clock = self._foundation.record, self._foundation.clock
        since = record.fact(RUNNING_SINCE)
        if since is not None:
            self._foundation.notices.tell(
                NoticeKind.STOPPED,
                "The system is up again after it had ended by itself: it was killed, it crashed, or what had started it"
                " or the machine went down. Books and broker are compared before anything trades.",
                {"was up since": since, "up again at": to_rfc3339(clock.now()), "state": self._lifecycle.state},
            )
        record.set_fact(RUNNING_SINCE, to_rfc3339(clock.now()))

    def poll(self) -> None:
        """Do what is due: follow the configuration, keep the process, give a sign of life."""
        now_s = time.monotonic()
        if self._foundation.generation != self._generation:
            self._generation = self._foundation.generation
            self._follow_configuration()
        if self._settings is None:
            return
        self._keeper.poll(now_s)
        if now_s >= self._next_word_s:
            self._next_word_s = now_s + WORD_EVERY_S
            well = self._lifecycle.state is not State.ERROR
            self._say(Word(facts=dict(self._facts()), well=well))

    def farewell(self, how: Farewell) -> None:
        """The runner ends, and this is how. After an end that was asked for the next start has nothing to tell."""
        self._hang_up(how)
        if how in _ASKED_FOR:
            self._foundation.record.set_fact(RUNNING_SINCE, None)

    def _hang_up(self, how: Farewell) -> None:
        child = self._keeper.child
        if child is None:
            return
        self._say(Word(farewell=how))
        if child.process.stdin is not None:
            child.process.stdin.close()
        if how in _ASKED_FOR:
            try:
                child.process.wait(END_TIMEOUT_S)
            except TimeoutExpired:
                log.info("the sentinel still has something to send")
        self._keeper.child = None

    def _follow_configuration(self) -> None:
        wanted = _settings(self._foundation.configuration()) if self._foundation.is_configured() else None
        if wanted == self._settings:
            return
        self._settings = wanted
        if wanted is None:
            self._hang_up(Farewell.RESTART)
        else:
            self._say(Word(settings=wanted))

    def _start(self) -> Child:
        command = [sys.executable, "-m", "tbot_bot.control.sentinel"]
        child = start_child("sentinel", command, now_s=time.monotonic(), on_line=self._line)
        if child.process.stdin is not None:
            os.set_blocking(child.process.stdin.fileno(), False)
        self._next_word_s = 0.0
        self._write(child, Word(settings=self._settings, facts=dict(self._facts())))
        return child

    def _line(self, line: str) -> None:
        self._log_book.write_line("sentinel", line)

    def _say(self, word: Word) -> None:
        if self._keeper.child is not None:
            self._write(self._keeper.child, word)

    def _write(self, child: Child, word: Word) -> None:
        """Say it without waiting: one that does not listen any more is ended, and the keeper starts another."""
        line = word.model_dump_json(exclude_defaults=True).encode() + b"\n"
        stream = child.process.stdin
        if stream is None or stream.closed:
            return
        try:
            written = os.write(stream.fileno(), line)
        except BrokenPipeError:
            return  # it ended: the keeper sees that
        except BlockingIOError:
            written = 0
        if written < len(line):
            child.process.kill()


def last_known(lifecycle: Lifecycle, conductor: Conductor | None) -> dict[str, str]:
    """What a person would first ask for once nothing answers any more."""
    facts = {"state": str(lifecycle.state), "since": to_rfc3339(lifecycle.since), "why": lifecycle.reason}
    if conductor is None:
        return facts
    trades = conductor.floor.records.open_trades()
    named = [f"{trade.symbol} {trade.quantity * trade.side.sign}" for trade in trades[:POSITIONS_NAMED]]
    more = len(trades) - len(named)
    shown = ", ".join(named) + (f" and {more} more" if more else "")
    seen = conductor.floor.view.seen.market_time
    return facts | {
        "open positions": shown or "none",
        "market time": "not known" if seen is None else to_rfc3339(seen),
    }


def _settings(chosen: Configuration) -> dict[str, str] | None:
    """What the sentinel is given, None when it would have nobody to tell."""
    if not routes_of(chosen) and not chosen.NOTIFY_HEARTBEAT_URL.get_secret_value():
        return None
    return {name: text for name, text in texts(chosen).items() if category_of(name) is not Category.BROKER}
