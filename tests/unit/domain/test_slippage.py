"""Slippage is what the fills cost more than asked for, whichever the side."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Side
from tbot_bot.domain.slippage import PricedFill, Slippage, is_worse, slippage, worst_price

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
    fills = [PricedFill(Price.of(100), Quantity.of(10), Price.of(price)) for price in prices]
    assert slippage(Side(side), fills) == Slippage(Money.of(cost), Decimal(bps))


def test_without_a_fill_or_a_price_it_is_unknown() -> None:
    known = PricedFill(Price.of(1), Quantity.of(1), Price.of(1))
    assert slippage(Side.BUY, []) is None
    assert slippage(Side.BUY, [known, PricedFill(None, Quantity.of(1), Price.of(1))]) is None


@settings(deadline=None)
@given(st.lists(st.tuples(UNITS, UNITS), min_size=1, max_size=5), UNITS)
def test_what_a_buyer_loses_a_seller_gains(fills: list[tuple[int, int]], asked: int) -> None:
    made = [PricedFill(Price.of(asked), Quantity.of(quantity), Price.of(price)) for quantity, price in fills]
    bought, sold = (slippage(side, made) for side in Side)
    assert bought is not None
    assert sold is not None
    assert (bought.cost, bought.bps) == (-sold.cost, -sold.bps)


@pytest.mark.parametrize(
    ("side", "asked", "limit_bps", "worst"),
    [
        ("buy", "101.50", 50, "102"),  # 102.0075, down to the tick
        ("sell", "101.50", 50, "101"),  # 100.9925, up to the tick
        ("buy", "100", 100, "101"),
        ("sell", "100", 100, "99"),
        ("buy", "5", 1, "5"),  # less than a tick of room
    ],
)
def test_the_worst_price_is_on_the_tick_inside_the_limit(side: str, asked: str, limit_bps: int, worst: str) -> None:
    assert worst_price(Side(side), Price.of(asked), limit_bps, Price.of("0.01")) == Price.of(worst)


@settings(deadline=None)
@given(st.sampled_from(Side), UNITS, st.integers(1, 1000), st.integers(1, 500))
def test_only_the_adverse_side_is_bounded_and_no_tick_is_given_away(
    side: Side, ticks: int, limit_bps: int, tick_cents: int
) -> None:
    tick = Price.of("0.01") * tick_cents
    asked = tick * ticks
    worst = worst_price(side, asked, limit_bps, tick)
    assert worst.units % tick.units == 0
    assert not is_worse(side, asked, worst)
    assert is_worse(side, worst + tick, worst) is (side is Side.BUY)
    assert is_worse(side, worst, worst) is False
    slipped, beyond = (
        slippage(side, [PricedFill(asked, Quantity.of(1), price)])
        for price in (worst, Price(worst.units + side.sign * tick.units))
    )
    assert slipped is not None
    assert beyond is not None
    assert Decimal(0) <= slipped.cost.decimal * 10_000 <= asked.decimal * limit_bps
    assert beyond.cost.decimal * 10_000 > asked.decimal * limit_bps
