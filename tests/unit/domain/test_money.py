"""Amounts are exact, floats stay out, and splits sum to the whole."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.money import AmountError, Money, Price, Quantity, allocate, round_half_even, to_decimal, total

units = st.integers(-(10**15), 10**15)


@pytest.mark.parametrize("kind", [Money, Price, Quantity])
@pytest.mark.parametrize("value", [1.5, True, None, b"1"])
def test_only_exact_values_get_in(kind, value):
    with pytest.raises(TypeError):
        kind.of(value)


@pytest.mark.parametrize("text", ["", "abc", "NaN", "Infinity", "1,000"])
def test_text_that_is_no_finite_number_is_refused(text):
    with pytest.raises(AmountError):
        to_decimal(text)


@pytest.mark.parametrize(
    ("text", "shown"), [("1.50", "1.5"), ("-0.00000001", "-0.00000001"), ("100", "100"), ("0", "0"), ("1E+3", "1000")]
)
def test_text_goes_in_and_comes_out_plain(text, shown):
    assert str(Money.of(text)) == shown


def test_ties_go_to_the_even_neighbour():
    assert Money.of("0.000000005").units == 0
    assert Money.of("0.000000015").units == 2
    assert round_half_even(Decimal("2.5"), 0) == 2


def test_arithmetic_keeps_its_kind():
    assert Price.of("167.27") * Quantity.of(24) == Money.of("4014.48")
    assert Money.of("10") / Quantity.of(4) == Price.of("2.5")
    assert Money.of("10") / Money.of("4") == Decimal("2.5")
    assert Money.of("10") * Decimal("0.25") == Money.of("2.5")
    assert Price.of("10") * Decimal("1.5") == Price.of(15)
    assert Quantity.of(10) * 2 == Quantity.of(20)
    assert total([Money.of(1), Money.of("2.5")]) == Money.of("3.5")
    assert abs(-Money.of(3)) == Money.of(3)
    assert [bool(Money.zero()), Money.of(-1).sign, Money.of(1).sign, Money.zero().sign] == [False, -1, 1, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Price.of(1) * Price.of(1),
        lambda: Money.of(1) * 1.5,
        lambda: Money.of(1) * True,
        lambda: Money.of(1) + Price.of(1),
        lambda: Money.of(1) - Quantity.of(1),
        lambda: Money.of(1) / 2,
        lambda: Money(1.0),
    ],
)
def test_meaningless_arithmetic_is_an_error(wrong):
    with pytest.raises(TypeError):
        wrong()


def test_what_does_not_fit_the_database_is_refused():
    most = Money.of("92233720368.54775807")
    with pytest.raises(AmountError, match="out of range"):
        _ = most + Money(1)
    with pytest.raises(AmountError, match="out of range"):
        Money.of(10**12)


def test_prices_round_to_whole_ticks():
    assert Price.of("10.125").to_tick(Price.of("0.01")) == Price.of("10.12")
    assert Price.of("10.13").to_tick(Price.of("0.05")) == Price.of("10.15")


@settings(deadline=None)
@given(units, st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any))
def test_parts_sum_to_the_whole_and_are_fair(whole, weights):
    parts = allocate(Money(whole), weights)
    assert total(parts) == Money(whole)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(Decimal(part.units) - Decimal(whole) * weight / sum(weights)) < 1


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1]])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(AmountError):
        allocate(Money.of(1), weights)


@settings(deadline=None)
@given(units)
def test_text_is_lossless(number):
    assert Money.of(str(Money(number))) == Money(number)


@settings(deadline=None)
@given(st.from_regex(r"-?[0-9]{1,9}(\.[0-9]{1,12})?", fullmatch=True), st.sampled_from([Money, Price, Quantity]))
def test_text_means_what_its_decimal_means(text, kind):
    amount = kind.of(text)
    assert amount == kind.of(Decimal(text))
    assert Decimal(str(amount)) == amount.decimal
    assert "E" not in str(amount)
