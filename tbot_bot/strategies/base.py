"""What a strategy is: a pure rule from what is known at a moment to what it wishes, and its declared parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from tbot_bot.api.settings import Settings
from tbot_bot.domain.intents import Window, Wish
from tbot_bot.domain.market import Bar, Instrument, Session
from tbot_bot.domain.open_trades import OpenTrade


class StrategyParameters(Settings):
    """The declared parameters of one strategy; form, validation, defaults and help follow from the fields."""


class Features(Protocol):
    """What a strategy remembers of one symbol's session, built bar by bar."""

    def add(self, bar: Bar) -> None:
        """Take in the next finished bar; bars come oldest first, each once."""
        ...


P = TypeVar("P", bound=StrategyParameters)
F = TypeVar("F", bound=Features)


@dataclass(frozen=True, slots=True)
class Context(Generic[P, F]):
    """All that a decision may depend on.

    `bars` are those that closed just now; `features` know every bar of the session so far, these included. `trades`
    are this strategy's open ones; `taken` are symbols that had their trade in this session.
    """

    session: Session
    now: datetime
    bars: Mapping[str, Bar]
    features: Mapping[str, F]
    instruments: Mapping[str, Instrument]
    trades: Sequence[OpenTrade]
    taken: AbstractSet[str]
    params: P


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
