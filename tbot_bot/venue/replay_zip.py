"""Recorded bars as zipped CSV: `<symbol>/<yyyymmdd>_trade.zip` and, where there are quotes, `_quote.zip`.

A trade row is milliseconds since midnight in New York, open, high, low, close, volume; a quote row is milliseconds, bid
open, high, low, close, bid size, ask open, high, low, close, ask size. Prices are in ten-thousandths.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile, ZipFile

from tbot_bot.domain.market import Bar, Session
from tbot_bot.domain.money import AmountError, Price
from tbot_bot.domain.time import NEW_YORK
from tbot_bot.venue.feed import FeedBar
from tbot_bot.venue.replay_rows import (
    SYMBOL,
    Prices,
    Problems,
    RowError,
    consistent,
    no_minute,
    price_of_whole,
    require_after,
    volume_of,
    whole,
)

_NAME = re.compile(r"(\d{8})_(trade|quote)\.zip", re.ASCII)
#: A day has 1440 minutes; a file far larger than that is not what it says it is.
_BYTES_MAX = 1 << 20
_TRADE_FIELDS = 6
_QUOTE_FIELDS = 11

Quad = tuple[Price, Price, Price, Price]
Row = TypeVar("Row")


@dataclass(slots=True)
class _Files:
    """The files of one symbol, by day."""

    trade: dict[date, Path] = field(default_factory=dict)
    quote: dict[date, Path] = field(default_factory=dict)


class ZipSource:
    """A folder of zipped days."""

    def __init__(self, folder: Path, hours: Callable[[date], Session], problems: Problems) -> None:
        """Check the whole folder; `hours` is the regular session of a day."""
        self._folder = folder
        self._files: dict[str, _Files] = {}
        self.rows = 0
        for entry in sorted(folder.iterdir()):
            if entry.is_dir() and not entry.name.startswith("."):
                self._scan(entry, problems)
        self._require_complete(problems)
        for day in self.days:
            bars, rows = self._read(hours(day), problems)
            self.rows += rows
            for symbol, minutes in bars.items():
                if not minutes:
                    problems.add(symbol, no_minute(day))

    @property
    def symbols(self) -> list[str]:
        """Every symbol, in order."""
        return sorted(self._files)

    @property
    def days(self) -> list[date]:
        """Every day that any symbol has, in order."""
        return sorted({day for files in self._files.values() for day in files.trade})

    def load(self, session: Session, problems: Problems) -> dict[str, list[FeedBar]]:
        """Return the minutes within the session by symbol."""
        return self._read(session, problems)[0]

    def _read(self, session: Session, problems: Problems) -> tuple[dict[str, list[FeedBar]], int]:
        """Read the session's day: the minutes within it by symbol, and how many good rows its files have."""
        bars: dict[str, list[FeedBar]] = {}
        rows = 0
        for symbol, files in self._files.items():
            if session.day not in files.trade:
                continue
            trades = self._rows(files.trade[session.day], _TRADE_FIELDS, _trade, problems)
            quotes = []
            if session.day in files.quote:
                quotes = self._rows(files.quote[session.day], _QUOTE_FIELDS, _quote, problems)
            rows += len(trades) + len(quotes)
            bars[symbol] = _within(session, symbol, trades, quotes)
        return bars, rows

    def _scan(self, entry: Path, problems: Problems) -> None:
        symbol = entry.name.upper()
        if SYMBOL.fullmatch(symbol) is None or symbol in self._files:
            problems.add(entry.name, "this folder's name is not a symbol of its own")
            return
        files = self._files[symbol] = _Files()
        for path in sorted(entry.glob("*.zip")):
            name = _NAME.fullmatch(path.name)
            day = None if name is None else _day(name[1])
            if name is None or day is None:
                problems.add(self._place(path), "unknown layout: <yyyymmdd>_trade.zip or _quote.zip is expected")
            elif name[2] == "trade":
                files.trade[day] = path
            else:
                files.quote[day] = path

    def _require_complete(self, problems: Problems) -> None:
        """A symbol that lacks a day which others have is a hole, and so are quotes for some days only."""
        quoted = any(files.quote for files in self._files.values())
        for symbol in self.symbols:
            files = self._files[symbol]
            for day in self.days:
                if day not in files.trade:
                    problems.add(symbol, f"there is no {day:%Y%m%d}_trade.zip, a day that other symbols have")
                if quoted and day not in files.quote:
                    problems.add(symbol, f"there is no {day:%Y%m%d}_quote.zip, but there are quotes elsewhere")

    def _place(self, path: Path) -> str:
        return str(path.relative_to(self._folder))

    def _rows(
        self, path: Path, width: int, read: Callable[[list[str]], Row], problems: Problems
    ) -> list[tuple[int, Row]]:
        """Return every good row with its time in milliseconds since midnight in New York."""
        rows: list[tuple[int, Row]] = []
        before: int | None = None
        try:
            lines = _member(path).splitlines()
        except (OSError, BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError, RowError) as error:
            problems.add(self._place(path), f"cannot be unpacked: {error or 'it is cut short'}")
            return []
        for number, line in enumerate(lines, start=1):
            fields = line.split(",")
            try:
                if len(fields) != width:
                    raise RowError(f"{width} columns are expected, not {len(fields)}")  # noqa: TRY301  like the rest
                moment = whole(fields[0])
                require_after(moment, before)
                before = moment
                rows.append((moment, read(fields)))
            except (RowError, AmountError) as error:
                problems.add(f"{self._place(path)}:{number}", error)
        return rows


def _member(path: Path) -> str:
    """Return the text of the one file inside."""
    with ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) != 1 or not members[0].filename.endswith(".csv"):
            raise RowError(f"it holds {len(members)} files where one CSV is expected")
        if members[0].file_size > _BYTES_MAX:
            raise RowError("it holds more than a day of minutes")
        return archive.read(members[0]).decode("ascii", "replace")


def _trade(fields: list[str]) -> tuple[Prices, str]:
    volume_of(fields[5])
    return consistent(Prices(*map(price_of_whole, fields[1:5]))), fields[5]


def _quote(fields: list[str]) -> tuple[Prices, Prices]:
    whole(fields[5])
    whole(fields[10])
    return consistent(Prices(*map(price_of_whole, fields[1:5]))), consistent(Prices(*map(price_of_whole, fields[6:10])))


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def _within(
    session: Session,
    symbol: str,
    trades: list[tuple[int, tuple[Prices, str]]],
    quotes: list[tuple[int, tuple[Prices, Prices]]],
) -> list[FeedBar]:
    """Join trades and quotes into the minutes of the session; a minute without a quote keeps the last one."""
    noon = datetime.combine(session.day, time(12), NEW_YORK).astimezone(UTC)
    midnight = noon - timedelta(hours=12)
    found: list[FeedBar] = []
    coming = iter(quotes)
    pending = next(coming, None)
    bids: Quad | None = None
    asks: Quad | None = None
    for moment, (prices, volume) in trades:
        if bids is not None and asks is not None:
            bids, asks = (bids[3],) * 4, (asks[3],) * 4
        while pending is not None and pending[0] <= moment:
            bids, asks = pending[1] if pending[0] == moment else [(quad[3],) * 4 for quad in pending[1]]
            pending = next(coming, None)
        start_at = midnight + timedelta(milliseconds=moment)
        if session.open_at <= start_at < session.close_at:
            found.append(FeedBar(Bar(symbol, start_at, *prices, volume_of(volume)), bids, asks))
    return found
