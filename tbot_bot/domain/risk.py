"""How large an entry may be."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor

from tbot_bot.domain.money import Money, Price, Quantity


class StopAtEntryError(ValueError):
    """An entry whose stop is its own price risks nothing that could be measured."""


@dataclass(frozen=True, slots=True)
class SizingLimits:
    """What sizing goes by: the float, how much of it is in use, the fraction one trade may lose, trades at a time."""

    float_allocation: Money
    deployed: Money
    risk_fraction: Decimal
    positions_max: int


@dataclass(frozen=True, slots=True)
class EntrySize:
    """Whole shares that each limit allows by itself; the least of them is the size."""

    by_risk: int
    by_slice: int
    by_remaining: int

    @property
    def quantity(self) -> Quantity:
        """Whole shares to trade; zero means the trade is too small to make."""
        return Quantity.of(min(self.by_risk, self.by_slice, self.by_remaining))

    @property
    def too_small_reason(self) -> str:
        """Why nothing can be traded, with the figures; only of interest when the quantity is zero."""
        return (
            f"too small: shares allowed by risk {self.by_risk}, by one position's share of the float {self.by_slice}, "
            f"by the float that is left {self.by_remaining}"
        )


def size_entry(entry: Price, stop: Price, limits: SizingLimits) -> EntrySize:
    """Size an entry in whole shares, rounded down so that no limit is ever passed.

    by_risk: float x risk fraction / distance to the stop. by_slice: float / positions_max / price.
    by_remaining: (float - deployed) / price. An entry at its own stop raises StopAtEntryError.
    """
    if entry == stop:
        raise StopAtEntryError(f"entry and stop are both {entry}")
    risked = Fraction(limits.float_allocation.units) * Fraction(limits.risk_fraction)
    one_slice = Fraction(limits.float_allocation.units, limits.positions_max)
    remaining = Fraction(limits.float_allocation.units - limits.deployed.units)
    return EntrySize(
        by_risk=_shares(risked, abs(entry - stop)),
        by_slice=_shares(one_slice, entry),
        by_remaining=_shares(remaining, entry),
    )


def _shares(money_units: Fraction, price: Price) -> int:
    """Whole shares that so much money covers; Money and Price share their scale, so their units divide."""
    return max(0, floor(money_units / price.units))
