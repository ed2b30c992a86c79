"""A kill while nothing can be recorded: closed at the broker at once, booked by the closing that follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.money import Quantity
from tbot_bot.domain.orders import Book, OrderRole, role_of
from tbot_bot.trading.closing import Closing, ClosingKind, ClosingOutcome
from tbot_bot.trading.reconciliation import SUBMIT_GRACE, pull, tie_out
from tbot_bot.trading.unrecorded import UnrecordedClosing
from tests.unit.trading.desk import FRIDAY, CrashError, Desk, desk, entry_intent, exit_intent


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as made:
        yield made


def unrecorded(made: Desk) -> UnrecordedClosing:
    made.conditions = replace(made.conditions, state=State.EMERGENCY, killed=True, armed=False)
    return UnrecordedClosing(made.line, made.orders, made.books.clock)


def advance(made: Desk, closing: UnrecordedClosing, turns: int = 8) -> None:
    for _ in range(turns):
        closing.advance()
        made.pass_time()


def booked_by_kill(made: Desk) -> Closing:
    closing = made.closing(ClosingKind.KILL)
    for _ in range(60):
        if closing.advance():
            return closing
        made.pass_time()
    raise AssertionError([step.detail for step in closing.report().steps])


def assert_flat_and_agreed(made: Desk) -> None:
    closing = booked_by_kill(made)
    assert closing.outcome is ClosingOutcome.FLAT, closing.report()
    tie = tie_out(made.line, made.orders, made.books.ledger, made.books.clock)
    assert tie.clean, tie.rows
    assert made.orders.records.quarantine() == ()
    assert made.orders.records.verify_results() == ()


def test_it_is_closed_at_the_broker_and_booked_afterwards(trading: Desk) -> None:
    trading.hold("CCC", "buy", "70")
    trading.enter("AAA", "buy", "100")
    trading.pass_time()
    pull(trading.line, trading.orders, trading.books.clock)
    trading.enter("BBB", "sell", "50")
    trading.pass_time()  # filled, and not booked any more
    advance(trading, unrecorded(trading))
    assert sorted(trading.line.submitted) == ["S-open-AAA-20131004-1-X", "S-open-BBB-20131004-1-X"]
    assert [(one.symbol, str(one.quantity)) for one in trading.line.inner.positions()] == [("CCC", "70")]
    assert trading.line.inner.open_orders() == []
    assert trading.strategy_quantities() == {"AAA": "100"}  # nothing was recorded
    assert_flat_and_agreed(trading)
    assert {trade.close_reason for trade in trading.orders.records.closed_trades(9).items} == {"kill"}
    assert trading.orders.records.book_positions() == {(Book.HOLDINGS, "CCC"): Quantity.of(70)}


def test_fills_that_were_read_before_the_orders_were_known_are_booked_too(trading: Desk) -> None:
    trading.enter("AAA", "buy", "100")
    trading.pass_time()
    advance(trading, unrecorded(trading))
    pull(trading.line, trading.orders, trading.books.clock)
    assert len(trading.orders.records.quarantine()) == 1
    assert_flat_and_agreed(trading)


def test_holdings_that_were_bought_and_not_booked_yet_are_not_sold(trading: Desk) -> None:
    trading.hold("AAA", "buy", "70")
    trading.enter("AAA", "buy", "100")
    trading.pass_time()
    advance(trading, unrecorded(trading))
    assert [(one.symbol, str(one.quantity)) for one in trading.line.inner.positions()] == [("AAA", "70")]
    assert_flat_and_agreed(trading)


def test_an_exit_without_an_answer_is_asked_after_and_never_doubled(trading: Desk) -> None:
    trading.enter("AAA", "buy", "100")
    trading.pass_time()
    closing = unrecorded(trading)
    trading.line.submissions = ["unheard"]
    advance(trading, closing)
    assert trading.line.submitted == ["S-open-AAA-20131004-1-X"]
    assert_flat_and_agreed(trading)


def test_an_exit_that_never_arrived_is_sent_under_its_own_id_once_it_cannot_arrive_any_more(trading: Desk) -> None:
    trading.enter("AAA", "buy", "100")
    trading.pass_time()
    closing = unrecorded(trading)
    trading.line.submissions = ["lost"]
    closing.advance()
    trading.pass_time(5)
    closing.advance()
    trading.pass_time(5)
    closing.advance()
    assert len(trading.line.submitted) == 1
    trading.books.clock.at += SUBMIT_GRACE
    advance(trading, closing)
    assert trading.line.submitted == ["S-open-AAA-20131004-1-X"] * 2
    assert trading.line.inner.positions() == []
    assert_flat_and_agreed(trading)


def test_an_exit_on_record_that_may_be_on_its_way_is_waited_for(trading: Desk) -> None:
    trading.enter("AAA", "buy", "100", bracket=False)
    trading.pass_time()
    pull(trading.line, trading.orders, trading.books.clock)
    assert trading.orders.accept(exit_intent("AAA", "sell", "100")) is None
    closing = unrecorded(trading)
    closing.advance()
    assert trading.line.submitted == []
    trading.books.clock.at += SUBMIT_GRACE
    advance(trading, closing)
    assert trading.line.submitted == ["S-open-AAA-20131004-1-X2"]
    assert_flat_and_agreed(trading)


def test_refused_it_tries_again_and_the_broker_is_left_alone_in_between(trading: Desk) -> None:
    trading.enter("AAA", "buy", "100", bracket=False)
    trading.pass_time()
    closing = unrecorded(trading)
    trading.line.submissions = ["refuse", "reject"]
    closing.advance()
    calls = trading.line.calls
    closing.advance()
    assert trading.line.calls == calls
    trading.line.down = True
    trading.pass_time()
    closing.advance()
    trading.line.down = False
    advance(trading, closing)
    assert trading.line.submitted == [f"S-open-AAA-20131004-1-{letter}" for letter in ("X", "X", "X2")]
    assert_flat_and_agreed(trading)


def test_a_closed_market_is_waited_for(trading: Desk) -> None:
    trading.enter("AAA", "buy", "100", bracket=False)
    trading.pass_time()
    trading.at(FRIDAY.close_at)
    advance(trading, unrecorded(trading), turns=2)
    assert trading.line.submitted == []


def test_a_foreign_order_that_looks_like_an_exit_is_not_taken_for_one(trading: Desk) -> None:
    foreign = replace(entry_intent("CCC", "buy", "10", bracket=False), role=OrderRole.EXIT)
    trading.line.inner.submit(foreign.to_request())
    closing = trading.closing(ClosingKind.KILL)
    closing.advance()
    assert trading.orders.records.order(foreign.client_order_id) is None


@settings(max_examples=30, deadline=None)
@given(
    sides=st.lists(st.sampled_from(["buy", "sell"]), min_size=1, max_size=3),
    submissions=st.lists(st.sampled_from(["ok", "lost", "unheard", "refuse", "crash"]), max_size=5),
    answers=st.lists(st.sampled_from(["ok", "ok", "ok", "out", "crash"]), max_size=30),
    turns=st.integers(0, 6),
    volume=st.sampled_from(["400", "100000"]),
    holdings=st.booleans(),
)
def test_whatever_happens_nothing_is_doubled_and_all_of_it_is_booked(
    tmp_path_factory: pytest.TempPathFactory,
    sides: list[str],
    submissions: list[str],
    answers: list[str],
    turns: int,
    volume: str,
    holdings: bool,
) -> None:
    with desk(tmp_path_factory.mktemp("unrecorded"), volume=volume) as made:
        if holdings:
            made.hold("AAA", "buy", "20")
        entered = {}
        for symbol, side in zip(("AAA", "BBB", "CCC"), sides, strict=False):
            entered[symbol] = "buy" if holdings and symbol == "AAA" else side
            made.enter(symbol, entered[symbol], "60")
        made.pass_time(30)
        made.line.submissions, made.line.answers = list(submissions), list(answers)
        closing = unrecorded(made)
        for _ in range(turns):
            try:
                closing.advance()
            except CrashError:
                made.restart()
                closing = unrecorded(made)
            made.pass_time()
            for position in made.line.inner.positions():
                own = position.quantity - Quantity.of(20 if holdings and position.symbol == "AAA" else 0)
                sign = 1 if entered.get(position.symbol) == "buy" else -1
                assert own.sign in (0, sign), "more was closed than was open"
        made.line.submissions, made.line.answers = [], []
        made.books.clock.at += timedelta(seconds=60)
        assert_flat_and_agreed(made)
        exits = [name for name in made.line.submitted if role_of(name) is OrderRole.EXIT]
        never_arrived = sum(submissions.count(fate) for fate in ("lost", "refuse", "crash"))
        assert len(exits) - len(set(exits)) <= never_arrived
