"""The float: how much of the account the strategies may use, and how much of it they use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tbot_bot.domain.money import Money, Price, Quantity, round_half_even, total


def float_allocation(equity_at_open: Money, total_allocation: Decimal) -> Money:
    """The float of a session: TOTAL_ALLOCATION (a fraction, 0 to 1) of the equity at its open; fixed until its end."""
    return equity_at_open * total_allocation


def deployed(positions: Mapping[str, Quantity], marks: Mapping[str, Price]) -> Money | None:
    """Gross worth of the strategy book at its marks, longs and shorts added up; None while a mark is unknown."""
    if any(symbol not in marks for symbol in positions):
        return None
    return total(marks[symbol] * abs(quantity) for symbol, quantity in positions.items())


def float_deviation_pct(deployed_now: Money | None, allocation: Money | None) -> Decimal | None:
    """How far the deployed worth is from the float, in percent of the float, two decimals.

    (deployed - float) / float * 100: -100 with nothing deployed, 0 fully deployed, above 0 over the float.
    None while either is unknown or the float is zero.
    """
    if deployed_now is None or not allocation:
        return None
    return round_half_even((deployed_now - allocation) / allocation * 100, 2)


def open_positions(quantities: Iterable[Quantity]) -> int:
    """How many positions are open: those whose quantity is not zero."""
    return sum(1 for quantity in quantities if quantity)
