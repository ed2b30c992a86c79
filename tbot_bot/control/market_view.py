"""What the bot last reported of the market, in one place for whoever needs it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from tbot_bot.api.bot_protocol import TellMarket
from tbot_bot.domain.intents import Window
from tbot_bot.domain.market import Session
from tbot_bot.domain.money import Price
from tbot_bot.domain.time import from_rfc3339


@dataclass(frozen=True, slots=True)
class Seen:
    """One moment of the market; None is unknown. `marks` are the newest price of each symbol."""

    market_time: datetime | None = None
    session: Session | None = None
    is_open: bool | None = None
    strategy: str | None = None
    window: Window = Window.IDLE
    marks: dict[str, Price] = field(default_factory=dict)
    ended_reason: str | None = None


class MarketView:
    """Holds the newest `Seen`; a reader gets one consistent moment."""

    def __init__(self) -> None:
        self._seen = Seen()
        self._lock = threading.Lock()

    @property
    def seen(self) -> Seen:
        return self._seen

    def take(self, told: TellMarket) -> Seen:
        """Remember a heartbeat."""
        with self._lock:
            self._seen = Seen(
                market_time=from_rfc3339(told.market_time),
                session=_session(told),
                is_open=told.is_open,
                strategy=told.strategy,
                window=Window(told.window),
                marks=self._seen.marks | {symbol: Price.of(text) for symbol, text in told.marks.items()},
                ended_reason=self._seen.ended_reason,
            )
            return self._seen

    def end(self, reason: str) -> None:
        """No session will follow."""
        with self._lock:
            self._seen = replace(self._seen, ended_reason=reason, is_open=False, window=Window.IDLE, strategy=None)

    def lose(self) -> None:
        """The bot is gone: what it said last is no longer true of now, the prices and the end stay."""
        with self._lock:
            self._seen = Seen(marks=self._seen.marks, ended_reason=self._seen.ended_reason)


def _session(told: TellMarket) -> Session | None:
    if told.session_day is None or told.session_open_at is None or told.session_close_at is None:
        return None
    return Session(
        date.fromisoformat(told.session_day),
        from_rfc3339(told.session_open_at),
        from_rfc3339(told.session_close_at),
    )
