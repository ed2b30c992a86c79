"""Replay of recorded minute bars from a folder, zipped by day or as CSV. Bad data is refused whole, nothing is guessed.

A minute in which a symbol did not trade may be missing; a whole day may not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from tbot_bot.domain.market import Instrument, Session
from tbot_bot.domain.money import Price
from tbot_bot.domain.time import NEW_YORK
from tbot_bot.venue.feed import FeedBar, FeedError, require_sessions
from tbot_bot.venue.replay_csv import CsvSource
from tbot_bot.venue.replay_rows import Problems
from tbot_bot.venue.replay_zip import ZipSource

_TICK = Price.of("0.01")
_REGULAR_OPEN = time(9, 30)
_REGULAR_CLOSE = time(16)
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a folder holds.

    `errors` are the first ones, each naming its file and line; `more_errors` counts the rest.
    """

    sessions: tuple[date, ...]
    symbols: tuple[str, ...]
    rows: int
    errors: tuple[str, ...]
    more_errors: int

    @property
    def is_usable(self) -> bool:
        """Whether a market can be run on it."""
        return not self.errors


def check_replay(folder: Path) -> ReplayReport:
    """Read a replay folder from end to end and report what it holds and everything wrong with it.

    The regular session is taken as 9:30 to 16:00 in New York: the exchange's calendar is not known here.
    """
    return _check(folder, {})[1]


class ReplayFeed:
    """The recorded market, over those of the given sessions that the folder has; days are read when needed."""

    def __init__(self, folder: Path, sessions: Sequence[Session]) -> None:
        source, report = _check(folder, {session.day: session for session in sessions})
        if source is None or not report.is_usable:
            raise FeedError(f"the replay in {folder} cannot be used: {_summary(report.errors, report.more_errors)}")
        self._folder = folder
        self._source = source
        found = [session for session in sessions if session.day in report.sessions]
        if not found:
            raise FeedError(
                f"the replay in {folder} has {report.sessions[0]} to {report.sessions[-1]}, "
                "and none of these days is a session of the calendar it is played by"
            )
        self.sessions = require_sessions(found)
        self.instruments = tuple(Instrument(symbol, symbol, _TICK) for symbol in report.symbols)

    @property
    def ended_reason(self) -> str:
        return f"the replay has no session after {self.sessions[-1].day}"

    def load(self, session: Session) -> Mapping[str, Sequence[FeedBar]]:
        problems = Problems()
        bars = self._source.load(session, problems)
        if problems.texts:
            what = _summary(tuple(problems.texts), problems.more)
            raise FeedError(f"the replay in {self._folder} was changed while it was played: {what}")
        return bars


def _check(folder: Path, calendar: Mapping[date, Session]) -> tuple[ZipSource | CsvSource | None, ReplayReport]:
    """Open and check a folder; `calendar` names the session of the days it knows."""
    problems = Problems()
    source = _open(folder, lambda day: calendar.get(day) or _regular(day), problems)
    if source is None:
        return None, ReplayReport((), (), 0, tuple(problems.texts), problems.more)
    days, symbols = tuple(source.days), tuple(source.symbols)
    return source, ReplayReport(days, symbols, source.rows, tuple(problems.texts), problems.more)


def _open(folder: Path, hours: Callable[[date], Session], problems: Problems) -> ZipSource | CsvSource | None:
    """Recognise the folder's layout."""
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        problems.add(str(folder), f"the folder cannot be read: {error.strerror}")
        return None
    has_folders = any(entry.is_dir() for entry in entries)
    has_csv = any(entry.suffix == ".csv" for entry in entries)
    if has_folders == has_csv:
        what = (
            "both symbol folders and CSV files, so it is unclear" if has_csv else "neither symbol folders nor CSV files"
        )
        problems.add(str(folder), f"the folder holds {what}")
        return None
    source = ZipSource(folder, hours, problems) if has_folders else CsvSource(folder, hours, problems)
    if not source.days and not problems.texts:
        problems.add(str(folder), "the folder holds no bars")
    return source


def _regular(day: date) -> Session:
    open_at, close_at = (datetime.combine(day, at, NEW_YORK).astimezone(UTC) for at in (_REGULAR_OPEN, _REGULAR_CLOSE))
    return Session(day, open_at, close_at)


def _summary(errors: Sequence[str], more: int) -> str:
    shown = list(errors[:_SHOWN])
    rest = len(errors) - len(shown) + more
    return "; ".join([*shown, f"and {rest} more"] if rest else shown)
