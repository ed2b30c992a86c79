"""What every broker must do behind the port, whoever it is.

A broker's test module subclasses BrokerContract and gives it a `stage` fixture: a Stage whose market it can move. The
suite names no price of its own: it reads quotes and orders around them.
"""

from datetime import timedelta
from typing import Protocol

import pytest

from tbot_bot.domain.broker import BarClosed, Broker, Executed, OrderChanged, OrderRefusedError, SessionClosed
from tbot_bot.domain.money import Money, Price, Quantity, total
from tbot_bot.domain.orders import Book, OrderRequest, OrderStatus, OrderType, Side


class Stage(Protocol):
    """A broker with an open market, a liquid symbol to trade, and a hand on the clock."""

    broker: Broker
    symbol: str

    def pass_minutes(self, count: int) -> None:
        """Let market time pass."""

    def pass_session(self) -> None:
        """Let the session end."""


def request(stage, client_id, side=Side.BUY, quantity="10", *, limit=None, stop=None, bracket=()):
    kind = OrderType.LIMIT if limit else OrderType.STOP if stop else OrderType.MARKET
    size = Quantity.of(quantity)
    return OrderRequest(client_id, Book.STRATEGY, stage.symbol, side, size, kind, limit, stop, tuple(bracket))


def around(stage, percent):
    """A price that far from the bid, on the tick."""
    (quote,) = stage.broker.quotes([stage.symbol])
    (instrument,) = [one for one in stage.broker.instruments() if one.symbol == stage.symbol]
    return Price.of(quote.bid.decimal * (100 + percent) / 100).to_tick(instrument.tick)


def entry_with_exits(stage, client_id, **entry):
    exits = (
        request(stage, f"{client_id}-S", Side.SELL, stop=around(stage, -20)),
        request(stage, f"{client_id}-T", Side.SELL, limit=around(stage, 20)),
    )
    return request(stage, client_id, bracket=exits, **entry)


def held(stage):
    return {one.symbol: one.quantity for one in stage.broker.positions()}


class BrokerContract:
    """Run by every broker."""

    def test_the_clock_names_the_session(self, stage):
        clock = stage.broker.clock()
        assert clock.is_open
        assert clock.session.open_at <= clock.now < clock.session.close_at
        stage.pass_minutes(2)
        assert stage.broker.clock().now - clock.now >= timedelta(minutes=2)

    def test_quotes_are_two_sided_and_only_of_known_symbols(self, stage):
        (quote,) = stage.broker.quotes([stage.symbol, "NO.SUCH"])
        assert quote.symbol == stage.symbol
        assert Price.zero() < quote.bid <= quote.ask

    def test_a_new_account_has_cash_only(self, stage):
        account = stage.broker.account()
        assert account.cash == account.equity > Money.zero()
        assert account.buying_power >= account.cash
        assert held(stage) == {}
        assert list(stage.broker.executions(0)) == []

    def test_a_market_order_fills_and_everything_ties(self, stage):
        cash = stage.broker.account().cash
        accepted = stage.broker.submit(request(stage, "S-a-1"))
        assert (accepted.client_order_id, accepted.quantity) == ("S-a-1", Quantity.of(10))
        stage.pass_minutes(5)
        order = stage.broker.order("S-a-1")
        fills = list(stage.broker.executions(0))
        assert (order.status, order.filled) == (OrderStatus.FILLED, Quantity.of(10))
        assert sum((one.quantity for one in fills), Quantity.zero()) == order.filled
        assert held(stage) == {stage.symbol: Quantity.of(10)}
        account = stage.broker.account()
        assert account.cash == cash - total(one.price * one.quantity + one.fee for one in fills)
        marks = total(one.mark * one.quantity for one in stage.broker.positions())
        assert account.equity == account.cash + marks

    def test_a_round_trip_leaves_no_position(self, stage):
        stage.broker.submit(request(stage, "S-a-1"))
        stage.pass_minutes(5)
        stage.broker.submit(request(stage, "S-a-2", Side.SELL))
        stage.pass_minutes(5)
        assert held(stage) == {}
        fills = list(stage.broker.executions(0))
        assert len({one.execution_id for one in fills}) == len(fills) >= 2
        assert [one.sequence for one in fills] == sorted({one.sequence for one in fills})
        assert list(stage.broker.executions(fills[0].sequence)) == fills[1:]
        assert list(stage.broker.executions(fills[-1].sequence)) == []

    def test_a_client_id_is_taken_once(self, stage):
        first = stage.broker.submit(request(stage, "S-a-1"))
        again = stage.broker.submit(request(stage, "S-a-1"))
        assert again.broker_order_id == first.broker_order_id
        stage.pass_minutes(5)
        after = stage.broker.submit(request(stage, "S-a-1", quantity="99"))
        assert after == stage.broker.order("S-a-1")
        stage.pass_minutes(5)
        assert held(stage) == {stage.symbol: Quantity.of(10)}

    @pytest.mark.parametrize("fault", ["symbol", "quantity", "tick", "buying power"])
    def test_a_refused_order_is_proved_not_to_exist(self, stage, fault):
        good = request(stage, "S-a-1", limit=around(stage, -1))
        bad = {
            "symbol": lambda: OrderRequest(
                "S-a-1", Book.STRATEGY, "NO.SUCH", Side.BUY, Quantity.of(1), OrderType.MARKET
            ),
            "quantity": lambda: request(stage, "S-a-1", quantity="0"),
            "tick": lambda: request(stage, "S-a-1", limit=good.limit_price + Price.of("0.00001")),
            "buying power": lambda: request(stage, "S-a-1", quantity="9999999"),
        }[fault]()
        with pytest.raises(OrderRefusedError) as refusal:
            stage.broker.submit(bad)
        assert str(refusal.value)
        assert stage.broker.order("S-a-1") is None
        assert list(stage.broker.open_orders()) == []

    def test_an_order_never_sent_is_none(self, stage):
        assert stage.broker.order("S-never-1") is None

    def test_a_limit_out_of_reach_rests_until_it_is_cancelled(self, stage):
        stage.broker.submit(request(stage, "S-a-1", limit=around(stage, -50)))
        stage.pass_minutes(5)
        assert [one.client_order_id for one in stage.broker.open_orders()] == ["S-a-1"]
        stage.broker.cancel("S-a-1")
        stage.pass_minutes(1)
        order = stage.broker.order("S-a-1")
        assert (order.status, order.filled) == (OrderStatus.CANCELLED, Quantity.zero())
        stage.broker.cancel("S-a-1")
        assert stage.broker.order("S-a-1") == order

    def test_a_limit_is_never_filled_at_a_worse_price(self, stage):
        limit = around(stage, 1)
        stage.broker.submit(request(stage, "S-a-1", limit=limit))
        stage.pass_minutes(5)
        assert all(one.price <= limit for one in stage.broker.executions(0))
        assert stage.broker.order("S-a-1").status is OrderStatus.FILLED

    def test_the_legs_of_a_bracket_stand_at_the_broker(self, stage):
        stage.broker.submit(entry_with_exits(stage, "S-a-1"))
        stage.pass_minutes(5)
        legs = {one.client_order_id: one for one in stage.broker.open_orders()}
        assert sorted(legs) == ["S-a-1-S", "S-a-1-T"]
        assert all(one.parent_client_order_id == "S-a-1" for one in legs.values())
        assert all(one.quantity == Quantity.of(10) for one in legs.values())

    def test_one_leg_cancels_the_other(self, stage):
        exits = (
            request(stage, "S-a-1-S", Side.SELL, stop=around(stage, -20)),
            request(stage, "S-a-1-T", Side.SELL, limit=around(stage, -10)),
        )
        stage.broker.submit(request(stage, "S-a-1", bracket=exits))
        stage.pass_minutes(10)
        assert stage.broker.order("S-a-1-T").status is OrderStatus.FILLED
        assert stage.broker.order("S-a-1-S").status is OrderStatus.CANCELLED
        assert held(stage) == {}

    def test_a_stop_moves_and_keeps_its_place(self, stage):
        stage.broker.submit(entry_with_exits(stage, "S-a-1"))
        stage.pass_minutes(5)
        before, closer = stage.broker.order("S-a-1-S"), around(stage, -10)
        moved = stage.broker.replace_stop("S-a-1-S", closer)
        assert (moved.stop_price, moved.client_order_id) == (closer, "S-a-1-S")
        assert (moved.quantity, moved.parent_client_order_id) == (before.quantity, before.parent_client_order_id)
        assert stage.broker.order("S-a-1-S").stop_price == closer
        assert stage.broker.replace_stop("S-a-1-S", closer) == stage.broker.order("S-a-1-S")
        assert sorted(one.client_order_id for one in stage.broker.open_orders()) == ["S-a-1-S", "S-a-1-T"]

    def test_a_stop_that_moved_protects_where_it_stands(self, stage):
        stage.broker.submit(entry_with_exits(stage, "S-a-1"))
        stage.pass_minutes(5)
        stage.broker.replace_stop("S-a-1-S", around(stage, 10))
        stage.pass_minutes(5)
        assert stage.broker.order("S-a-1-S").status is OrderStatus.FILLED
        assert stage.broker.order("S-a-1-T").status is OrderStatus.CANCELLED
        assert held(stage) == {}

    @pytest.mark.parametrize("fault", ["unknown", "final", "limit", "tick"])
    def test_a_stop_that_cannot_move_stays(self, stage, fault):
        stage.broker.submit(entry_with_exits(stage, "S-a-1"))
        stage.pass_minutes(5)
        ids = {"unknown": "S-x-1-S", "final": "S-a-1", "limit": "S-a-1-T", "tick": "S-a-1-S"}
        price = around(stage, -10)
        if fault == "tick":
            price += Price.of("0.00001")
        before = stage.broker.order("S-a-1-S")
        with pytest.raises(OrderRefusedError):
            stage.broker.replace_stop(ids[fault], price)
        assert stage.broker.order("S-a-1-S") == before

    def test_legs_end_with_an_entry_that_never_filled(self, stage):
        stage.broker.submit(entry_with_exits(stage, "S-a-1", limit=around(stage, -50)))
        stage.broker.cancel("S-a-1")
        stage.pass_minutes(1)
        assert list(stage.broker.open_orders()) == []

    def test_day_orders_end_with_the_session(self, stage):
        stage.broker.submit(request(stage, "S-a-1", limit=around(stage, -50)))
        stage.pass_session()
        assert stage.broker.order("S-a-1").status is OrderStatus.EXPIRED
        assert not stage.broker.clock().is_open

    def test_bars_are_finished_and_in_order(self, stage):
        start_at = stage.broker.clock().now
        stage.pass_minutes(6)
        now = stage.broker.clock().now
        bars = stage.broker.bars(stage.symbol, start_at, now)
        assert bars
        assert all(start_at <= bar.start_at and bar.end_at <= now for bar in bars)
        assert [bar.start_at for bar in bars] == sorted({bar.start_at for bar in bars})
        assert list(stage.broker.bars(stage.symbol, bars[1].start_at, bars[2].start_at)) == [bars[1]]

    def test_events_tell_of_fills_orders_and_bars(self, stage):
        stage.broker.events(0)
        stage.broker.submit(request(stage, "S-a-1"))
        stage.pass_minutes(5)
        events = list(stage.broker.events(1))
        told = [event.execution for event in events if isinstance(event, Executed)]
        assert told == list(stage.broker.executions(0))
        last = [event.order for event in events if isinstance(event, OrderChanged)][-1]
        assert last == stage.broker.order("S-a-1")
        assert any(isinstance(event, BarClosed) and event.bar.symbol == stage.symbol for event in events)
        stage.pass_session()
        assert any(isinstance(event, SessionClosed) for event in stage.broker.events(1))
