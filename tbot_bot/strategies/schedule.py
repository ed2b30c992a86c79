"""The parts of a strategy's day, cut to the session it falls in, and the exits that end it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.intents import Exit, Window
from tbot_bot.domain.market import Session
from tbot_bot.strategies.base import Context

#: Whatever the parameters say, everything is being closed this long before the session ends.
FLAT_BEFORE_CLOSE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When analysis begins, when entries begin and end, and when what is open is closed."""

    analysis_at: datetime
    entry_at: datetime
    last_entry_at: datetime
    exit_at: datetime

    def within(self, session: Session) -> Schedule:
        """The same, beginning at the open at the earliest and over in time before the close."""
        return Schedule(
            max(self.analysis_at, session.open_at),
            max(self.entry_at, session.open_at),
            self.last_entry_at,
            min(self.exit_at, session.close_at - FLAT_BEFORE_CLOSE),
        )

    def window_at(self, now: datetime) -> Window:
        """Analyzing, trading, monitoring, and idle before and after."""
        if not self.analysis_at <= now < self.exit_at:
            return Window.IDLE
        if now < self.entry_at:
            return Window.ANALYZING
        return Window.TRADING if now < self.last_entry_at else Window.MONITORING


def after_open(session: Session, minutes: int) -> datetime:
    """The moment so many minutes into the session."""
    return session.open_at + timedelta(minutes=minutes)


def before_close(session: Session, minutes: int) -> datetime:
    """The moment so many minutes before the session ends, whenever that is."""
    return session.close_at - timedelta(minutes=minutes)


def time_exits(context: Context[Any, Any], exit_at: datetime) -> Iterator[Exit]:
    """Exits of what an earlier session left, and at `exit_at` of everything."""
    session = context.session
    for trade in context.trades:
        if trade.session_day != session.day:
            yield Exit(trade.symbol, f"held over from {trade.session_day}", CloseReason.HELD_OVER)
        elif context.now >= exit_at:
            minutes = (context.now - session.open_at) // timedelta(minutes=1)
            yield Exit(trade.symbol, f"time exit, {minutes} minutes into the session", CloseReason.TIME_EXIT)
