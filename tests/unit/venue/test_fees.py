"""The fee schedule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbot_bot.domain.money import Money, Price, Quantity, total
from tbot_bot.domain.orders import Side
from tbot_bot.venue.fees import fill_fee


@pytest.mark.parametrize(
    ("side", "before", "quantity", "price", "fee"),
    [
        (Side.BUY, 0, 10, "50.00", "1"),
        (Side.BUY, 0, 1000, "50.00", "5"),
        (Side.BUY, 10, 10, "50.00", "0"),
        (Side.BUY, 100, 200, "50.00", "0.5"),
        (Side.SELL, 0, 1000, "100.00", "7.78"),
        (Side.SELL, 0, 1, "1.00", "1"),
    ],
)
def test_the_fee_of_a_fill(side, before, quantity, price, fee):
    assert fill_fee(side, Quantity.of(before), Quantity.of(quantity), Price.of(price)) == Money.of(fee)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=10))
def test_an_order_filled_in_parts_pays_the_commission_of_one_filled_at_once(parts):
    price, before, fees = Price.of("20"), Quantity.zero(), []
    for part in parts:
        fees.append(fill_fee(Side.BUY, before, Quantity.of(part), price))
        before = before + Quantity.of(part)
    assert total(fees) == fill_fee(Side.BUY, Quantity.zero(), before, price)
