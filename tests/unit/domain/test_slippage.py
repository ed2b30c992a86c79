"""Slippage is what the fills cost more than asked for, whichever the side."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Side
from tbot_bot.domain.slippage import Slippage, slippage

UNITS = st.integers(1, 10_000)


@pytest.mark.parametrize(
    ("side", "prices", "cost", "bps"),
    [
        ("buy", ["100.10", "100.30"], "4", "20.0"),
        ("sell", ["100.10", "100.30"], "-4", "-20.0"),
        ("buy", ["100"], "0", "0.0"),
    ],
)
def test_what_was_paid_against_what_was_asked_for(side: str, prices: list[str], cost: str, bps: str) -> None:
    fills = [(Quantity.of(10), Price.of(price)) for price in prices]
    assert slippage(Side(side), Price.of(100), fills) == Slippage(Money.of(cost), Decimal(bps))


def test_without_a_fill_or_a_price_it_is_unknown() -> None:
    assert slippage(Side.BUY, Price.of(100), []) is None
    assert slippage(Side.BUY, None, [(Quantity.of(1), Price.of(1))]) is None


@settings(deadline=None)
@given(st.lists(st.tuples(UNITS, UNITS), min_size=1, max_size=5), UNITS)
def test_what_a_buyer_loses_a_seller_gains(fills: list[tuple[int, int]], asked: int) -> None:
    made = [(Quantity.of(quantity), Price.of(price)) for quantity, price in fills]
    bought, sold = (slippage(side, Price.of(asked), made) for side in Side)
    assert bought is not None
    assert sold is not None
    assert (bought.cost, bought.bps) == (-sold.cost, -sold.bps)
