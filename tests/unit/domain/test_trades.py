from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.order_facts import (
    execution_facts,
    execution_from_facts,
    request_facts,
    request_from_facts,
)
from tbot_bot.domain.orders import OrderRole, OrderStatus, Side, role_of
from tbot_bot.domain.trades import (
    OrderRecord,
    Result,
    Trade,
    TradeState,
    order_of,
    trade_id_of,
    with_execution,
)
from tests.ledger_books import DAY, OPEN_AT, execution, request

ENTRY = request(
    1,
    "buy",
    "10",
    bracket=[
        request(1, "sell", "10", role=OrderRole.STOP_LOSS, stop_price="95"),
        request(1, "sell", "10", role=OrderRole.TAKE_PROFIT, limit_price="110"),
    ],
)
RECORD = OrderRecord(ENTRY, order_of(ENTRY, OPEN_AT), "open", OrderRole.ENTRY, Quantity(0), None, OPEN_AT)
TRADE = Trade("T-20131004-0001", DAY, "SPY", "open", Side.BUY, OPEN_AT, Quantity.of("4"), Money.of("10"))


def test_requests_and_executions_survive_the_way_through_json():
    assert request_from_facts(request_facts(ENTRY)) == ENTRY
    fill = execution(1, ENTRY, "100.25", "-0.33125725", at=datetime(2013, 10, 4, 14, 0, 0, 7, tzinfo=UTC))
    assert execution_from_facts(execution_facts(fill)) == fill


@pytest.mark.parametrize(
    ("client_id", "role"),
    [
        (ENTRY.client_order_id, OrderRole.ENTRY),
        ("S-open-SPY-20131004-1-T", OrderRole.TAKE_PROFIT),
        ("S-open-SPY-20131004-1-X2", OrderRole.EXIT),
        ("S", None),
        ("a-b", None),
    ],
)
def test_the_role_is_in_the_id(client_id, role):
    assert role_of(client_id) is role


def test_fills_move_the_order_until_it_is_full():
    part = with_execution(RECORD, execution(1, ENTRY, "100", quantity="4"), "T-1")
    assert (part.order.status, part.order.filled, part.executed) == (
        OrderStatus.PARTIALLY_FILLED,
        Quantity.of("4"),
        Quantity.of("4"),
    )
    full = with_execution(part, execution(2, ENTRY, "100", quantity="6"), None)
    assert (full.order.status, full.trade_id) == (OrderStatus.FILLED, "T-1")


def test_a_late_fill_leaves_a_final_status_and_what_the_broker_said():
    cancelled = replace(RECORD, order=replace(RECORD.order, status=OrderStatus.CANCELLED, filled=Quantity.of("4")))
    late = with_execution(cancelled, execution(1, ENTRY, "100", quantity="3"), "T-1")
    assert (late.order.status, late.order.filled, late.executed) == (
        OrderStatus.CANCELLED,
        Quantity.of("4"),
        Quantity.of("3"),
    )


def test_a_trade_shows_averages_and_what_is_left():
    assert (TRADE.state, TRADE.quantity, TRADE.entry_price, TRADE.exit_price) == (
        TradeState.OPEN,
        Quantity.of("4"),
        Price.of("2.5"),
        None,
    )
    half = replace(TRADE, exit_quantity=Quantity.of("2"), exit_value=Money.of("6"))
    assert (half.quantity, half.exit_price) == (Quantity.of("2"), Price.of("3"))


@pytest.mark.parametrize(("fees", "is_win"), [("0.99", True), ("1", False), ("1.01", False)])
def test_a_win_is_net_of_fees_and_break_even_is_none(fees, is_win):
    won = replace(TRADE, realised=Money.of("1"), fees=Money.of(fees))
    assert not won.is_win
    assert replace(won, closed_at=OPEN_AT).is_win is is_win


def test_trade_ids_count_within_the_session_day():
    assert trade_id_of(date(2013, 10, 4), 7) == "T-20131004-0007"
    assert trade_id_of(date(2013, 10, 4), 12345) == "T-20131004-12345"


def test_the_win_rate_is_unknown_before_the_first_trade():
    assert Result().win_rate_pct is None
    assert Result(trades_closed=3, wins=2).win_rate_pct == Decimal("66.67")
    assert Result(trades_closed=3).win_rate_pct == Decimal("0.00")


def test_results_add_up():
    one = Result(Money.of("5"), Money.of("1"), 2, 1)
    assert one + one == Result(Money.of("10"), Money.of("2"), 4, 2)
    assert one.pnl == Money.of("4")
