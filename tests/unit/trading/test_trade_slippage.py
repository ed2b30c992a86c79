"""What a trade cost more than asked for: the entry by its signal, the exit by the price it was decided on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import OrderRole, role_of
from tbot_bot.storage.trade_reports import TradeReports, TradeSlippage
from tests.unit.trading.desk import Desk, desk, entry_intent, exit_intent


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path, wave="12") as made:  # minute by minute 112, 100, 88, 100
        yield made


def enter(trading: Desk, stop: str, target: str, asked: str | None = "112") -> str:
    """Buy 10 at the ask of 112; the trade's id."""
    entry = replace(
        entry_intent("AAA", "buy", "10"),
        stop_price=Price.of(stop),
        target_price=Price.of(target),
        asked_price=asked and Price.of(asked),
    )
    assert trading.orders.accept(entry) is None
    trading.orders.submission(entry.client_order_id, order=trading.line.inner.submit(entry.to_request()))
    book(trading)
    (trade,) = trading.orders.records.open_trades()
    return trade.trade_id


def book(trading: Desk, minutes: int = 0) -> None:
    """Let the market trade, and book every fill."""
    trading.pass_time(60 * minutes or 15)
    for execution in trading.line.inner.executions(trading.orders.records.execution_cursor()):
        trading.orders.execution(execution)


def cost(trading: Desk, trade_id: str) -> TradeSlippage:
    return TradeReports(trading.books.database.engine).slippages([trade_id])[trade_id]


def filled(trading: Desk, role: OrderRole) -> Price:
    (price,) = {
        one.price for one in trading.line.inner.executions(0) if role_of(one.client_order_id) is role
    }  # fmt: skip
    return price


def test_an_open_trade_has_no_exit_to_measure(trading: Desk) -> None:
    measured = cost(trading, enter(trading, "80", "130"))
    assert measured.entry is not None
    assert measured.entry.cost == (filled(trading, OrderRole.ENTRY) - Price.of(112)) * Quantity.of(10)
    assert measured.exit is None


def test_a_stop_goes_by_where_it_stood(trading: Desk) -> None:
    trade_id = enter(trading, "95", "130")
    book(trading, minutes=3)
    measured = cost(trading, trade_id).exit
    assert measured is not None
    assert measured.cost == (Price.of(95) - filled(trading, OrderRole.STOP_LOSS)) * Quantity.of(10)
    assert Money.of(60) < measured.cost < Money.of(80)  # the market fell from 100 to 88


def test_a_target_goes_by_its_limit(trading: Desk) -> None:
    trade_id = enter(trading, "80", "111")
    book(trading)
    measured = cost(trading, trade_id).exit
    assert measured is not None
    assert measured.cost == (Price.of(111) - filled(trading, OrderRole.TAKE_PROFIT)) * Quantity.of(10)


@pytest.mark.parametrize("asked", ["113", None])
def test_another_exit_goes_by_the_price_it_was_sent_on_or_is_unknown(trading: Desk, asked: str | None) -> None:
    trade_id = enter(trading, "80", "130", asked=asked)
    for role in "ST":
        trading.line.inner.cancel(f"S-open-AAA-20131004-1-{role}")
        ended = trading.line.inner.order(f"S-open-AAA-20131004-1-{role}")
        assert ended is not None
        trading.orders.order_changed(ended)
    leave = replace(exit_intent("AAA", "sell", "10"), asked_price=asked and Price.of(asked))
    assert trading.orders.accept(leave) is None
    trading.orders.submission(leave.client_order_id, order=trading.line.inner.submit(leave.to_request()))
    book(trading)
    measured = cost(trading, trade_id)
    if asked is None:
        assert measured == TradeSlippage(None, None)
    else:
        assert measured.exit is not None
        assert measured.exit.cost == (Price.of(asked) - filled(trading, OrderRole.EXIT)) * Quantity.of(10)
