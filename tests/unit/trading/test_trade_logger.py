from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.market import Session
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Book, OrderRole, OrderStatus, Side
from tbot_bot.domain.positions import FillError, Position
from tbot_bot.domain.trades import (
    EquityPoint,
    ExecutionConflictError,
    IntentConflictError,
    IntentRefusedError,
    Outcome,
    Result,
    SessionResult,
    TradeState,
    UnknownOrderError,
)
from tests.ledger_books import DAY, OPEN_AT, WALL, books, execution, lines, request, written

NEXT_DAY = date(2013, 10, 7)


@pytest.fixture
def desk(tmp_path):
    with books(tmp_path) as made:
        yield made


def bracket():
    return request(
        1,
        "buy",
        "10",
        bracket=[
            request(1, "sell", "10", role=OrderRole.STOP_LOSS, stop_price="95"),
            request(1, "sell", "10", role=OrderRole.TAKE_PROFIT, limit_price="110"),
        ],
    )


def record(desk, made):
    return desk.trades.record_intent(made, strategy="open", at=OPEN_AT, recorded_at=WALL)


def apply(desk, fill, day=DAY):
    return desk.trades.apply_execution(fill, session_day=day, recorded_at=WALL)


def statuses(desk):
    return {order.role.value: order.order.status.value for order in desk.trades.open_orders()}


def posted(desk, number=0):
    return written(desk.ledger.entries(number + 1).items[number])


# orders


def test_an_intent_and_its_legs_are_pending_until_the_broker_speaks(desk):
    recorded = record(desk, bracket())
    assert recorded.is_new
    assert recorded.record == desk.trades.order(bracket().client_order_id)
    assert statuses(desk) == {"entry": "pending", "stop_loss": "pending", "take_profit": "pending"}
    leg = desk.trades.open_orders()[1]
    assert leg.order.parent_client_order_id == bracket().client_order_id
    assert (leg.order.stop_price, leg.book, leg.strategy) == (Price.of("95"), Book.STRATEGY, "open")


def test_a_repeated_intent_is_not_new(desk):
    first = record(desk, bracket())
    again = record(desk, bracket())
    assert (again.record, again.is_new) == (first.record, False)
    assert len(desk.trades.open_orders()) == 3


def test_an_id_is_never_used_for_another_request(desk):
    record(desk, bracket())
    with pytest.raises(IntentConflictError, match="the first stands"):
        record(desk, replace(bracket(), quantity=Quantity.of("11")))
    with pytest.raises(IntentConflictError):
        desk.trades.record_intent(bracket(), strategy="mid", at=OPEN_AT, recorded_at=WALL)


@pytest.mark.parametrize("client_id", ["H-open-SPY-20131004-1-E", "S-open-SPY-20131004-1-Q", "anything"])
def test_an_id_names_its_book_and_role(desk, client_id):
    with pytest.raises(IntentRefusedError):
        record(desk, replace(bracket(), client_order_id=client_id))
    with pytest.raises(IntentRefusedError):
        record(desk, replace(bracket(), bracket=(replace(bracket().bracket[0], client_order_id=client_id),)))
    assert desk.trades.open_orders() == ()


def test_reports_advance_an_order_and_stale_ones_do_not(desk):
    made = record(desk, bracket()).record.order
    accepted = replace(made, status=OrderStatus.ACCEPTED, broker_order_id="B1", updated_at=OPEN_AT)
    part = replace(accepted, status=OrderStatus.PARTIALLY_FILLED, filled=Quantity.of("4"))
    for report, status in (
        (accepted, OrderStatus.ACCEPTED),
        (part, OrderStatus.PARTIALLY_FILLED),
        (accepted, OrderStatus.PARTIALLY_FILLED),
        (replace(part, status=OrderStatus.CANCELLED), OrderStatus.CANCELLED),
        (replace(part, status=OrderStatus.FILLED, filled=Quantity.of("10")), OrderStatus.CANCELLED),
    ):
        assert desk.trades.record_order(report).order.status is status
    assert desk.trades.order(made.client_order_id).order.broker_order_id == "B1"
    assert statuses(desk) == {"stop_loss": "pending", "take_profit": "pending"}


def test_a_report_after_the_fill_still_brings_the_brokers_id(desk):
    made = record(desk, replace(bracket(), bracket=())).record
    apply(desk, execution(1, made.request, "100"))
    filled = replace(made.order, status=OrderStatus.FILLED, filled=Quantity.of("10"), broker_order_id="B1")
    assert desk.trades.record_order(filled).order.broker_order_id == "B1"


def test_a_leg_keeps_its_parent_whatever_the_broker_says(desk):
    record(desk, bracket())
    leg = desk.trades.open_orders()[1].order
    report = replace(leg, status=OrderStatus.ACCEPTED, parent_client_order_id=None)
    assert desk.trades.record_order(report).order.parent_client_order_id == bracket().client_order_id


@pytest.mark.parametrize("status", [OrderStatus.REJECTED, OrderStatus.CANCELLED, OrderStatus.EXPIRED])
def test_legs_end_with_a_parent_that_never_filled(desk, status):
    made = record(desk, bracket()).record.order
    desk.trades.record_order(replace(made, status=status, reason="no"))
    assert desk.trades.open_orders() == ()
    assert desk.trades.order(bracket().bracket[0].client_order_id).order.reason == "no"


def test_a_leg_that_the_broker_has_spoken_of_is_left_to_the_broker(desk):
    made = record(desk, bracket()).record.order
    leg = desk.trades.open_orders()[1].order
    desk.trades.record_order(replace(leg, status=OrderStatus.ACCEPTED))
    desk.trades.record_order(replace(made, status=OrderStatus.CANCELLED))
    assert statuses(desk) == {"stop_loss": "accepted"}


def test_a_report_about_a_stranger_is_refused(desk):
    made = record(desk, bracket()).record.order
    with pytest.raises(UnknownOrderError, match="reconcile with the broker"):
        desk.trades.record_order(replace(made, client_order_id="S-x"))
    assert desk.trades.order("S-x") is None


# fills


def test_a_buy_moves_cash_into_positions_at_cost(desk):
    desk.fill("buy", "10", "100.03", "1.01")
    assert posted(desk) == lines("""
        1.20.10   1000.3   SPY 10
        1.10.10  -1001.31
        5.10.10      1.01
    """)


def test_a_sale_realises_the_result_of_its_lots(desk):
    desk.fill("buy", "10", "100")
    desk.fill("buy", "10", "120")
    desk.fill("sell", "15", "130", "2")
    assert posted(desk) == lines("""
        1.20.10  -1000   SPY -10
        1.20.10   -600   SPY -5
        1.10.10   1948
        5.10.10      2
        4.10.10   -350
    """)


def test_a_short_sale_is_a_credit_in_positions(desk):
    desk.fill("sell", "10", "100", "1")
    desk.fill("buy", "10", "90", "1")
    assert posted(desk, 1) == lines("""
        1.20.10  -1000   SPY -10
        1.10.10    999
        5.10.10      1
    """)
    assert posted(desk) == lines("""
        1.20.10   1000   SPY 10
        1.10.10   -901
        5.10.10      1
        4.10.10   -100
    """)


def test_holdings_have_their_own_accounts_and_no_trades(desk):
    desk.fill("buy", "10", "100", "1", book=Book.HOLDINGS)
    applied = desk.fill("sell", "10", "110", "1", book=Book.HOLDINGS)
    assert posted(desk) == lines("""
        1.20.20  -1000   SPY -10
        1.10.10   1099
        5.10.20      1
        4.10.20   -100
    """)
    assert (applied.trade_id, desk.trades.open_trades(), desk.trades.last_trade_id()) == (None, (), None)
    assert desk.trades.results(DAY) == SessionResult(DAY, Result())
    assert desk.trades.session_results(5) == ()
    assert desk.trades.verify_results() == ()


def test_books_do_not_mix(desk):
    desk.fill("buy", "10", "100", book=Book.HOLDINGS)
    desk.fill("buy", "4", "200")
    desk.fill("sell", "4", "210")
    assert desk.trades.positions(Book.HOLDINGS) == (
        Position(Book.HOLDINGS, "SPY", Quantity.of("10"), Money.of("1000")),
    )
    assert desk.trades.positions(Book.STRATEGY) == ()
    assert desk.trades.book_positions() == {(Book.HOLDINGS, "SPY"): Quantity.of("10")} == desk.ledger.ledger_positions()


def test_a_fill_is_booked_once(desk):
    made = desk.intent("buy", "10")
    fill = execution(1, made, "100", "1")
    first, again = apply(desk, fill), apply(desk, fill)
    assert again == first
    assert (first.is_repeat, again.is_repeat) == (False, True)
    assert desk.trades.order(made.client_order_id).executed == Quantity.of("10")
    assert desk.trades.results(DAY).result.fees == Money.of("1")
    assert desk.ledger.ledger_cash() == Money.of("98999")


def test_the_same_execution_id_with_other_content_is_refused(desk):
    fill = execution(1, desk.intent("buy", "10"), "100")
    apply(desk, fill)
    with pytest.raises(ExecutionConflictError, match="What was booked first stands"):
        apply(desk, replace(fill, price=Price.of("101")))
    assert desk.ledger.ledger_cash() == Money.of("99000")


def test_a_stranger_is_quarantined_and_booked_once_its_order_is_known(desk):
    made = request(7, "buy", "10")
    fill = execution(1, made, "100")
    first = apply(desk, fill)
    assert (first.outcome, first.event_seq) == (Outcome.QUARANTINED, None)
    assert apply(desk, fill) == first
    assert desk.trades.quarantine() == (first,)
    assert desk.ledger.ledger_cash() == Money.of("100000")
    with pytest.raises(ExecutionConflictError):
        apply(desk, replace(fill, fee=Money.of("1")))
    record(desk, made)
    assert apply(desk, fill).outcome is Outcome.APPLIED
    assert desk.trades.quarantine() == ()
    assert desk.ledger.ledger_cash() == Money.of("99000")


def test_a_fill_that_contradicts_its_order_is_refused(desk):
    made = desk.intent("buy", "10")
    for wrong in ({"symbol": "IBM"}, {"side": Side.SELL}):
        with pytest.raises(FillError, match="not in the symbol and side of its order"):
            apply(desk, replace(execution(1, made, "100"), **wrong))
    assert desk.trades.open_trades() == ()


def test_the_cursor_is_the_greatest_sequence_seen(desk):
    assert desk.trades.execution_cursor() == 0
    apply(desk, execution(3, desk.intent("buy", "10"), "100", quantity="1"))
    assert desk.trades.execution_cursor() == 3
    apply(desk, execution(8, request(9, "buy", "1"), "100"))
    assert desk.trades.execution_cursor() == 8


def undone(fill, number):
    """The bust of a fill."""
    return replace(
        fill,
        execution_id=f"X{number}",
        sequence=number,
        side=fill.side.opposite,
        fee=-fill.fee,
        busts=fill.execution_id,
    )


def test_a_busted_entry_leaves_nothing_but_its_history(desk):
    made = desk.intent("buy", "10")
    fill = execution(1, made, "100", "1")
    apply(desk, fill)
    applied = apply(desk, undone(fill, 2))
    assert apply(desk, undone(fill, 2)).is_repeat
    assert posted(desk) == lines("""
        1.20.10  -1000   SPY -10
        1.10.10   1001
        5.10.10     -1
    """)
    assert desk.ledger.entries(1).items[0].memo == "Bust of X1: sell 10 SPY at 100"
    assert (desk.trades.open_trades(), desk.ledger.ledger_cash()) == ((), Money.of("100000"))
    closed = desk.trades.trade(applied.closed_trade_id)
    assert (closed.close_reason, closed.realised_pnl) == ("its fill was undone by the broker", Money.zero())
    assert closed.closed_by is CloseReason.BUST
    order = desk.trades.order(made.client_order_id)
    assert (order.executed, order.order.filled) == (Quantity.zero(), Quantity.of("10"))
    assert desk.trades.verify_results() == ()
    assert desk.ledger.verify_chain().is_intact


def test_a_busted_exit_opens_what_it_had_closed(desk):
    desk.fill("buy", "10", "100", "1")
    out = desk.intent("sell", "10", role=OrderRole.EXIT)
    fill = execution(2, out, "130", "2")
    apply(desk, fill)
    apply(desk, undone(fill, 3))
    (trade,) = desk.trades.open_trades()
    assert (trade.side, trade.quantity, trade.stop_price) == (Side.BUY, Quantity.of("10"), None)
    assert desk.ledger.ledger_cash() == Money.of("98999")
    assert desk.ledger.ledger_positions() == desk.trades.book_positions() != {}
    assert desk.trades.verify_results() == ()


def test_a_bust_waits_for_what_it_undoes(desk):
    made = desk.intent("buy", "10")
    fill = execution(1, made, "100", "1")
    assert apply(desk, undone(fill, 2)).outcome is Outcome.QUARANTINED
    assert apply(desk, undone(fill, 2)).is_repeat
    assert len(desk.trades.quarantine()) == 1
    apply(desk, fill)
    assert apply(desk, undone(fill, 2)).outcome is Outcome.APPLIED
    assert desk.trades.quarantine() == ()
    assert desk.ledger.ledger_cash() == Money.of("100000")


def test_a_bust_is_on_the_other_side_of_its_order(desk):
    fill = execution(1, desk.intent("buy", "10"), "100")
    apply(desk, fill)
    with pytest.raises(FillError, match="side of its order"):
        apply(desk, replace(undone(fill, 2), side=Side.BUY))


def test_partial_fills_make_one_order_and_one_trade(desk):
    made = desk.intent("buy", "10")
    apply(desk, execution(1, made, "100", quantity="4"))
    assert statuses(desk) == {"entry": "partially_filled"}
    apply(desk, execution(2, made, "110", quantity="6"))
    (trade,) = desk.trades.open_trades()
    assert (trade.entry_quantity, trade.entry_price) == (Quantity.of("10"), Price.of("106"))
    order = desk.trades.order(made.client_order_id)
    assert (order.order.status, order.trade_id) == (OrderStatus.FILLED, trade.trade_id)


def test_a_leg_is_not_over_by_a_quantity_that_was_reported_too_late(desk):
    record(desk, bracket())
    apply(desk, execution(1, bracket(), "100"))
    target = bracket().bracket[1]
    leg = desk.trades.order(target.client_order_id).order
    desk.trades.record_order(replace(leg, status=OrderStatus.ACCEPTED, quantity=Quantity.of("4")))
    apply(desk, execution(2, target, "110", quantity="4"))
    assert statuses(desk)["take_profit"] == "partially_filled"
    apply(desk, execution(3, target, "110", quantity="6"))
    assert desk.trades.order(target.client_order_id).order.status is OrderStatus.FILLED


def test_a_fill_too_small_to_have_a_value_still_moves_the_quantity(desk):
    desk.fill("buy", "0.000000001", "0.01")
    assert posted(desk) == "1.20.10 0 SPY 0.000000001"
    assert desk.ledger.ledger_positions() == desk.trades.book_positions() != {}


# trades


def test_a_round_trip_from_flat_to_flat_is_one_trade(desk):
    record(desk, bracket())
    apply(desk, execution(1, bracket(), "100", "1"))
    stop = bracket().bracket[0]
    apply(desk, execution(2, stop, "95", "1", at=OPEN_AT + timedelta(minutes=5)))
    (trade,) = desk.trades.closed_trades(10).items
    assert (trade.trade_id, trade.state, trade.side) == ("T-20131004-0001", TradeState.CLOSED, Side.BUY)
    assert (trade.entry_price, trade.exit_price, trade.realised_pnl) == (
        Price.of("100"),
        Price.of("95"),
        Money.of("-52"),
    )
    assert (trade.stop_price, trade.target_price) == (Price.of("95"), Price.of("110"))
    assert (trade.close_reason, trade.closed_at) == ("stop_loss", OPEN_AT + timedelta(minutes=5))
    assert trade.closed_by is CloseReason.STOP
    assert desk.trades.trade(trade.trade_id) == trade
    assert desk.trades.trade("T-1") is None
    assert desk.trades.open_trades() == ()


@pytest.mark.parametrize(
    ("leg", "price", "moved", "cause"),
    [
        (0, "97", "97", CloseReason.TRAIL),
        (0, "95", None, CloseReason.STOP),
        (1, "110", None, CloseReason.TARGET),
    ],
)
def test_the_order_that_ends_a_trade_says_what_closed_it(desk, leg, price, moved, cause):
    record(desk, bracket())
    apply(desk, execution(1, bracket(), "100", "1"))
    ending = bracket().bracket[leg]
    if moved is not None:
        stop = desk.trades.order(ending.client_order_id).order
        desk.trades.record_order(replace(stop, status=OrderStatus.ACCEPTED, stop_price=Price.of(moved)))
    apply(desk, execution(2, ending, price, "1", at=OPEN_AT + timedelta(minutes=5)))
    (trade,) = desk.trades.closed_trades(10).items
    assert trade.closed_by is cause


def test_crossing_through_zero_ends_one_trade_and_begins_the_next(desk):
    desk.fill("buy", "10", "100")
    applied = desk.fill("sell", "15", "101", "1.50", reason="reversed")
    (closed,) = desk.trades.closed_trades(10).items
    (opened,) = desk.trades.open_trades()
    assert (applied.closed_trade_id, applied.trade_id) == (closed.trade_id, opened.trade_id)
    assert (closed.trade_id, opened.trade_id) == ("T-20131004-0001", "T-20131004-0002")
    assert (closed.close_reason, closed.fees, closed.realised) == ("reversed", Money.of("1"), Money.of("10"))
    assert closed.closed_by is CloseReason.OTHER
    assert (opened.side, opened.quantity, opened.fees) == (Side.SELL, Quantity.of("5"), Money.of("0.50"))
    assert desk.trades.last_trade_id() == opened.trade_id


def test_results_belong_to_the_session_in_which_they_arose(desk):
    desk.fill("buy", "10", "100", "1")
    desk.fill("sell", "4", "110", "1")
    desk.fill("sell", "6", "120", "1", day=NEXT_DAY)
    desk.fill("sell", "1", "50", "1", day=NEXT_DAY, symbol="IBM")
    desk.fill("buy", "1", "50", "1", day=NEXT_DAY, symbol="IBM")
    assert desk.trades.results(DAY).result == Result(Money.of("40"), Money.of("2"), 0, 0)
    assert desk.trades.results(NEXT_DAY).result == Result(Money.of("120"), Money.of("3"), 2, 1)
    lifetime = desk.trades.lifetime()
    assert lifetime.result == Result(Money.of("160"), Money.of("5"), 2, 1)
    assert (lifetime.result.pnl, lifetime.sessions) == (Money.of("155"), 2)
    assert [result.day for result in desk.trades.session_results(5)] == [NEXT_DAY, DAY]
    assert [result.day for result in desk.trades.session_results(5, before=NEXT_DAY)] == [DAY]
    assert [trade.trade_id for trade in desk.trades.closed_trades(5).items] == ["T-20131007-0001", "T-20131004-0001"]
    assert desk.trades.verify_results() == ()


def test_closed_trades_come_in_pages(desk):
    for _ in range(5):
        desk.fill("buy", "1", "10")
        desk.fill("sell", "1", "11")
    first = desk.trades.closed_trades(3)
    second = desk.trades.closed_trades(3, before=first.next)
    numbers = [int(trade.trade_id[-4:]) for trade in (*first.items, *second.items)]
    assert (numbers, second.next) == ([5, 4, 3, 2, 1], None)


# sessions, equity, reconciliations


def test_what_a_session_began_with_is_kept_and_unknown_is_not_zero(desk):
    session = Session(DAY, OPEN_AT, OPEN_AT + timedelta(hours=6.5))
    assert desk.trades.session(DAY) is None
    desk.trades.record_session_open(session, float_at_open=None, equity_at_open=Money.of("100000"))
    assert desk.trades.results(DAY) == SessionResult(DAY, Result(), None, Money.of("100000"), None)
    desk.trades.record_session_open(session, float_at_open=Money.of("5"), equity_at_open=Money.of("7"))
    desk.fill("buy", "1", "10", "1")
    desk.trades.record_session_close(DAY, equity_at_close=None)
    desk.trades.record_session_close(DAY, equity_at_close=Money.of("99999"))
    desk.trades.record_session_close(DAY, equity_at_close=Money.of("1"))
    assert desk.trades.results(DAY) == SessionResult(
        DAY, Result(fees=Money.of("1")), Money.of("5"), Money.of("100000"), Money.of("99999")
    )
    assert desk.trades.session(DAY) == session


def test_an_equity_curve_has_at_most_the_points_asked_for(desk):
    points = [EquityPoint(OPEN_AT + timedelta(minutes=minute), Money(minute)) for minute in range(100)]
    for point in points:
        desk.trades.record_equity(point.at, point.equity)
    end_at = OPEN_AT + timedelta(minutes=100)
    assert desk.trades.equity_curve(OPEN_AT, end_at, 10) == tuple(points[9::10])
    assert desk.trades.equity_curve(OPEN_AT, end_at, 1000) == tuple(points)
    assert desk.trades.equity_curve(OPEN_AT, points[3].at, 7) == tuple(points[:3])
    assert desk.trades.equity_curve(end_at, end_at + timedelta(days=9), 7) == ()
    desk.trades.record_equity(OPEN_AT, Money(7))
    assert desk.trades.equity_curve(OPEN_AT, points[1].at, 5) == (EquityPoint(OPEN_AT, Money(7)),)


def test_a_reconciliation_is_signed_once(desk):
    assert desk.trades.last_reconciliation() is None
    made = desk.trades.record_reconciliation(
        DAY, at=OPEN_AT, recorded_at=WALL, trigger="boot", document="{}", is_clean=False
    )
    assert made == desk.trades.last_reconciliation()
    assert (made.trigger, made.is_clean, made.signed_by, made.signed_at) == ("boot", False, None, None)
    signed_at = datetime(2026, 1, 6, tzinfo=UTC)
    signed = desk.trades.sign_reconciliation(made.seq, actor="alice", reason="seen", signed_at=signed_at)
    assert (signed.signed_by, signed.signed_reason, signed.signed_at) == ("alice", "seen", signed_at)
    assert desk.trades.sign_reconciliation(made.seq, actor="bob", reason="x", signed_at=WALL) == signed
    assert desk.trades.sign_reconciliation(99, actor="bob", reason="x", signed_at=WALL) is None


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE session_result SET wins = 0", "Session 2013-10-04: kept realised 10, fees 2, 0 of 1 trades won"),
        ("DELETE FROM session_result", "Session 2013-10-04: kept realised 0, fees 0"),
        ("UPDATE lifetime_result SET realised = 0", "Lifetime: kept realised 0"),
        ("UPDATE trade SET fees = 1", "Trades: realised 10, fees 0.00000001"),
        ("UPDATE execution SET fee = 0", "Ledger: realised 10, fees 2; executions have realised 10, fees 0"),
    ],
)
def test_recomputing_finds_a_kept_figure_that_is_wrong(desk, statement, sentence):
    desk.fill("buy", "1", "10", "1")
    desk.fill("sell", "1", "20", "1")
    with desk.database.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    assert any(difference.startswith(sentence) for difference in desk.trades.verify_results())


def test_the_whole_curve_spans_what_was_recorded(desk):
    assert desk.trades.whole_equity_curve(10) == ()
    for day in range(20):
        desk.trades.record_equity(OPEN_AT + timedelta(days=day), Money.of(100 + day))
    curve = desk.trades.whole_equity_curve(10)
    assert len(curve) == 10
    assert curve[-1].equity == Money.of(119)
