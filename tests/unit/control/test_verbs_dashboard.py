"""What the dashboard shows, from the books of a day that was traded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge

from tbot_bot.api.bot_protocol import TellNoTrade, TellOrder
from tbot_bot.api.errors import ApiError
from tbot_bot.api.wire import order_to_wire
from tbot_bot.control.status_source import StatusSource
from tbot_bot.control.system_api import Handler
from tbot_bot.control.verbs_dashboard import DashboardVerbs
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.money import Money, Price, total
from tbot_bot.domain.orders import Book, OrderRole, client_order_id
from tbot_bot.domain.time import from_rfc3339, to_rfc3339
from tbot_bot.monitoring.error_handler import ErrorHandler
from tests.unit.control.backstage import call
from tests.unit.control.stage import Stage
from tests.unit.trading.desk import FRIDAY


class Dashboard:
    """The handlers over a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        errors = ErrorHandler(None, lambda _event: None)
        status = StatusSource(stage.backstage.foundation, stage.lifecycle, stage.conductor, errors)
        metrics = CollectorRegistry()
        Gauge("tbot_test", "A figure", registry=metrics).set(7)
        self.handlers: Mapping[str, Handler] = DashboardVerbs(lambda: (stage.conductor, status), metrics).handlers()

    def ask(self, verb: str, **params: object) -> Any:
        return call(self.handlers, verb, self.stage.backstage.caller(), **params)

    def refused(self, verb: str, **params: object) -> tuple[int, str]:
        with pytest.raises(ApiError) as error:
            self.ask(verb, **params)
        return error.value.problem.status, error.value.problem.code

    def trade_day(self, *symbols: str) -> None:
        """Enter each symbol, then stop: everything is closed."""
        self.stage.trade()
        for symbol in symbols:
            self.stage.enter(symbol)
        self.stage.conductor.stop("test")
        self.stage.ticks_until(State.STOPPED)


@pytest.fixture
def dashboard(stage: Stage) -> Dashboard:
    return Dashboard(stage)


def test_nothing_was_traded_yet(dashboard: Dashboard) -> None:
    assert dashboard.ask("trades.open").items == []
    assert dashboard.ask("trades.closed").model_dump() == {"items": [], "next": None, "market_time": None}
    assert dashboard.ask("status.equity").items == []
    assert dashboard.ask("status.days").items == []


def test_an_open_trade_is_shown_at_its_mark(dashboard: Dashboard) -> None:
    stage = dashboard.stage
    stage.trade()
    stage.enter()
    stage.prices["AAA"] = "103.5"
    stage.tell_market()
    (row,) = dashboard.ask("trades.open").items
    entry = Price.of(row.entry_price)
    assert (row.symbol, row.side, row.strategy, row.quantity) == ("AAA", "long", "open", "100")
    assert Money.of(row.unrealised_pnl) == Money.of((Price.of("103.5").decimal - entry.decimal) * 100)
    assert (row.mark, row.exit_price, row.closed_at, row.entry_reason) == ("103.5", None, None, "breakout")


def test_without_a_price_the_result_is_unknown(dashboard: Dashboard) -> None:
    dashboard.stage.trade()
    dashboard.stage.enter()
    dashboard.stage.prices = {}
    dashboard.stage.floor.view = type(dashboard.stage.floor.view)()
    (row,) = dashboard.ask("trades.open").items
    assert (row.mark, row.unrealised_pnl) == (None, None)


def test_closed_trades_come_by_pages(dashboard: Dashboard) -> None:
    dashboard.trade_day("AAA", "BBB", "CCC")
    first = dashboard.ask("trades.closed", limit=2)
    rest = dashboard.ask("trades.closed", limit=2, cursor=first.next)
    assert [len(first.items), len(rest.items)] == [2, 1]
    assert rest.next is None
    assert sorted(row.symbol for row in [*first.items, *rest.items]) == ["AAA", "BBB", "CCC"]
    for row in first.items:
        assert (row.mark, row.unrealised_pnl, row.quantity, row.close_reason) == (None, None, "100", "stop")
        assert row.closed_at
    assert [row.symbol for row in dashboard.ask("trades.closed", symbol="BBB").items] == ["BBB"]
    assert len(dashboard.ask("trades.closed", reason="stop_act").items) == 3
    assert dashboard.ask("trades.closed", reason="target").items == []
    assert (first.items[0].entry_slippage, first.items[0].entry_slippage_bps) == (None, None)  # no price was named
    assert dashboard.ask("trades.closed", day="2013-10-07").items == []


@pytest.mark.parametrize("cursor", ["", "-1", "x", "1e9", "1 OR 1=1", "1.0"])
def test_a_cursor_that_is_not_ours(dashboard: Dashboard, cursor: str) -> None:
    assert dashboard.refused("trades.closed", cursor=cursor) == (400, "bad_cursor")


def test_a_trade_in_detail_adds_up(dashboard: Dashboard) -> None:
    dashboard.trade_day("AAA")
    (row,) = dashboard.ask("trades.closed").items
    detail = dashboard.ask("trades.detail", trade_id=row.trade_id)
    assert detail.trade == row
    assert [(fill.role, fill.side, fill.quantity) for fill in detail.fills] == [
        ("entry", "buy", "100"),
        ("exit", "sell", "100"),
    ]
    by_txn: dict[int, list[Money]] = {}
    for line in detail.postings:
        by_txn.setdefault(line.txn_id, []).append(Money.of(line.value))
    assert len(by_txn) >= 2
    assert all(total(values) == Money.zero() for values in by_txn.values())
    assert Money.of(row.fees) == total(Money.of(fill.fee) for fill in detail.fills)
    moved = {line.commodity for line in detail.postings if line.quantity is not None}
    assert moved == {"AAA"}


def test_there_is_no_such_trade(dashboard: Dashboard) -> None:
    assert dashboard.refused("trades.detail", trade_id="T-0") == (404, "no_such_trade")


def test_equity_and_days(dashboard: Dashboard) -> None:
    dashboard.trade_day("AAA")
    dashboard.stage.line.inner.advance_to(FRIDAY.close_at)
    dashboard.stage.tell_session("closed", at="2013-10-04T14:10:00Z")
    points = dashboard.ask("status.equity").items
    assert points[0].at == "2013-10-04T13:31:00Z"
    assert points[-1].at == "2013-10-04T14:10:00Z"
    assert dashboard.ask("status.equity", limit=1).items == points[-1:]
    (day,) = dashboard.ask("status.days").items
    (row,) = dashboard.ask("trades.closed").items
    assert (day.day, day.trades) == ("2013-10-04", 1)
    assert (Money.of(day.pnl), Money.of(day.fees)) == (Money.of(row.realised_pnl), Money.of(row.fees))


def test_the_document_and_the_metrics(dashboard: Dashboard) -> None:
    assert dashboard.ask("status.document").bots[0].bot == "RIGD_US_SIM_001"
    assert "tbot_test 7.0" in dashboard.ask("metrics.text").text


def test_reasons_against_trades_are_kept_and_listed(dashboard: Dashboard) -> None:
    dashboard.stage.trade()
    for symbol, check in (("AAA", "volume"), ("BBB", "range"), ("BBB", "range")):
        where = {"session_day": "2013-10-04", "strategy": "open", "symbol": symbol, "stage": "signal", "check": check}
        dashboard.stage.bot.ask(TellNoTrade, **where, reason=f"no {check}", at="2013-10-04T13:40:00Z")
    page = dashboard.ask("trades.no_trades", limit=1)
    assert page.items[0].model_dump() == {
        "session_day": "2013-10-04",
        "at": "2013-10-04T13:40:00Z",
        "strategy": "open",
        "symbol": "BBB",
        "stage": "signal",
        "check": "range",
        "reason": "no range",
    }
    rest = dashboard.ask("trades.no_trades", cursor=page.next)
    assert [row.symbol for row in rest.items] == ["AAA"]
    assert dashboard.ask("trades.no_trades", day="2013-10-07").items == []
    opened = dashboard.ask("status.document").bots[0].strategies[0]
    assert (opened.not_traded, opened.left_alone) == ({"signal": 2}, 2)


def test_a_trade_shows_the_stop_where_it_stands_now(dashboard: Dashboard) -> None:
    stage = dashboard.stage
    stage.trade()
    stage.enter("AAA", bracket=True)
    (before,) = dashboard.ask("trades.open").items
    (trade,) = stage.floor.records.open_trades()
    number = stage.floor.orders.number_of(trade) or 1
    stop_id = client_order_id(Book.STRATEGY, "open", "AAA", trade.session_day, number, OrderRole.STOP_LOSS)
    first = stage.floor.records.order(stop_id)
    assert first is not None
    assert first.order.stop_price is not None
    assert before.stop_price == str(first.order.stop_price)
    closer = first.order.stop_price + Price.of("0.5")
    stage.bot.ask(TellOrder, order=order_to_wire(stage.line.inner.replace_stop(stop_id, closer)))
    (after,) = dashboard.ask("trades.open").items
    assert after.stop_price == str(closer)
    assert stage.floor.records.open_trades()[0].stop_price == first.order.stop_price  # the risk is that of the entry


def test_the_strategies_part_counts_its_own_trades(dashboard: Dashboard) -> None:
    dashboard.trade_day("AAA", "BBB")
    first, second, _ = dashboard.ask("status.document").bots[0].strategies
    assert (first.trades_today, first.trades_ever, second.trades_ever) == (2, 2, 0)
    assert first.realised_pnl == first.realised_pnl_ever == str(dashboard.stage.floor.records.lifetime().result.pnl)
    assert Money.of(first.expectancy or "0") * 2 == Money.of(first.realised_pnl or "0")
    assert first.average_r is None  # these had no stop, so nothing says what they risked
    assert second.expectancy_ever is None


# the prices around a trade


def test_the_minutes_of_a_trades_session_are_the_brokers(dashboard: Dashboard) -> None:
    stage = dashboard.stage
    dashboard.trade_day("AAA")
    trade_id = dashboard.ask("trades.closed").items[0].trade_id
    found = dashboard.ask("trades.bars", trade_id=trade_id)
    now = stage.line.inner.clock().now
    assert (found.symbol, found.stops) == ("AAA", [])
    assert [from_rfc3339(bar.at) for bar in found.bars] == [
        bar.start_at for bar in stage.line.inner.bars("AAA", FRIDAY.open_at, now)
    ]
    assert found.bars[0].open == "100"
    assert dashboard.refused("trades.bars", trade_id="T-1") == (404, "no_such_trade")


def test_where_a_stop_stood_is_told(dashboard: Dashboard) -> None:
    stage = dashboard.stage
    stage.trade()
    stage.enter("AAA", bracket=True)
    (trade,) = stage.floor.records.open_trades()
    (leg,) = [one for one in stage.floor.records.open_orders() if one.role is OrderRole.STOP_LOSS]
    for minutes, price in ((1, "91"), (2, "91"), (3, "92.5")):
        at = FRIDAY.open_at + timedelta(minutes=10 + minutes)
        stage.floor.orders.order_changed(replace(leg.order, stop_price=Price.of(price), updated_at=at))
    stops = dashboard.ask("trades.bars", trade_id=trade.trade_id).stops
    assert [(stop.price, stop.at) for stop in stops] == [
        ("90", to_rfc3339(trade.opened_at)),
        ("91", "2013-10-04T13:41:00Z"),
        ("92.5", "2013-10-04T13:43:00Z"),
    ]


def test_without_the_brokers_answer_there_is_no_plot(dashboard: Dashboard) -> None:
    stage = dashboard.stage
    dashboard.trade_day("AAA")
    trade_id = dashboard.ask("trades.closed").items[0].trade_id
    stage.line.down = True
    assert dashboard.refused("trades.bars", trade_id=trade_id) == (503, "broker_unanswered")
    stage.clock.move(seconds=40)
    stage.conductor.api.look()
    stage.line.down = False
    calls = stage.line.calls
    assert dashboard.refused("trades.bars", trade_id=trade_id) == (503, "broker_unanswered")
    assert stage.line.calls == calls
