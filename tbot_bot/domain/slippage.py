"""What a fill cost more than the price that was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from tbot_bot.domain.money import Money, Price, Quantity, round_half_even, total
from tbot_bot.domain.orders import Side

_BPS = 10_000


@dataclass(frozen=True, slots=True)
class Slippage:
    """`cost` is above zero where the fills were worse than asked for; `bps` is that against what was asked for."""

    cost: Money
    bps: Decimal


def slippage(side: Side, asked: Price | None, fills: Iterable[tuple[Quantity, Price]]) -> Slippage | None:
    """Compare fills of one side with the price asked for; None while there is no fill or the price is unknown."""
    filled = list(fills)
    if asked is None or not filled:
        return None
    wanted = total(asked * quantity for quantity, _ in filled)
    paid = total(price * quantity for quantity, price in filled)
    cost = (paid - wanted) * side.sign
    return Slippage(cost, round_half_even(cost / wanted * _BPS, 1))
