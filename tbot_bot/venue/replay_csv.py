"""Recorded bars as plain CSV files `symbol,timestamp,open,high,low,close,volume`, one or many in a folder.

The timestamp is the start of the minute in RFC 3339. A symbol's rows of one day are in one file, in order of time;
apart from that rows may be sorted by symbol or by time. Files are read once to check them and to learn where each day
lies; after that only the days asked for are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path

from tbot_bot.domain.market import Bar, Session
from tbot_bot.domain.money import AmountError
from tbot_bot.domain.time import exchange_day, from_rfc3339, to_micros
from tbot_bot.venue.feed import FeedBar
from tbot_bot.venue.replay_rows import (
    SYMBOL,
    Prices,
    Problems,
    RowError,
    consistent,
    no_minute,
    price_of,
    require_after,
    volume_of,
)

HEADER = "symbol,timestamp,open,high,low,close,volume"
_LINE_BYTES_MAX = 400
_FIELDS = 7


@dataclass(slots=True)
class _Run:
    """Neighbouring rows of one day in one file: bytes [start, end), the first of them on line `line`."""

    path: Path
    line: int
    start: int
    end: int


class CsvSource:
    """A folder of CSV files."""

    def __init__(self, folder: Path, hours: Callable[[date], Session], problems: Problems) -> None:
        """Check the whole folder; `hours` is the regular session of a day."""
        self._hours = cache(hours)
        self._runs: dict[date, list[_Run]] = {}
        self._homes: dict[tuple[str, date], Path] = {}
        self._traded: set[tuple[str, date]] = set()
        self.rows = 0
        for path in sorted(folder.glob("*.csv")):
            self._index(path, problems)
        self._require_complete(problems)

    @property
    def symbols(self) -> list[str]:
        """Every symbol, in order."""
        return sorted({symbol for symbol, _ in self._homes})

    @property
    def days(self) -> list[date]:
        """Every day that any symbol has, in order."""
        return sorted(self._runs)

    def load(self, session: Session, problems: Problems) -> dict[str, list[FeedBar]]:
        """Return the minutes within the session by symbol."""
        bars: dict[str, list[FeedBar]] = {}
        for run in self._runs[session.day]:
            for number, _, line in _lines(run):
                try:
                    bar = _bar(line)
                except (RowError, AmountError) as error:
                    problems.add(f"{run.path.name}:{number}", error)
                    continue
                if _is_within(session, bar):
                    bars.setdefault(bar.symbol, []).append(FeedBar(bar))
        return bars

    def _index(self, path: Path, problems: Problems) -> None:
        """Check one file row by row and note where its days lie."""
        before: dict[str, int] = {}
        run: tuple[date, _Run] | None = None
        for number, start, line in _lines(_Run(path, 1, 0, path.stat().st_size)):
            if number == 1:
                if line.strip() != HEADER.encode():
                    problems.add(f"{path.name}:1", f"the first line must be {HEADER}")
                    return
                continue
            try:
                bar = _bar(line)
                require_after(to_micros(bar.start_at) // 1000, before.get(bar.symbol))
                day = exchange_day(bar.start_at)
                if self._homes.setdefault((bar.symbol, day), path) != path:
                    other = self._homes[bar.symbol, day].name
                    raise RowError(f"{bar.symbol} on {day} is in {other} too")  # noqa: TRY301  like the rest
            except (RowError, AmountError) as error:
                problems.add(f"{path.name}:{number}", error)
                continue
            before[bar.symbol] = to_micros(bar.start_at) // 1000
            self.rows += 1
            if _is_within(self._hours(day), bar):
                self._traded.add((bar.symbol, day))
            if run is None or run[0] != day:
                run = (day, _Run(path, number, start, start))
                self._runs.setdefault(day, []).append(run[1])
            run[1].end = start + len(line)

    def _require_complete(self, problems: Problems) -> None:
        for symbol in self.symbols:
            for day in self.days:
                if (symbol, day) not in self._homes:
                    problems.add(symbol, f"there is no row of {day}, a day that other symbols have")
                elif (symbol, day) not in self._traded:
                    problems.add(symbol, no_minute(day))


def _is_within(session: Session, bar: Bar) -> bool:
    return session.open_at <= bar.start_at < session.close_at


def _lines(run: _Run) -> Iterator[tuple[int, int, bytes]]:
    """Yield line number, offset and bytes of each line of a run."""
    with run.path.open("rb") as file:
        file.seek(run.start)
        start, number = run.start, run.line
        while start < run.end and (line := file.readline(_LINE_BYTES_MAX)):
            yield number, start, line
            start += len(line)
            number += 1


def _bar(line: bytes) -> Bar:
    """Read one row, or raise RowError."""
    fields = line.decode("utf-8", "replace").strip().split(",")
    if len(fields) != _FIELDS:
        raise RowError(f"{_FIELDS} columns are expected, not {len(fields)}")
    symbol, timestamp, *prices, volume = fields
    if SYMBOL.fullmatch(symbol.upper()) is None:
        raise RowError(f"{symbol[:40]!r} is not a symbol")
    ohlc = consistent(Prices(*map(price_of, prices)))
    return Bar(symbol.upper(), _moment(timestamp), *ohlc, volume_of(volume))


def _moment(text: str) -> datetime:
    try:
        return from_rfc3339(text)
    except ValueError as error:
        raise RowError(f"{text[:40]!r} is not an RFC 3339 time") from error
