"""Points in time: always UTC, always handed in, microseconds at rest."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class NaiveTimeError(ValueError):
    """A time without a zone, or in another zone than UTC."""


class Clock(Protocol):
    """Tells the time: the wall's or the market's."""

    def now(self) -> datetime:
        """Return the present, in UTC."""
        ...


def require_utc(moment: datetime) -> datetime:
    """Return `moment` if it is in UTC; anything else raises NaiveTimeError."""
    if moment.utcoffset() != timedelta(0):
        raise NaiveTimeError(f"{moment!r} is not in UTC")
    return moment


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC: the form at rest."""
    return (require_utc(moment) - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The inverse of `to_micros`."""
    return _EPOCH + micros * _MICROSECOND


def to_rfc3339(moment: datetime) -> str:
    """RFC 3339 text with a `Z`, microseconds only where there are any."""
    return require_utc(moment).replace(tzinfo=None).isoformat() + "Z"


def from_rfc3339(text: str) -> datetime:
    """Parse RFC 3339 text with any offset into UTC; text without an offset raises NaiveTimeError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise NaiveTimeError(f"{text!r} has no offset from UTC")
    return moment.astimezone(UTC)


def exchange_day(moment: datetime) -> date:
    """The calendar day in New York at `moment`."""
    return require_utc(moment).astimezone(NEW_YORK).date()
