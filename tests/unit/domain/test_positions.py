from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.money import Money, Price, Quantity, total
from tbot_bot.domain.orders import Book, Execution, Side
from tbot_bot.domain.positions import FillError, Lot, Position, match_fill

AT = datetime(2013, 10, 4, 14, 0, tzinfo=UTC)


def fill(side: str, quantity: str, price: str, number: int = 9) -> Execution:
    return Execution(
        f"X{number}", number, "id", "SPY", Side(side), Quantity.of(quantity), Price.of(price), Money(0), AT
    )


def lot(number: int, quantity: str, cost: str) -> Lot:
    return Lot(f"X{number}", Book.STRATEGY, "SPY", Quantity.of(quantity), Money.of(cost), AT)


def test_a_fill_from_flat_opens_a_lot():
    match = match_fill([], fill("sell", "10", "99.5"), Book.STRATEGY)
    assert match.opened == lot(9, "-10", "-995")
    assert (match.closings, match.realised) == ((), Money(0))


def test_a_fill_in_the_same_direction_leaves_the_older_lots_alone():
    match = match_fill([lot(1, "10", "1000")], fill("buy", "5", "110"), Book.STRATEGY)
    assert match.opened == lot(9, "5", "550")
    assert match.closings == ()


def test_the_oldest_lot_closes_first():
    match = match_fill([lot(1, "10", "1000"), lot(2, "10", "1200")], fill("sell", "15", "130"), Book.STRATEGY)
    assert [closing.lot for closing in match.closings] == [lot(1, "0", "0"), lot(2, "5", "600")]
    assert [closing.realised for closing in match.closings] == [Money.of("300"), Money.of("50")]
    assert match.opened is None
    assert not match.is_flat_between


def test_a_short_gains_when_bought_back_lower():
    match = match_fill([lot(1, "-10", "-1000")], fill("buy", "10", "90"), Book.STRATEGY)
    assert match.realised == Money.of("100")
    assert match.is_flat_between


def test_crossing_through_zero_closes_and_opens():
    match = match_fill([lot(1, "10", "1000")], fill("sell", "15", "101"), Book.STRATEGY)
    assert match.realised == Money.of("10")
    assert match.opened == lot(9, "-5", "-505")
    assert match.is_flat_between
    assert (match.closed_quantity, match.opened_quantity) == (Quantity.of("10"), Quantity.of("5"))


def test_what_is_left_of_the_lots_behind_is_untouched():
    match = match_fill([lot(1, "10", "1000"), lot(2, "1", "1")], fill("sell", "10", "101"), Book.STRATEGY)
    assert len(match.closings) == 1
    assert not match.is_flat_between


@pytest.mark.parametrize("quantity", ["0", "-1"])
def test_a_fill_of_nothing_is_refused(quantity):
    with pytest.raises(FillError, match="no positive quantity"):
        match_fill([], fill("buy", quantity, "1"), Book.STRATEGY)


def test_average_price_is_unknown_when_flat():
    assert Position(Book.STRATEGY, "SPY", Quantity(0), Money(0)).average_price is None
    assert Position(Book.STRATEGY, "SPY", Quantity.of("-4"), Money.of("-10")).average_price == Price.of("2.5")


UNITS = st.integers(1, 10**13)
FILLS = st.lists(st.tuples(st.sampled_from(list(Side)), UNITS, st.integers(1, 10**12)), min_size=1, max_size=12)


@settings(deadline=None)
@given(FILLS)
def test_nothing_is_lost_to_rounding(fills):
    lots: dict[str, Lot] = {}
    cash, realised, held = Money(0), Money(0), 0
    for number, (side, quantity, price) in enumerate(fills):
        execution = Execution(f"X{number}", number, "id", "SPY", side, Quantity(quantity), Price(price), Money(0), AT)
        match = match_fill([lot for lot in lots.values() if lot.quantity], execution, Book.STRATEGY)
        lots |= {closing.lot.lot_id: closing.lot for closing in match.closings}
        if match.opened is not None:
            lots[match.opened.lot_id] = match.opened
        assert match.closed_value + match.opened_value == execution.price * execution.quantity
        cash += (execution.price * execution.quantity) * -side.sign
        realised += match.realised
        held += side.sign * quantity
        assert sum(lot.quantity.units for lot in lots.values()) == held
        assert cash + total(lot.cost for lot in lots.values()) == realised
        assert len({lot.quantity.sign for lot in lots.values() if lot.quantity}) <= 1
