"""A person exits, cancels and re-reads: sent once, never more than is open, protected all the while."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest

from tbot_bot.domain.broker import BrokerUnavailableError
from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.manual_exits import ExitWish
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.domain.orders import OrderStatus, OrderType
from tbot_bot.domain.trades import OrderRecord, Trade
from tbot_bot.trading.closing import ClosingOutcome
from tbot_bot.trading.manual_orders import FOLLOW_EVERY, ManualOrderRefusedError, ManualOrders
from tests.unit.trading.desk import CrashError, Desk, conditions, desk, exit_intent, strange_order

ALL = ExitWish(None, None)
STOP, TARGET, EXIT = (f"S-open-AAA-20131004-1-{letter}" for letter in "STX")


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as made:
        made.enter("AAA", "buy", "100")
        made.pass_time()
        manual(made).reread(order(made, "S-open-AAA-20131004-1-E"))
        yield made


def manual(made: Desk) -> ManualOrders:
    return ManualOrders(lambda: made.line, made.orders, lambda: dict(conditions().instruments), made.books.clock)


def trade(made: Desk) -> Trade:
    (found,) = made.orders.records.open_trades()
    return found


def order(made: Desk, name: str) -> OrderRecord:
    found = made.orders.records.order(name)
    assert found is not None
    return found


def leave(made: Desk, quantity: str | None = None, limit: str | None = None, request_id: str = "r-1") -> OrderRecord:
    wish = ExitWish(None if quantity is None else Quantity.of(quantity), None if limit is None else Price.of(limit))
    return manual(made).exit(trade(made), wish, actor="ada", request_id=request_id)


def follow(made: Desk) -> None:
    made.pass_time()
    manual(made).follow()


def refused(made: Desk, *args: str | None, **named: str) -> str:
    with pytest.raises(ManualOrderRefusedError) as caught:
        leave(made, *args, **named)
    return str(caught.value)


def test_all_of_a_trade_is_closed_at_the_market(trading: Desk) -> None:
    sent = leave(trading)
    assert (sent.order.client_order_id, sent.order.status, sent.request_id) == (EXIT, OrderStatus.ACCEPTED, "r-1")
    follow(trading)
    (closed,) = trading.orders.records.closed_trades(1).items
    assert (closed.exit_quantity, closed.close_reason) == (Quantity.of(100), "closed by ada")
    assert closed.closed_by is CloseReason.OPERATOR
    assert order(trading, EXIT).asked_price == Price.of("100")
    assert trading.line.inner.positions() == []
    assert trading.line.inner.open_orders() == []
    assert order(trading, STOP).order.status is OrderStatus.CANCELLED
    assert trading.books.trades.verify_results() == ()


def test_a_part_is_closed_and_the_stop_stands_for_the_rest(trading: Desk) -> None:
    leave(trading, "40")
    assert trading.line.inner.order(STOP).quantity == Quantity.of(100)  # type: ignore[union-attr]  # it is there
    follow(trading)
    assert trade(trading).quantity == Quantity.of(60)
    at_broker = {one.client_order_id: str(one.quantity) for one in trading.line.inner.open_orders()}
    assert at_broker == {STOP: "60", TARGET: "60"}
    assert {str(order(trading, name).order.quantity) for name in (STOP, TARGET)} == {"60"}
    leave(trading, request_id="r-2")
    follow(trading)
    assert trading.orders.records.open_trades() == ()
    assert trading.line.inner.positions() == []


def test_a_limit_rests_beside_stop_and_target_and_can_be_cancelled(trading: Desk) -> None:
    sent = leave(trading, None, "105.00")
    assert (sent.order.type, sent.order.limit_price) == (OrderType.LIMIT, Price.of("105"))
    follow(trading)
    assert {one.client_order_id for one in trading.line.inner.open_orders()} == {STOP, TARGET, EXIT}
    assert manual(trading).cancel(order(trading, EXIT)).order.status is OrderStatus.CANCELLED
    assert {one.client_order_id for one in trading.line.inner.open_orders()} == {STOP, TARGET}
    again = leave(trading, "10", request_id="r-2")
    assert again.order.client_order_id == f"{EXIT}2"


def test_the_same_request_is_sent_once(trading: Desk) -> None:
    first = leave(trading, "40")
    trading.restart()
    assert leave(trading, "40") == first
    follow(trading)
    assert leave(trading, "40").order.status is OrderStatus.FILLED
    assert trading.line.submitted.count(EXIT) == 1
    assert trade(trading).quantity == Quantity.of(60)


def test_the_gate_is_passed_while_paused_and_killed_and_before_a_start(trading: Desk) -> None:
    for number, state in enumerate((State.MONITORING, State.STOPPED), 1):
        trading.conditions = replace(conditions(), state=state, paused=True, killed=True, armed=False)
        leave(trading, "10", request_id=f"r-{number}")
        follow(trading)
    assert trade(trading).quantity == Quantity.of(80)


def test_what_is_refused_says_why_and_changes_nothing(trading: Desk) -> None:
    assert refused(trading, "101") == "101 is more than the 100 AAA that are open."
    assert refused(trading, "0") == "0 is no quantity to close."
    assert refused(trading, "10", "100.001") == "100.001 is not a price at which AAA trades."
    trading.line.extra["AAA"] = Quantity.of(-30)
    assert refused(trading) == "The broker holds 70 AAA for the strategies, the books 100."
    trading.line.extra.clear()
    trading.line.strange = [replace(strange_order("W-1"), symbol="AAA")]
    assert "not on record (O-77)" in refused(trading)
    trading.line.strange = []
    leave(trading, "10", "105.00")
    assert refused(trading, request_id="r-2") == f"The exit {EXIT} is on its way already."
    assert trading.line.submitted == [EXIT]


def test_a_closed_market_is_told_with_what_to_do(trading: Desk) -> None:
    trading.at(trading.line.inner.clock().session.close_at)  # type: ignore[union-attr]  # a session runs
    with pytest.raises(ManualOrderRefusedError) as caught:
        leave(trading)
    assert caught.value.refusal.sentence == "The market is closed; it opens at 2013-10-07T13:30:00Z."
    assert "press Stop" in caught.value.refusal.next_step
    trading.at(trading.line.inner.clock().now + timedelta(days=9))
    assert "does not open again" in refused(trading)


@pytest.mark.parametrize("fate", ["lost", "unheard"])
def test_an_unknown_outcome_is_asked_after_and_not_sent_again(trading: Desk, fate: str) -> None:
    trading.line.submissions = [fate]
    assert leave(trading).order.status is OrderStatus.PENDING
    trading.restart()
    assert leave(trading).order.status is OrderStatus.PENDING
    for _ in range(2):
        follow(trading)
    assert trading.line.submitted == [EXIT]
    assert (trading.orders.records.open_trades() == ()) is (fate == "unheard")
    if fate == "lost":
        assert order(trading, EXIT).order.status is OrderStatus.REJECTED
        assert refused(trading) == "the order never reached the broker"
        assert leave(trading, request_id="r-2").order.client_order_id == f"{EXIT}2"


def test_a_crash_between_record_and_broker_sends_nothing_twice(trading: Desk) -> None:
    trading.line.submissions = ["crash"]
    with pytest.raises(CrashError):
        leave(trading)
    trading.restart()
    assert leave(trading).order.status is OrderStatus.PENDING
    follow(trading)
    follow(trading)
    assert order(trading, EXIT).order.status is OrderStatus.REJECTED
    assert trade(trading).quantity == Quantity.of(100)


def test_a_broker_that_refuses_or_is_silent_leaves_the_trade_as_it_was(trading: Desk) -> None:
    trading.line.submissions = ["refuse"]
    assert refused(trading) == "not today"
    assert refused(trading) == "not today"
    trading.line.down = True
    with pytest.raises(BrokerUnavailableError):
        leave(trading, request_id="r-2")
    trading.line.down = False
    assert trading.line.submitted == [EXIT]
    assert leave(trading, request_id="r-2").order.client_order_id == f"{EXIT}2"


def test_a_person_and_the_bot_never_close_the_same_shares(trading: Desk) -> None:
    start, verdicts = Barrier(2), []

    def by_hand() -> None:
        start.wait(5)
        try:
            leave(trading)
        except ManualOrderRefusedError as error:
            verdicts.append(str(error))
        else:
            verdicts.append("sent")

    def by_bot() -> None:
        start.wait(5)
        intent = exit_intent("AAA", "sell", "100")
        verdict = trading.orders.accept(intent)
        if verdict is None:
            trading.orders.submission(intent.client_order_id, order=trading.line.inner.submit(intent.to_request()))
        verdicts.append(str(verdict or "sent"))

    for name in (STOP, TARGET):  # as the bot does before it asks for its exit
        trading.line.inner.cancel(name)
        manual(trading).reread(order(trading, name))
    threads = [Thread(target=one) for one in (by_hand, by_bot)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(verdict == "sent" for verdict in verdicts) == [False, True], verdicts
    trading.pass_time()
    manual(trading).reread(order(trading, EXIT))
    assert trading.line.inner.positions() == []
    assert trading.orders.records.book_positions() == {}


def test_the_bots_exit_is_refused_while_a_persons_works(trading: Desk) -> None:
    leave(trading, None, "105.00")
    refusal = trading.orders.accept(exit_intent("AAA", "sell", "100", attempt=2))
    assert str(refusal) == "closing 100 AAA with 100 already being closed is more than the 100 open"


def test_a_stop_stays_and_a_target_may_go(trading: Desk) -> None:
    with pytest.raises(ManualOrderRefusedError, match="protects the trade"):
        manual(trading).cancel(order(trading, STOP))
    assert manual(trading).cancel(order(trading, TARGET)).order.status is OrderStatus.CANCELLED
    with pytest.raises(ManualOrderRefusedError, match="cancelled already"):
        manual(trading).cancel(order(trading, TARGET))
    trading.hold("BBB", "buy", "5")
    with pytest.raises(ManualOrderRefusedError, match="holdings"):
        manual(trading).cancel(next(one for one in trading.orders.records.open_orders() if one.book == "holdings"))


def test_an_order_that_is_not_there_any_more_is_not_cancelled(trading: Desk) -> None:
    trading.line.inner.cancel(TARGET)
    assert manual(trading).cancel(order(trading, TARGET)).order.status is OrderStatus.CANCELLED


def test_reading_an_order_again_books_what_was_missed(trading: Desk) -> None:
    sent = leave(trading, "40")
    trading.pass_time()
    assert trade(trading).quantity == Quantity.of(100)
    assert manual(trading).reread(sent).order.status is OrderStatus.FILLED
    assert trade(trading).quantity == Quantity.of(60)


def test_following_asks_the_broker_only_while_there_is_something_to_follow(trading: Desk) -> None:
    followed = manual(trading)
    calls = trading.line.calls
    followed.follow()
    assert trading.line.calls == calls
    leave(trading, "40", "105.00")
    calls = trading.line.calls
    trading.books.clock.at += FOLLOW_EVERY
    followed.follow()
    assert trading.line.calls > calls
    calls = trading.line.calls
    followed.follow()
    assert trading.line.calls == calls
    trading.line.down = True
    trading.books.clock.at += FOLLOW_EVERY
    followed.follow()  # the broker does not answer: asked again later
    assert order(trading, EXIT).order.status is OrderStatus.ACCEPTED


def test_stop_closes_what_an_exit_has_left(trading: Desk) -> None:
    leave(trading, "40", "105.00")
    closing = trading.closing()
    for _ in range(10):
        if closing.advance():
            break
        trading.pass_time()
    assert closing.outcome is ClosingOutcome.FLAT
    assert trading.line.inner.positions() == []
