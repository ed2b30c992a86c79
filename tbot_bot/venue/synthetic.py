"""An invented market of nine symbols that is the same for the same seed, on every machine.

The log price of a symbol is a weighted sum of a few factors: the market, a sector, and one of its own; an inverse fund
has the weights of what it mirrors with the sign turned. A factor moves from day to day with a slight pull back to
zero, which keeps prices within 5 to 500, and gaps overnight. Inside a session it wanders from the day's open to the
day's close, most at both ends of the day; on a trend day it leaves one way and hardly looks back, so opening ranges
break.

Everything about a day comes from the seed, the factor and the day, so any session can be made at once, in any order.
Days count on from 2010-01-01 whether or not the exchange opened. Floats live inside this module only, where exactness
means nothing; they use + - * / alone, which IEEE 754 fixes to the bit, and cross to Price through text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from random import Random

from tbot_bot.domain.market import BAR_LENGTH, Bar, Instrument, Session
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.venue.feed import FeedBar, FeedError, require_sessions

FIRST_DAY = date(2010, 1, 1)
_TICK = Price.of("0.01")
_PULL = 0.006
_GAP_SHARE = 0.45
_TREND_CHANCE = 0.3
_SQUARINGS = 6


@dataclass(frozen=True, slots=True)
class _Listing:
    """What makes up a symbol: base price, usual daily volume, and the weight of each factor (daily moves)."""

    symbol: str
    name: str
    base: float
    volume: float
    weights: Mapping[str, float]
    inverse_of: str | None = None


_LISTINGS = (
    _Listing("MKT", "Broad Market Index Fund", 120.0, 9e6, {"market": 0.010}),
    _Listing("MKTN", "Inverse Broad Market Index Fund", 45.0, 3e6, {"market": -0.010}, "MKT"),
    _Listing("TEC", "Technology Sector Fund", 75.0, 4e6, {"market": 0.011, "tech": 0.007}),
    _Listing("TECN", "Inverse Technology Sector Fund", 32.0, 1e6, {"market": -0.011, "tech": -0.007}, "TEC"),
    _Listing("ARDN", "Arden Semiconductors", 88.0, 2.5e6, {"market": 0.013, "tech": 0.010, "ARDN": 0.012}),
    _Listing("BRIX", "Brix Software", 160.0, 1.5e6, {"market": 0.011, "tech": 0.008, "BRIX": 0.009}),
    _Listing("CORV", "Corvane Energy", 54.0, 3.5e6, {"market": 0.008, "energy": 0.011, "CORV": 0.007}),
    _Listing("DELP", "Delphin Foods", 64.0, 1.2e6, {"market": 0.005, "DELP": 0.006}),
    _Listing("ESKA", "Eska Biotech", 26.0, 2e6, {"market": 0.009, "ESKA": 0.018}),
)
_FACTORS = tuple(dict.fromkeys(factor for listing in _LISTINGS for factor in listing.weights))


@dataclass(frozen=True, slots=True)
class _Day:
    """A factor's level at the open and the close of one day, in usual daily moves."""

    open: float
    close: float
    is_trend: bool


class SyntheticFeed:
    """The market invented from a seed, over the sessions given."""

    def __init__(self, seed: int, sessions: Sequence[Session]) -> None:
        self.sessions = require_sessions(sessions)
        if self.sessions[0].day < FIRST_DAY:
            raise FeedError(
                f"the synthetic market begins on {FIRST_DAY}; a session of {self.sessions[0].day} was given"
            )
        self.instruments = tuple(
            Instrument(one.symbol, one.name, _TICK, inverse_of=one.inverse_of) for one in _LISTINGS
        )
        self._seed = seed
        self._days = {factor: _Days(seed, factor) for factor in _FACTORS}

    @property
    def ended_reason(self) -> str:
        return f"the calendar given to the synthetic market has no session after {self.sessions[-1].day}"

    def load(self, session: Session) -> Mapping[str, Sequence[FeedBar]]:
        minutes = (session.close_at - session.open_at) // BAR_LENGTH
        shape = [_u_shape(minute, minutes) for minute in range(minutes)]
        paths = {factor: self._path(factor, session.day, shape) for factor in _FACTORS}
        return {listing.symbol: self._bars(listing, session, shape, paths) for listing in _LISTINGS}

    def _path(self, factor: str, day: date, shape: Sequence[float]) -> list[float]:
        random = Random(f"{self._seed}/{factor}/{day}")  # noqa: S311  prices, not secrets
        return _path(random, self._days[factor].of(day), shape)

    def _bars(
        self, listing: _Listing, session: Session, shape: Sequence[float], paths: Mapping[str, Sequence[float]]
    ) -> list[FeedBar]:
        """Turn factor paths into the minutes of one symbol."""
        random = Random(f"{self._seed}/{listing.symbol}/{session.day}/bars")  # noqa: S311  prices, not secrets
        prices = _Prices()
        weighted = [(weight, paths[factor]) for factor, weight in listing.weights.items()]
        levels = [
            listing.base * _growth(sum(weight * path[minute] for weight, path in weighted))
            for minute in range(len(shape) + 1)
        ]
        minute_move = sum(abs(weight) for weight, _ in weighted) / _spread_of(len(shape))
        busy = 0.6 + 0.8 * random.random()
        bars = []
        for minute, weight in enumerate(shape):
            first, last = levels[minute], levels[minute + 1]
            wick = first * minute_move * weight
            high = max(first, last) + wick * random.random() * random.random()
            low = min(first, last) - wick * random.random() * random.random()
            move = abs(last - first) / wick
            volume = listing.volume / len(shape) * weight * busy * (0.4 + 0.8 * random.random()) * (0.7 + 0.3 * move)
            bars.append(
                FeedBar(
                    Bar(
                        symbol=listing.symbol,
                        start_at=session.open_at + minute * BAR_LENGTH,
                        open=prices.of(first),
                        high=prices.of(high),
                        low=prices.of(low),
                        close=prices.of(last),
                        volume=Quantity.of(f"{volume:.0f}"),
                    )
                )
            )
        return bars


class _Days:
    """One factor's levels, day by day from FIRST_DAY, weekends left out; made once up to the last day asked for."""

    def __init__(self, seed: int, factor: str) -> None:
        self._random = Random(f"{seed}/{factor}/days")  # noqa: S311  prices, not secrets
        self._days: list[_Day] = []

    def of(self, day: date) -> _Day:
        weeks, weekday = divmod((day - FIRST_DAY).days + FIRST_DAY.weekday(), 7)
        number = weeks * 5 + min(weekday, 4) - FIRST_DAY.weekday()
        while len(self._days) <= number:
            self._days.append(self._following(self._days[-1].close if self._days else 0.0))
        return self._days[number]

    def _following(self, before: float) -> _Day:
        gap = _GAP_SHARE * _bell(self._random) - _PULL * before
        is_trend = self._random.random() < _TREND_CHANCE
        if is_trend:
            size = 1.0 + self._random.random()
            move = self._random.choice((size, -size))
        else:
            move = 0.6 * _bell(self._random)
        return _Day(before + gap, before + gap + move, is_trend)


class _Prices:
    """Whole cents through text; minutes share most of their prices, so each is built once."""

    def __init__(self) -> None:
        self._known: dict[str, Price] = {}

    def of(self, value: float) -> Price:
        text = f"{max(value, 0.01):.2f}"
        price = self._known.get(text)
        if price is None:
            price = self._known[text] = Price.of(text)
        return price


def _path(random: Random, day: _Day, shape: Sequence[float]) -> list[float]:
    """A factor's level at the start of every minute and at the close, from the day's open to the day's close."""
    quiet = 0.5 if day.is_trend else 1.0
    scale = quiet / _spread_of(len(shape))
    steps = [scale * weight * _bell(random) for weight in shape]
    missing = day.close - day.open - sum(steps)
    pulls = shape if day.is_trend else [1.0] * len(shape)
    total = sum(pulls)
    moves = (step + missing * pull / total for step, pull in zip(steps, pulls, strict=True))
    return list(accumulate(moves, initial=day.open))


def _u_shape(minute: int, minutes: int) -> float:
    """How busy a minute is against the average one: about twice at both ends, two thirds at midday."""
    place = 2.0 * (minute + 0.5) / minutes - 1.0
    return 0.65 + 1.05 * place * place * place * place + 0.42 * place * place


def _bell(random: Random) -> float:
    """Return a draw of mean 0 and deviation 1, near enough to normal: the sum of three uniform ones."""
    return 2.0 * (random.random() + random.random() + random.random()) - 3.0


def _growth(level: float) -> float:
    """Return e to the power of `level`, as (1 + level/64)^64."""
    factor = 1.0 + level / 2.0**_SQUARINGS
    for _ in range(_SQUARINGS):
        factor = factor * factor
    return factor


def _spread_of(minutes: int) -> float:
    """The square root of `minutes`, by Newton's steps: a day's deviation over a minute's."""
    root = 20.0
    for _ in range(_SQUARINGS):
        root = (root + minutes / root) / 2.0
    return root
