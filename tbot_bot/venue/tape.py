"""What has traded so far: the last tick of every symbol, and the finished bars."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from tbot_bot.domain.market import BAR_LENGTH, Bar, Instrument, Quote, Session
from tbot_bot.domain.money import Price
from tbot_bot.venue.feed import TICK_LENGTH, TICKS_PER_BAR, Feed, FeedBar, FeedError, Tick

#: Sessions kept in memory; a longer history is loaded again when someone asks for it.
SESSIONS_KEPT = 8

Minutes = Mapping[str, Mapping[int, FeedBar]]


class Tape:
    """Reads the feed by session and remembers the last tick of every symbol."""

    def __init__(self, feed: Feed, instruments: Mapping[str, Instrument]) -> None:
        self._feed = feed
        self._instruments = instruments
        self._loaded: OrderedDict[date, Minutes] = OrderedDict()
        self._seen: dict[str, tuple[FeedBar, int]] = {}

    def bars_of_minute(self, session: Session, minute: int) -> dict[str, FeedBar]:
        """Return the bars of one minute of the session, counted from 0, of the symbols that traded in it."""
        minutes = self._minutes(session)
        return {symbol: bars[minute] for symbol, bars in minutes.items() if minute in bars}

    def see(self, bars: Mapping[str, FeedBar], tick_number: int) -> None:
        """Let one tick of each bar trade."""
        for symbol, bar in bars.items():
            self._seen[symbol] = (bar, tick_number)

    def recall(self, sessions: Sequence[Session], now: datetime) -> None:
        """Find the last tick of every symbol up to `now` again, going back session by session as far as needed."""
        for session in reversed([one for one in sessions if one.open_at <= now]):
            missing = self._instruments.keys() - self._seen.keys()
            if not missing:
                return
            last_tick = (now - session.open_at) // TICK_LENGTH
            for symbol in missing:
                bars = self._minutes(session)[symbol]
                minute = max((one for one in bars if one * TICKS_PER_BAR <= last_tick), default=None)
                if minute is not None:
                    self._seen[symbol] = (bars[minute], min(last_tick - minute * TICKS_PER_BAR, TICKS_PER_BAR - 1))

    def tick(self, symbol: str) -> Tick | None:
        """Return the last tick of `symbol`, None before its first."""
        seen = self._seen.get(symbol)
        return None if seen is None else seen[0].tick(seen[1], self._instruments[symbol].tick)

    def mark(self, symbol: str) -> Price | None:
        """Return the last trade price of `symbol`, None before its first."""
        tick = self.tick(symbol)
        return None if tick is None else tick.last

    def quote(self, symbol: str) -> Quote | None:
        """Return the last quote of `symbol`, None before its first."""
        tick = self.tick(symbol)
        if tick is None:
            return None
        bar, number = self._seen[symbol]
        return Quote(symbol, bar.bar.start_at + number * TICK_LENGTH, tick.bid, tick.ask)

    def bars(self, session: Session, symbol: str) -> list[Bar]:
        """Return every bar of `symbol` in the session, oldest first."""
        return [bar.bar for bar in self._minutes(session)[symbol].values()]

    def _minutes(self, session: Session) -> Minutes:
        """Return the session's bars by symbol and minute; what does not fit the session is an error."""
        loaded = self._loaded.get(session.day)
        if loaded is None:
            bars = self._feed.load(session)
            loaded = {symbol: _by_minute(session, bars.get(symbol, ())) for symbol in self._instruments}
            self._loaded[session.day] = loaded
            if len(self._loaded) > SESSIONS_KEPT:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(session.day)
        return loaded


def _by_minute(session: Session, bars: Sequence[FeedBar]) -> dict[int, FeedBar]:
    minutes: dict[int, FeedBar] = {}
    last = -1
    for bar in bars:
        minute, rest = divmod(bar.bar.start_at - session.open_at, BAR_LENGTH)
        if rest or minute <= last or bar.bar.end_at > session.close_at:
            raise FeedError(f"the bar of {bar.bar.symbol} at {bar.bar.start_at} does not follow in its session")
        minutes[minute] = bar
        last = minute
    return minutes
