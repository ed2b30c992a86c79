"""What a market shows: instruments, sessions, bars and quotes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tbot_bot.domain.money import Price, Quantity

BAR_LENGTH = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Instrument:
    """Something that can be traded; `inverse_of` names the symbol an inverse fund mirrors."""

    symbol: str
    name: str
    tick: Price
    shortable: bool = True
    inverse_of: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One exchange session: regular trading from `open_at` up to, not including, `close_at`."""

    day: date
    open_at: datetime
    close_at: datetime


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute of trades in `symbol`, beginning at `start_at`; known only once it is over."""

    symbol: str
    start_at: datetime
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity

    @property
    def end_at(self) -> datetime:
        """When the bar is over."""
        return self.start_at + BAR_LENGTH


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and offer of `symbol` as of `at`."""

    symbol: str
    at: datetime
    bid: Price
    ask: Price


@dataclass(frozen=True, slots=True)
class MarketClock:
    """The market's own time and where it stands in the session.

    `session` is the one running or coming next; None once the feed has ended, and `ended_reason` says why.
    `running` is False while a simulated market waits for the first Start.
    """

    now: datetime
    is_open: bool
    session: Session | None
    running: bool = True
    ended_reason: str | None = None
