"""Float, limits and the daily loss, each with its figures."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.gate import RiskLimits
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.trading.float_bot import deployed, float_allocation, float_deviation_pct, open_positions
from tbot_bot.trading.risk_bot import daily_loss_threshold, limits_in_force, loss_limit_breached, loss_share


def test_the_float_is_a_share_of_the_equity_at_the_open() -> None:
    assert float_allocation(Money.of("100000.10"), Decimal("0.02")) == Money.of("2000.002")


def test_deployed_counts_longs_and_shorts_at_their_marks() -> None:
    positions = {"AAA": Quantity.of(10), "BBB": Quantity.of(-4)}
    marks = {"AAA": Price.of("12.50"), "BBB": Price.of(100)}
    assert deployed(positions, marks) == Money.of(525)
    assert deployed({}, {}) == Money.zero()
    assert deployed(positions, {"AAA": Price.of(1)}) is None
    assert open_positions([*positions.values(), Quantity.zero()]) == 2


@pytest.mark.parametrize(
    ("used", "allocation", "expected"),
    [("0", "2000", "-100"), ("2000", "2000", "0"), ("1500", "2000", "-25"), ("2001", "2000", "0.05")],
)
def test_deviation_is_in_percent_of_the_float(used: str, allocation: str, expected: str) -> None:
    assert float_deviation_pct(Money.of(used), Money.of(allocation)) == Decimal(expected)


def test_deviation_of_what_is_unknown_is_unknown() -> None:
    assert float_deviation_pct(None, Money.of(1)) is None
    assert float_deviation_pct(Money.of(1), None) is None
    assert float_deviation_pct(Money.of(1), Money.zero()) is None


def test_the_factor_of_defense_mode_scales_the_limits_and_rounds_down() -> None:
    assert limits_in_force(5, 4) == RiskLimits(5, 4)
    assert limits_in_force(5, 4, Decimal("0.5")) == RiskLimits(2, 2)
    assert limits_in_force(1, 1, Decimal("0.5")) == RiskLimits(0, 0)


@pytest.mark.parametrize(
    ("realised", "unrealised", "used"),
    [("-30", "-20", "0.5"), ("-150", "50", "1"), ("-300", "100", "2"), ("10", "-10", "0"), ("10", "5", "0")],
)
def test_the_used_part_of_the_loss_limit(realised: str, unrealised: str, used: str) -> None:
    assert loss_share(Money.of(realised), Money.of(unrealised), Money.of(100)) == Decimal(used)


def test_what_is_unknown_leaves_the_used_part_unknown() -> None:
    assert loss_share(None, Money.of(1), Money.of(1)) is None
    assert loss_share(Money.of(1), None, Money.of(1)) is None
    assert loss_share(Money.of(1), Money.of(1), None) is None
    assert loss_share(Money.of(1), Money.of(1), Money.zero()) is None


def test_the_threshold_is_a_share_of_the_float() -> None:
    assert daily_loss_threshold(Money.of(2000), Decimal("0.05")) == Money.of(100)


@settings(deadline=None)
@given(
    realised=st.integers(-300, 300),
    unrealised=st.integers(-300, 300) | st.none(),
    threshold=st.integers(0, 300),
)
def test_the_limit_is_breached_at_the_threshold(realised: int, unrealised: int | None, threshold: int) -> None:
    open_result = None if unrealised is None else Money(unrealised)
    breached = loss_limit_breached(Money(realised), open_result, Money(threshold))
    if unrealised is None:
        assert breached is None
    else:
        loss = -(realised + unrealised)
        assert breached is (loss > 0 and loss >= threshold)
