from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.risk import SizingLimits, StopAtEntryError, size_entry

prices = st.decimals("0.01", "5000", places=2)
limits = st.builds(
    SizingLimits,
    st.decimals("0", "10000000", places=2).map(Money.of),
    st.decimals("0", "10000000", places=2).map(Money.of),
    st.decimals("0.0001", "0.1", places=4),
    st.integers(1, 100),
)


def of_float(amount: str, deployed: str = "0", risk: str = "0.01", positions: int = 5) -> SizingLimits:
    return SizingLimits(Money.of(amount), Money.of(deployed), Decimal(risk), positions)


@pytest.mark.parametrize(
    ("entry", "stop", "limits", "shares"),
    [
        # 1 % of 50,000 is 500 at risk; 500 / 4.00 = 125 shares, worth 5,000 of the 10,000 that one position may use
        ("40", "36", of_float("50000"), 125),
        # 500 / 0.90 = 555 by risk, but a fifth of the float buys 10,000 / 50.50 = 198
        ("50.50", "49.60", of_float("50000"), 198),
        # 43,000 are in use: 7,000 / 50.50 = 138 are left
        ("50.50", "49.60", of_float("50000", "43000"), 138),
        # a short is sized the same way: the stop above the entry
        ("40", "44", of_float("50000"), 125),
        # a float that is over-used leaves nothing, and never a negative quantity
        ("40", "36", of_float("50000", "50001"), 0),
        ("40", "36", of_float("0"), 0),
    ],
)
def test_the_least_of_three_limits_is_the_size(entry: str, stop: str, limits: SizingLimits, shares: int) -> None:
    assert size_entry(Price.of(entry), Price.of(stop), limits).quantity == Quantity.of(shares)


def test_too_small_says_which_limits_allow_how_much() -> None:
    size = size_entry(Price.of("700"), Price.of("690"), of_float("1000"))
    assert not size.quantity
    assert size.too_small_reason == (
        "too small: shares allowed by risk 1, by one position's share of the float 0, by the float that is left 1"
    )


def test_an_entry_at_its_stop_is_refused() -> None:
    with pytest.raises(StopAtEntryError):
        size_entry(Price.of(10), Price.of(10), of_float("1000"))


@given(prices, prices, limits)
def test_never_more_risk_than_allowed_and_never_more_than_the_float(
    entry_text: Decimal, stop_text: Decimal, limits: SizingLimits
) -> None:
    entry, stop = Price.of(entry_text), Price.of(stop_text)
    if entry == stop:
        return
    quantity = size_entry(entry, stop, limits).quantity
    allocation = limits.float_allocation.decimal
    assert quantity.decimal >= 0
    assert quantity.decimal == int(quantity.decimal)
    assert abs(entry - stop).decimal * quantity.decimal <= allocation * limits.risk_fraction
    assert entry.decimal * quantity.decimal * limits.positions_max <= allocation
    if quantity:
        assert limits.deployed.decimal + entry.decimal * quantity.decimal <= allocation


@given(prices, prices, limits)
def test_one_share_more_would_break_a_limit(entry_text: Decimal, stop_text: Decimal, limits: SizingLimits) -> None:
    entry, stop = Price.of(entry_text), Price.of(stop_text)
    if entry == stop:
        return
    more = size_entry(entry, stop, limits).quantity.decimal + 1
    allocation = limits.float_allocation.decimal
    assert (
        abs(entry - stop).decimal * more > allocation * limits.risk_fraction
        or entry.decimal * more * limits.positions_max > allocation
        or limits.deployed.decimal + entry.decimal * more > allocation
    )
