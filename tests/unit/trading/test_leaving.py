"""An orderly end books what was filled, and leaves no position without an order that protects or closes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tbot_bot.domain.money import Quantity
from tbot_bot.domain.orders import Book, OrderRole, OrderStatus, role_of
from tbot_bot.trading.leaving import leave
from tests.unit.trading.desk import FRIDAY, Desk, desk


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as made:
        yield made


def left(made: Desk) -> tuple[str, ...]:
    return leave(made.line, made.orders, made.books.clock)


def drop_legs(made: Desk, symbol: str) -> None:
    """What the bot does before it sends an exit."""
    for order in made.line.inner.open_orders():
        if order.symbol == symbol:
            made.line.inner.cancel(order.client_order_id)


def test_what_was_filled_is_booked_and_protected_positions_are_left_alone(trading: Desk) -> None:
    trading.enter("AAA", "buy", "100")
    trading.enter("BBB", "sell", "50")
    trading.pass_time()
    assert trading.strategy_quantities() == {}
    assert left(trading) == ()
    assert trading.strategy_quantities() == {"AAA": "100", "BBB": "-50"}
    assert trading.line.submitted == []


def test_a_position_without_its_legs_gets_an_exit_once(trading: Desk) -> None:
    trading.hold("AAA", "buy", "70")
    trading.enter("AAA", "buy", "100")
    trading.enter("BBB", "sell", "50")
    trading.pass_time()
    drop_legs(trading, "AAA")
    assert left(trading) == ()
    assert left(trading) == ()  # the exit works: nothing more is sent
    (sent,) = trading.line.submitted
    record = trading.orders.records.order(sent)
    assert record is not None
    assert (role_of(sent), record.why, str(record.order.quantity)) == (OrderRole.EXIT, "shutdown", "100")
    trading.pass_time()
    assert left(trading) == ()
    assert trading.orders.records.book_positions() == {
        (Book.HOLDINGS, "AAA"): Quantity.of(70),
        (Book.STRATEGY, "BBB"): Quantity.of(-50),
    }


def test_a_broker_that_does_not_answer_leaves_it_to_the_next_start(trading: Desk) -> None:
    trading.enter("AAA", "buy", "100")
    trading.pass_time()
    trading.line.down = True
    assert left(trading) == ("What was filled last is not known (no answer); the next start books it.",)
    trading.line.down = False
    drop_legs(trading, "AAA")
    trading.line.submissions = ["lost"]
    assert left(trading) == ("AAA: no order protects this, and the broker does not answer (the line broke).",)


def test_what_cannot_be_closed_is_said(trading: Desk) -> None:
    trading.enter("AAA", "buy", "100")
    trading.pass_time()
    drop_legs(trading, "AAA")
    trading.line.submissions = ["refuse"]
    assert left(trading) == ("AAA: no order protects this, and it cannot be closed: not today.",)
    refused = trading.orders.records.order(trading.line.submitted[0])
    assert refused is not None
    assert refused.order.status is OrderStatus.REJECTED
    trading.line.extra = {"AAA": Quantity.of(-100)}
    assert left(trading) == ("AAA: the books have this open, and the broker has no such position.",)
    trading.line.extra = {}
    trading.at(FRIDAY.close_at)
    assert left(trading) == ("AAA: no order protects this while the market is closed.",)
