"""The one seam through which events become messages: `Notices.tell` records what happened and never stands in the way.

What cannot be recorded now (a full disk) is kept in memory and recorded as soon as it can be; nothing is sent before.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol
from uuid import uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError

from tbot_bot.domain.integrity import TamperedError
from tbot_bot.domain.notices import NoticeEvent, NoticeKind
from tbot_bot.domain.time import Clock
from tbot_bot.monitoring.log_book import redact

log = structlog.get_logger("notices")
SENTENCE_LENGTH_MAX = 1000
FACTS_MAX = 40
FACT_LENGTH_MAX = 500
#: What could not be recorded is kept up to here; of more, the oldest is lost, which the log says.
UNRECORDED_MAX = 200


#: The id that a notice will have, and what it is to tell.
Unrecorded = tuple[str, NoticeKind, NoticeEvent]


class OutboxPort(Protocol):
    """Where notices are durable."""

    def add(self, notice_id: str, kind: NoticeKind, event: NoticeEvent) -> None:
        """Put an event into the notice of its kind that still gathers, else into a new one."""
        ...


class Notices:
    """Tells people of events. `news` is called after each one that was recorded."""

    def __init__(self, outbox: OutboxPort, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock
        self._lock = threading.Lock()
        self._unrecorded: deque[Unrecorded] = deque()
        self.news: Callable[[], None] = lambda: None

    def tell(self, kind: NoticeKind, sentence: str, facts: Mapping[str, str] | None = None) -> None:
        """Record that something happened, in one sentence and named facts; it raises nothing and sends nothing.

        The value of a fact whose name speaks of a secret is blanked.
        """
        event = NoticeEvent(self._clock.now(), _text(sentence, SENTENCE_LENGTH_MAX), _facts(facts or {}))
        with self._lock:
            if len(self._unrecorded) == UNRECORDED_MAX:
                _, lost, _ = self._unrecorded.popleft()
                log.error("a notice was lost: it could not be recorded for too long", kind=lost)
            self._unrecorded.append((uuid4().hex, kind, event))
        self.record()

    def record(self) -> None:
        """Record what could not be recorded before."""
        try:
            with self._lock:
                while self._unrecorded:
                    self._outbox.add(*self._unrecorded[0])
                    self._unrecorded.popleft()
        except (SQLAlchemyError, TamperedError, OSError) as error:
            log.warning("a notice could not be recorded yet; it is tried again", why=type(error).__name__)
            return
        self.news()

    @property
    def unrecorded(self) -> int:
        """How many events wait to be recorded."""
        return len(self._unrecorded)

    def unrecorded_now(self) -> list[Unrecorded]:
        """What waits to be recorded, oldest first."""
        with self._lock:
            return list(self._unrecorded)


def _facts(facts: Mapping[str, str]) -> dict[str, str]:
    shown = redact(None, "", dict(list(facts.items())[:FACTS_MAX]))
    return {_text(name, FACT_LENGTH_MAX): _text(str(value), FACT_LENGTH_MAX) for name, value in shown.items()}


def _text(text: str, length_max: int) -> str:
    """One line of valid text, cut where it gets too long."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return line if len(line) <= length_max else f"{line[: length_max - 1]}…"
