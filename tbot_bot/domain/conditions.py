"""Bad input by name: what is not as it should be, what that blocks, and the way out. A list of small rules.

A rule returns a condition or None. What is unknown is no condition here: what depends on it is refused elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction

from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.reconcile import CASH, TieRow
from tbot_bot.domain.time import to_rfc3339

#: The market's clock may be so far from what it should say.
CLOCK_OFF_MAX = timedelta(minutes=5)
#: So many new minutes in a row must contradict the clock before it is not believed.
_CONTRADICTIONS = 3
#: More minutes than this may not be missing in a session.
MISSING_MINUTES_MAX = 5
_SPLIT_FACTOR_MAX = 100


class ConditionName(StrEnum):
    """What can be wrong, or at least not usual."""

    CLOCK_OFF = "clock_off"
    ACCOUNT_RESTRICTED = "account_restricted"
    SPLIT = "split"
    DELISTED = "delisted"
    HISTORY_HOLES = "history_holes"
    INSUFFICIENT_CASH = "insufficient_cash"
    MARKET_CLOSED = "market_closed"


@dataclass(frozen=True, slots=True)
class Condition:
    """One of them in a sentence, and what to do; `blocks` says that no entry is made meanwhile."""

    name: ConditionName
    sentence: str
    next_step: str
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class ConditionFacts:
    """What the rules look at; None is unknown.

    `clock_off` is how far the market's clock is ahead, zero if it is believed. `delisted` are open positions whose
    symbols the broker lists no longer, `missing_minutes` those of this session that came without a bar. `slice` is what
    one more position would take; None if none fits.
    """

    clock_off: timedelta = timedelta(0)
    restricted: str | None = None
    differences: Sequence[TieRow] = ()
    delisted: Mapping[str, Quantity] = field(default_factory=dict)
    missing_minutes: int = 0
    buying_power: Money | None = None
    slice: Money | None = None
    is_open: bool | None = None
    opens_at: datetime | None = None


@dataclass(slots=True)
class ClockWatch:
    """Whether the market's clock agrees with the minutes that come from it."""

    newest: datetime | None = None
    contradictions: int = 0
    off: timedelta = timedelta(0)

    def see(self, market_time: datetime, newest_bar_at: datetime | None) -> None:
        """Take note of a moment; only a minute newer than all before says something about the clock."""
        if newest_bar_at is None or (self.newest is not None and newest_bar_at <= self.newest):
            return
        self.newest = newest_bar_at
        ahead = market_time - newest_bar_at
        self.contradictions = self.contradictions + 1 if ahead >= CLOCK_OFF_MAX else 0
        self.off = ahead if self.contradictions >= _CONTRADICTIONS else timedelta(0)


def split_factor(row: TieRow) -> Fraction | None:
    """By what a split would have multiplied the position: a whole number or one over it; None if it is none."""
    if row.name == CASH or not row.broker or not row.books or row.books != row.ledger:
        return None
    factor = Fraction(row.broker.units, row.books.units)
    whole = max(factor, 1 / factor)
    return factor if whole.denominator == 1 and 1 < whole <= _SPLIT_FACTOR_MAX else None


def conditions(facts: ConditionFacts) -> list[Condition]:
    """Every condition that stands, what blocks entries first."""
    found = [condition for rule in RULES if (condition := rule(facts)) is not None]
    return sorted(found, key=lambda one: not one.blocks)


def _clock_off(facts: ConditionFacts) -> Condition | None:
    if not facts.clock_off:
        return None
    seconds = round(facts.clock_off.total_seconds())
    return Condition(
        ConditionName.CLOCK_OFF,
        f"The market's clock is {seconds} s ahead of the prices that come from it.",
        "Have the broker's clock, or this machine's, put right; this ends by itself once three minutes agree with it.",
        blocks=True,
    )


def _restricted(facts: ConditionFacts) -> Condition | None:
    if not facts.restricted:
        return None
    return Condition(
        ConditionName.ACCOUNT_RESTRICTED,
        f"The broker restricts the account: {facts.restricted}.",
        "Ask the broker what lifts it; this ends by itself when it is lifted. Open positions are managed as before.",
        blocks=True,
    )


def _split(facts: ConditionFacts) -> Condition | None:
    if any(row.name == CASH for row in facts.differences):
        return None
    found = [f"{row.name} {factor}" for row in facts.differences if (factor := split_factor(row)) is not None]
    if not found:
        return None
    return Condition(
        ConditionName.SPLIT,
        f"A position changed as by a split while the cash agrees; new units for each old one: {', '.join(found)}.",
        "Compare with the broker's notice. Stop closes what the books have; close the rest at the broker until they"
        " agree, or have an administrator sign the difference.",
    )


def _delisted(facts: ConditionFacts) -> Condition | None:
    if not facts.delisted:
        return None
    held = ", ".join(f"{quantity} {symbol}" for symbol, quantity in sorted(facts.delisted.items()))
    return Condition(
        ConditionName.DELISTED,
        f"The broker no longer lists what is held: {held}.",
        "It cannot be entered, and perhaps not be sold. Settle it with the broker; what it then pays or takes away is a"
        " difference that an administrator signs.",
    )


def _holes(facts: ConditionFacts) -> Condition | None:
    if facts.missing_minutes <= MISSING_MINUTES_MAX:
        return None
    return Condition(
        ConditionName.HISTORY_HOLES,
        f"{facts.missing_minutes} minutes of this session came without a price of any symbol.",
        "The strategies measure by what there is; pause entries if that is too little. The next session begins anew.",
    )


def _cash(facts: ConditionFacts) -> Condition | None:
    if facts.buying_power is None or facts.slice is None or facts.buying_power >= facts.slice:
        return None
    return Condition(
        ConditionName.INSUFFICIENT_CASH,
        f"The account's buying power of {facts.buying_power} is less than the {facts.slice} of one more position.",
        "Entries that cannot be covered are refused by the broker. Pay in, close something, or allocate less.",
    )


def _closed(facts: ConditionFacts) -> Condition | None:
    if facts.is_open is not False:
        return None
    when = f" It opens at {to_rfc3339(facts.opens_at)}." if facts.opens_at else ""
    return Condition(
        ConditionName.MARKET_CLOSED, f"The market is closed.{when}", "Trading goes on by itself at the open."
    )


RULES: Sequence[Callable[[ConditionFacts], Condition | None]] = (
    _clock_off, _restricted, _split, _delisted, _holes, _cash, _closed,
)  # fmt: skip
