"""What a strategy is: a pure rule from what is known at a moment to what it wishes, and its declared parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from tbot_bot.api.settings import Settings
from tbot_bot.domain.intents import Window, Wish
from tbot_bot.domain.market import Bar, Instrument, Session
from tbot_bot.domain.money import Price
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.strategies.indicators import RangeAverage


class StrategyParameters(Settings):
    """The declared parameters of one strategy; form, validation, defaults and help follow from the fields."""


class Features:
    """What a strategy remembers of one symbol's session, built bar by bar; each adds what it needs.

    `close` is the latest one, `minute_range` the mean true range of the last `minutes` bars.
    """

    def __init__(self, minutes: int) -> None:
        self.close: Price | None = None
        self.minute_range = RangeAverage(minutes)

    def add(self, bar: Bar) -> None:
        """Take in the next finished bar; bars come oldest first, each once."""
        self.close = bar.close
        self.minute_range.add(bar)


P = TypeVar("P", bound=StrategyParameters)
F = TypeVar("F", bound=Features)


@dataclass(frozen=True, slots=True)
class Context(Generic[P, F]):
    """All that a decision may depend on.

    `bars` are those that closed just now; `features` know every bar of the session so far, these included. `trades`
    are this strategy's open ones; `taken` are symbols that had their trade in this session; `candidates` are the
    symbols that may be entered.
    """

    session: Session
    now: datetime
    bars: Mapping[str, Bar]
    features: Mapping[str, F]
    instruments: Mapping[str, Instrument]
    trades: Sequence[OpenTrade]
    taken: AbstractSet[str]
    candidates: AbstractSet[str]
    params: P

    def entry_bars(self) -> Iterator[Bar]:
        """The bars that a trade may be entered on: of a candidate that had none in this session."""
        free = self.candidates - self.taken
        return (bar for symbol, bar in self.bars.items() if symbol in free)


class Strategy(Protocol[P, F]):
    """A strategy keeps nothing itself: the same context always gives the same wishes."""

    name: str
    parameters: type[P]

    def window_at(self, session: Session, now: datetime, params: P) -> Window:
        """Say which part of its day the strategy is in at `now`."""
        ...

    def features(self, session: Session, params: P) -> F:
        """Return empty features for one symbol in `session`."""
        ...

    def decide(self, context: Context[P, F]) -> Sequence[Wish]:
        """Say what should be entered, what closed, and what is left alone and why."""
        ...
