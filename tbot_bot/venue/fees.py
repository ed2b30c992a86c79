"""What a fill costs at the simulated market.

Commission is 0.005 a share, 1.00 at least per order: the shape of common per-share retail schedules, where the
minimum dominates small orders and scaling in pays it once. A sale also pays a regulatory fee of 27.80 per million
of its value, the level of the US Section 31 fee in 2025. Both are rounded to the cent.
"""

from __future__ import annotations

from decimal import Decimal

from tbot_bot.domain.money import Money, Price, Quantity, round_half_even
from tbot_bot.domain.orders import Side

PER_SHARE = Decimal("0.005")
MINIMUM_PER_ORDER = Decimal("1.00")
SALE_RATE = Decimal("0.0000278")


def fill_fee(side: Side, filled_before: Quantity, quantity: Quantity, price: Price) -> Money:
    """Return the fee of one fill: what it adds to its order's commission, and the regulatory fee if it sells."""
    added = _commission(filled_before + quantity) - _commission(filled_before)
    regulatory = round_half_even((price * quantity).decimal * SALE_RATE, 2) if side is Side.SELL else Decimal(0)
    return Money.of(added + regulatory)


def _commission(filled: Quantity) -> Decimal:
    """Commission of an order that has filled this much."""
    if not filled:
        return Decimal(0)
    return max(MINIMUM_PER_ORDER, round_half_even(filled.decimal * PER_SHARE, 2))
