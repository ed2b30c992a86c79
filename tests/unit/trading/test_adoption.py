"""A ledger that knows less than the broker takes back what is ours, and only that, and books it once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tbot_bot.domain.broker import BrokerUnavailableError
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import OrderRole, OrderStatus, OrderType
from tbot_bot.trading.adoption import WHY, adopt
from tbot_bot.trading.reconciliation import BootReport, reconcile_at_boot
from tests.unit.trading.desk import Desk, conditions, desk, entry_intent, exit_intent


def folder(base: Path, name: str) -> Path:
    (base / name).mkdir()
    return base / name


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[Desk]:
    with desk(folder(tmp_path, "then")) as made:
        yield made


@pytest.fixture
def restored(trading: Desk, tmp_path: Path) -> Iterator[Desk]:
    """The same market with a ledger from before everything."""
    with desk(folder(tmp_path, "now")) as made:
        made.books.clock.at = trading.books.clock.at
        yield Desk(made.books, trading.line, conditions())


def boot(made: Desk) -> BootReport:
    made.restart()
    return reconcile_at_boot(made.line, made.orders, made.books.ledger, made.books.clock)


def taken(made: Desk) -> set[str]:
    return set(adopt(made.line, made.orders, made.books.clock))


def test_an_entry_comes_back_with_its_legs_and_an_exit_closes_its_trade(trading: Desk, restored: Desk) -> None:
    trading.enter("AAA", "buy", "10")
    trading.enter("BBB", "sell", "5", bracket=False)
    trading.pass_time()
    exit_of_b = exit_intent("BBB", "buy", "5")
    trading.line.inner.submit(exit_of_b.to_request())
    trading.pass_time()
    boot(trading)
    assert not boot(restored).clean  # fills of unknown orders wait, booked by nobody
    names = {f"S-open-AAA-20131004-1-{letter}" for letter in "EST"}
    assert taken(restored) == names | {"S-open-BBB-20131004-1-E", "S-open-BBB-20131004-1-X"}
    assert taken(restored) == set()
    report = boot(restored)
    assert report.clean, report.sentences
    assert boot(restored).clean
    assert restored.strategy_quantities() == {"AAA": "10"}
    stop = restored.orders.records.order("S-open-AAA-20131004-1-S")
    assert stop is not None
    assert (stop.role, stop.order.status, stop.why) == (OrderRole.STOP_LOSS, OrderStatus.ACCEPTED, WHY)
    assert stop.order.parent_client_order_id == "S-open-AAA-20131004-1-E"
    assert [trade.symbol for trade in restored.orders.records.open_trades()] == ["AAA"]
    (closed,) = restored.orders.records.closed_trades(10).items
    assert closed.symbol == "BBB"
    assert restored.books.ledger.ledger_cash() == restored.line.account().cash


def test_what_is_not_ours_stays_foreign(trading: Desk, restored: Desk) -> None:
    stranger = entry_intent("CCC", "buy", "3", bracket=False).to_request()
    for strange_id in ("by-hand", "X-open-CCC-20131004-1-E", "S-open-CCC"):
        trading.line.inner.submit(replace(stranger, client_order_id=strange_id))
    trading.pass_time()
    assert taken(restored) == set()
    assert not boot(restored).clean


def test_a_broker_that_does_not_answer_is_asked_again(trading: Desk, restored: Desk) -> None:
    trading.enter("AAA", "buy", "10")
    trading.pass_time()
    trading.line.answers = ["out"]
    with pytest.raises(BrokerUnavailableError):
        taken(restored)
    trading.line.answers = []
    assert len(taken(restored)) == 3
    assert boot(restored).clean


def test_an_exit_of_a_bracket_comes_back_after_its_entry(trading: Desk, restored: Desk) -> None:
    entry = trading.enter("AAA", "buy", "10")
    trading.pass_time()
    working = replace(exit_intent("AAA", "sell", "4"), type=OrderType.LIMIT, limit_price=Price.of(105))
    trading.line.inner.submit(replace(working, joins=entry.client_order_id).to_request())
    assert taken(restored) == {f"S-open-AAA-20131004-1-{letter}" for letter in "ESTX"}
    found = restored.orders.records.order("S-open-AAA-20131004-1-X")
    assert found is not None
    assert found.request.joins == found.order.parent_client_order_id == entry.client_order_id
    assert boot(restored).clean
