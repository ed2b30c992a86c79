"""What one recorded minute must look like, whatever file it comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from tbot_bot.domain.money import Price, Quantity

PROBLEMS_KEPT = 50
MINUTE_MS = 60_000
SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,15}")
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,8})?", re.ASCII)
_WHOLE = re.compile(r"\d{1,13}", re.ASCII)


class RowError(ValueError):
    """A row cannot be used; the message says why."""


class Prices(NamedTuple):
    """Open, high, low and close."""

    open: Price
    high: Price
    low: Price
    close: Price


@dataclass(slots=True)
class Problems:
    """The first problems found in a folder, and how many more there were."""

    texts: list[str] = field(default_factory=list)
    more: int = 0

    def add(self, place: str, what: object) -> None:
        """Note one problem; `place` names the file and, where there is one, the line."""
        if len(self.texts) < PROBLEMS_KEPT:
            self.texts.append(f"{place}: {what}")
        else:
            self.more += 1


def no_minute(day: date) -> str:
    """What to say of a symbol without any minute in the regular session of a day."""
    return f"there is no minute of {day} within the regular session"


def price_of(text: str) -> Price:
    """Read a positive decimal price."""
    return _positive(Price.of(_matching(_NUMBER, text, "a number")))


def price_of_whole(text: str) -> Price:
    """Read a positive price written in ten-thousandths."""
    return _positive(Price(whole(text) * 10_000))


def volume_of(text: str) -> Quantity:
    """Read a volume, zero or more."""
    return Quantity.of(_matching(_NUMBER, text, "a number, zero or more"))


def whole(text: str) -> int:
    """Read a whole number, zero or more."""
    return int(_matching(_WHOLE, text, "a whole number, zero or more"))


def consistent(prices: Prices) -> Prices:
    """Return the four prices if they can belong to one minute."""
    if prices.high < prices.low:
        raise RowError(f"the high {prices.high} is below the low {prices.low}")
    for name, price in (("open", prices.open), ("close", prices.close)):
        if not prices.low <= price <= prices.high:
            raise RowError(f"the {name} {price} is outside the range {prices.low} to {prices.high}")
    return prices


def require_after(moment: int, before: int | None) -> None:
    """Refuse a time (milliseconds) that is not a whole minute or does not come after the row before it."""
    if moment % MINUTE_MS:
        raise RowError("the time is not a whole minute")
    if moment == before:
        raise RowError("this minute came already")
    if before is not None and moment < before:
        raise RowError("this minute comes before the one above it")


def _matching(pattern: re.Pattern[str], text: str, what: str) -> str:
    if pattern.fullmatch(text) is None:
        raise RowError(f"{text[:40]!r} is not {what}")
    return text


def _positive(price: Price) -> Price:
    if not price:
        raise RowError("a price must be positive")
    return price
