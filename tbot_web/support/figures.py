"""Figures as text, the same everywhere: fixed decimals, grouped thousands, a true minus, a sign and arrow for results.

Input is the decimal text of the system API. None is unknown and stays None: it is never shown as zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from tbot_bot.domain.money import round_half_even, to_decimal
from tbot_bot.domain.time import NEW_YORK, from_rfc3339

MINUS = "\N{MINUS SIGN}"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PRICE_PLACES = 4
_QUANTITY_PLACES = 9
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure as it is shown; `direction` is up, down or empty, and asks for an arrow."""

    text: str
    direction: str = ""

    def __str__(self) -> str:
        return self.text


def money(value: str | None, *, sign: bool = False, places: int = 2) -> Shown | None:
    """An amount with fixed decimals; with `sign` it is a result: plus or minus, and a direction."""
    return None if value is None else _fixed(to_decimal(value), places, sign=sign)


def price(value: str | None) -> Shown | None:
    """A price with four decimals."""
    return money(value, places=_PRICE_PLACES)


def percent(value: str | None, *, sign: bool = False) -> Shown | None:
    """A percentage with one decimal; with `sign` it is a deviation: signed, but neither way is good, so no arrow."""
    if value is None:
        return None
    shown = _fixed(to_decimal(value), 1, sign=sign)
    return Shown(shown.text + "%")


def quantity(value: str | None) -> Shown | None:
    """A number of units with only the decimals that it has."""
    if value is None:
        return None
    text = _grouped(round_half_even(to_decimal(value), _QUANTITY_PLACES))
    return Shown(text.rstrip("0").rstrip("."))


def whole(value: int | None) -> Shown | None:
    """A count."""
    return None if value is None else Shown(_grouped(Decimal(value)))


def share(part: int | None, of: int | None) -> str:
    """`6 of 9`, empty when either is unknown."""
    return "" if part is None or of is None else f"{part:,} of {of:,}"


def duration(seconds: int) -> str:
    """The two largest units: `3 d 4 h`, `2 h 14 min`, `5 min`, `12 s`."""
    minutes, hours, days = seconds // _MINUTE_S, seconds // _HOUR_S, seconds // _DAY_S
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def between(start: str, end: str) -> int:
    """Whole seconds from one RFC 3339 moment to another, at least 0."""
    return max(0, (from_rfc3339(end) - from_rfc3339(start)) // timedelta(seconds=1))


def moment(text: str, form: str = "both") -> str:
    """An RFC 3339 moment in UTC: `time` 14:02:11, `date` 3 Oct 2026, `short` 3 Oct 14:02, `both` date and time."""
    at = from_rfc3339(text)
    date = f"{at.day} {MONTHS[at.month - 1]}"
    if form == "time":
        return f"{at:%H:%M:%S}"
    if form == "date":
        return f"{date} {at.year}"
    return f"{date} {at:%H:%M}" if form == "short" else f"{date} {at.year} {at:%H:%M:%S}"


def new_york(text: str) -> str:
    """Day and wall clock in New York at an RFC 3339 moment: `4 Oct 2010 10:02`."""
    at = from_rfc3339(text).astimezone(NEW_YORK)
    return f"{at.day} {MONTHS[at.month - 1]} {at.year} {at:%H:%M}"


def day(text: str) -> str:
    """An ISO day, `2026-10-03`, as `3 Oct 2026`."""
    year, month, number = (int(part) for part in text.split("-"))
    return f"{number} {MONTHS[month - 1]} {year}"


def size(size_bytes: int) -> str:
    """A size of a file in the largest fitting unit, one decimal."""
    scaled, unit = Decimal(size_bytes), "B"
    for larger in ("kB", "MB", "GB"):
        if scaled < 1000:  # noqa: PLR2004 - a thousand bytes to the kB
            break
        scaled, unit = scaled / 1000, larger
    return f"{scaled} {unit}" if unit == "B" else f"{round_half_even(scaled, 1)} {unit}"


def _fixed(value: Decimal, places: int, *, sign: bool) -> Shown:
    rounded = round_half_even(value, places)
    text = _grouped(rounded)
    if not sign or not rounded:
        return Shown(text)
    return Shown(f"+{text}", "up") if rounded > 0 else Shown(text, "down")


def _grouped(value: Decimal) -> str:
    text = f"{abs(value):,f}"
    return f"{MINUS}{text}" if value < 0 else text
