"""Where a simulated market's prices come from: minute bars by session, and the ticks inside a minute.

FeedError   the data cannot be used; the message names the place
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from tbot_bot.domain.market import BAR_LENGTH, Bar, Instrument, Session
from tbot_bot.domain.money import Price

TICKS_PER_BAR = 4
TICK_LENGTH = BAR_LENGTH / TICKS_PER_BAR
#: Where the path of a rising and of a falling minute finds its prices among open, high, low, close.
_RISING = (0, 2, 1, 3)
_FALLING = (0, 1, 2, 3)
#: The modelled spread: two basis points of the price or a twentieth of the minute's range, a tick at least.
_SPREAD_PER_PRICE = 5000
_SPREAD_PER_RANGE = 20


class FeedError(Exception):
    """A feed's data cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One moment of trading: the last trade and the quote around it, bid <= ask, both whole ticks."""

    last: Price
    bid: Price
    ask: Price


@dataclass(frozen=True, slots=True)
class FeedBar:
    """A minute of trades, with the bids and asks of that minute (open, high, low, close) where the feed has them."""

    bar: Bar
    bids: tuple[Price, Price, Price, Price] | None = None
    asks: tuple[Price, Price, Price, Price] | None = None

    def tick(self, number: int, size: Price) -> Tick:
        """Return tick `number` (0..3) of the minute; `size` is the instrument's tick.

        A rising minute goes open, low, high, close, a falling one open, high, low, close, so the extreme against
        the minute's direction comes first. Without quotes the spread grows with price and range.
        """
        bar = self.bar
        where = (_RISING if bar.close >= bar.open else _FALLING)[number]
        last = (bar.open, bar.high, bar.low, bar.close)[where]
        if self.bids is not None and self.asks is not None:
            return Tick(last, *_quoted(self.bids[where].units, self.asks[where].units, size.units))
        return Tick(last, *_modelled(last.units, bar.high.units - bar.low.units, size.units))


def _quoted(bid: int, ask: int, size: int) -> tuple[Price, Price]:
    """Widen a recorded quote to whole ticks; one that is crossed counts as the worse of both for either side."""
    low, high = min(bid, ask), max(bid, ask)
    return Price(max(low // size, 1) * size), Price(-(-high // size) * size)


def _modelled(last: int, move: int, size: int) -> tuple[Price, Price]:
    """Put a spread around the last trade, a tick at least, that grows with the price and the minute's range."""
    ticks = max(-(-max(last // _SPREAD_PER_PRICE, move // _SPREAD_PER_RANGE) // size), 1)
    bid = max((last // size - ticks // 2) * size, size)
    return Price(bid), Price(bid + ticks * size)


class Feed(Protocol):
    """Prices of a few instruments, session by session, in any order and always the same."""

    @property
    def instruments(self) -> Sequence[Instrument]:
        """What the feed has prices of."""
        ...

    @property
    def sessions(self) -> Sequence[Session]:
        """The sessions it covers, oldest first."""
        ...

    @property
    def ended_reason(self) -> str:
        """Why nothing follows the last session."""
        ...

    def load(self, session: Session) -> Mapping[str, Sequence[FeedBar]]:
        """Return the minutes of `session` by symbol, oldest first; a minute without trades is left out."""
        ...


class BarFeed:
    """A feed of bars handed in, for tests and backtests."""

    def __init__(self, instruments: Sequence[Instrument], sessions: Sequence[Session], bars: Iterable[Bar]) -> None:
        self.instruments = tuple(instruments)
        self.sessions = require_sessions(sessions)
        self._bars: dict[date, dict[str, list[FeedBar]]] = {session.day: {} for session in sessions}
        for bar in sorted(bars, key=lambda one: one.start_at):
            session = next((one for one in sessions if one.open_at <= bar.start_at < one.close_at), None)
            if session is None:
                raise FeedError(f"the bar of {bar.symbol} at {bar.start_at} lies outside every session")
            self._bars[session.day].setdefault(bar.symbol, []).append(FeedBar(bar))

    @property
    def ended_reason(self) -> str:
        return f"no bars were given after {self.sessions[-1].day}"

    def load(self, session: Session) -> Mapping[str, Sequence[FeedBar]]:
        return self._bars[session.day]


def require_sessions(sessions: Sequence[Session]) -> tuple[Session, ...]:
    """Return the sessions if there is one, they follow each other and last whole minutes; else FeedError."""
    if not sessions:
        raise FeedError("a market needs at least one session; none was given")
    last: datetime | None = None
    for session in sessions:
        if session.close_at <= session.open_at or (session.close_at - session.open_at) % BAR_LENGTH:
            raise FeedError(f"the session of {session.day} must last a whole number of minutes")
        if session.open_at.second or session.open_at.microsecond:
            raise FeedError(f"the session of {session.day} must open on a whole minute")
        if last is not None and session.open_at < last + LEAD_IN:
            raise FeedError(f"the session of {session.day} opens before the one before it is over")
        last = session.close_at
    return tuple(sessions)


#: The market's clock starts this long before an open, so that clients see the session coming.
LEAD_IN = timedelta(minutes=2)
