"""Stop and Kill end with a flat strategy book or a list of what is left, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.orders import Book, BrokerPosition, Order, OrderStatus, Side
from tbot_bot.trading.closing import REFUSALS_MAX, Closing, ClosingKind, ClosingOutcome
from tbot_bot.trading.reconciliation import SUBMIT_GRACE, pull, tie_out
from tests.unit.trading.desk import (
    FRIDAY,
    MONDAY,
    CrashError,
    Desk,
    Line,
    desk,
    entry_intent,
    exit_intent,
    strange_order,
)


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as made:
        yield made


def run(made: Desk, closing: Closing, rounds: int = 200) -> None:
    for _ in range(rounds):
        if closing.advance():
            return
        made.pass_time()
    raise AssertionError([step.detail for step in closing.report().steps])


def open_two(made: Desk) -> None:
    made.enter("AAA", "buy", "100")
    made.enter("BBB", "sell", "50")
    made.pass_time()
    pull(made.line, made.orders, made.books.clock)


def test_stop_cancels_legs_closes_long_and_short_and_ties_out(trading: Desk) -> None:
    open_two(trading)
    assert trading.strategy_quantities() == {"AAA": "100", "BBB": "-50"}
    closing = trading.closing()
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.FLAT
    assert trading.strategy_quantities() == {}
    assert trading.line.inner.positions() == []
    assert trading.line.inner.open_orders() == []
    assert {trade.close_reason for trade in trading.orders.records.closed_trades(9).items} == {"stop"}
    report = closing.report()
    assert [step.status for step in report.steps] == ["done"] * 5
    assert report.residuals == []
    assert report.steps[-1].detail == "all agree"
    assert report.ended_at is not None
    assert all(step.seconds is not None and step.seconds >= 0 for step in report.steps)


def test_a_working_entry_is_cancelled_and_what_it_filled_is_closed(tmp_path: Path) -> None:
    with desk(tmp_path, volume="400") as made:  # ten shares a tick for all our orders
        made.enter("AAA", "buy", "100")
        made.pass_time()
        closing = made.closing(ClosingKind.KILL)
        run(made, closing)
        assert closing.outcome is ClosingOutcome.FLAT
        entry = made.orders.records.order("S-open-AAA-20131004-1-E")
        assert entry is not None
        assert entry.order.status is OrderStatus.CANCELLED
        assert 0 < entry.executed.units < Quantity.of(100).units
        assert made.line.inner.positions() == []


def test_nothing_open_is_over_at_once(trading: Desk) -> None:
    closing = trading.closing()
    assert closing.advance()
    assert closing.advance()
    assert closing.outcome is ClosingOutcome.FLAT
    assert trading.line.submitted == []


def test_holdings_stay_as_they_are(trading: Desk) -> None:
    trading.hold("AAA", "buy", "70")
    trading.enter("AAA", "buy", "100")
    trading.pass_time()
    closing = trading.closing(ClosingKind.KILL)
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.FLAT
    assert [(one.symbol, str(one.quantity)) for one in trading.line.inner.positions()] == [("AAA", "70")]
    assert trading.orders.records.book_positions() == {(Book.HOLDINGS, "AAA"): Quantity.of(70)}


def test_stop_with_the_market_closed_is_scheduled_and_kill_stays(trading: Desk) -> None:
    open_two(trading)
    trading.at(FRIDAY.close_at)
    stop = trading.closing()
    assert stop.advance()
    assert stop.outcome is ClosingOutcome.SCHEDULED
    report = stop.report()
    assert [step.status for step in report.steps] == ["done", "done", "skipped", "skipped", "skipped"]
    assert "2013-10-07T13:30:00Z" in report.steps[2].detail
    assert [(line.symbol, line.quantity) for line in report.residuals] == [("AAA", "100"), ("BBB", "-50")]

    kill = trading.closing(ClosingKind.KILL)
    assert not kill.advance()
    assert kill.report().steps[2].status == "running"
    assert trading.line.submitted == []
    trading.at(MONDAY.open_at)
    run(trading, kill)
    assert kill.outcome is ClosingOutcome.FLAT


def test_a_market_that_never_opens_again_leaves_residuals(trading: Desk) -> None:
    open_two(trading)
    trading.at(MONDAY.close_at)
    closing = trading.closing(ClosingKind.KILL)
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.RESIDUALS
    assert {line.symbol for line in closing.report().residuals} == {"AAA", "BBB"}


def test_refused_exits_are_left_to_a_person(trading: Desk) -> None:
    open_two(trading)
    trading.line.submissions = ["refuse"] * 2 * REFUSALS_MAX
    closing = trading.closing(ClosingKind.KILL)
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.RESIDUALS
    assert len(trading.line.submitted) == len(set(trading.line.submitted)) == 2 * REFUSALS_MAX
    lines = closing.report().residuals
    assert [(line.what, line.symbol, line.quantity) for line in lines] == [
        ("position", "AAA", "100"),
        ("position", "BBB", "-50"),
    ]
    assert lines[0].value == "10000"
    again = trading.closing(ClosingKind.KILL)
    run(trading, again)
    assert again.outcome is ClosingOutcome.FLAT


def test_an_exit_that_is_taken_and_then_rejected_counts_as_refused(trading: Desk) -> None:
    open_two(trading)
    trading.line.submissions = ["reject"] * 2 * REFUSALS_MAX
    closing = trading.closing(ClosingKind.KILL)
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.RESIDUALS
    assert len(trading.line.submitted) == 2 * REFUSALS_MAX


def test_one_symbol_in_doubt_does_not_hold_up_the_others(trading: Desk) -> None:
    open_two(trading)
    trading.line.submissions = ["lost"]
    closing = trading.closing(ClosingKind.KILL)
    for _ in range(4):  # seconds
        closing.advance()
        trading.pass_time(1)
    assert trading.line.submitted == ["S-open-AAA-20131004-1-X", "S-open-BBB-20131004-1-X"]
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.FLAT


def test_an_exit_that_appears_meanwhile_is_not_doubled(trading: Desk) -> None:
    open_two(trading)
    orders = trading.orders

    @dataclass
    class Meanwhile(Line):
        def positions(self) -> Sequence[BrokerPosition]:
            orders.accept_closing(exit_intent("AAA", "sell", "100"))
            return super().positions()

    trading.line = Meanwhile(trading.line.inner)
    closing = trading.closing(ClosingKind.KILL)
    closing.advance()
    assert trading.line.submitted == ["S-open-BBB-20131004-1-X"]
    assert "100 already being closed" in closing.report().steps[2].detail
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.FLAT


def test_an_entry_found_while_closing_begins_it_again(trading: Desk) -> None:
    trading.line = Late(trading.line.inner, looks=1)
    closing = trading.closing()
    assert not closing.advance()
    assert closing.report().steps[0].status == "running"
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.FLAT


def test_an_unheard_exit_is_asked_after_and_never_sent_again(trading: Desk) -> None:
    open_two(trading)
    trading.line.submissions = ["unheard"]
    closing = trading.closing(ClosingKind.KILL)
    assert not closing.advance()
    assert "does not answer" in closing.report().steps[2].detail
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.FLAT
    assert trading.line.submitted == ["S-open-AAA-20131004-1-X", "S-open-BBB-20131004-1-X"]


def test_a_lost_exit_is_replaced_only_once_it_cannot_arrive_any_more(trading: Desk) -> None:
    open_two(trading)
    trading.line.submissions = ["lost"]
    closing = trading.closing(ClosingKind.KILL)
    closing.advance()
    first_at = trading.books.clock.at
    while "S-open-AAA-20131004-1-X2" not in trading.line.submitted:
        trading.pass_time(1)
        closing.advance()
    assert trading.books.clock.at - first_at >= SUBMIT_GRACE
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.FLAT


def test_an_intent_that_the_bot_may_still_send_is_waited_for(trading: Desk) -> None:
    late = entry_intent("AAA", "buy", "100")
    assert trading.orders.accept(late) is None
    closing = trading.closing()
    assert not closing.advance()
    trading.line.inner.submit(late.to_request())  # the bot was past its last check
    trading.pass_time()
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.FLAT
    assert trading.line.inner.positions() == []


def test_a_broker_without_our_position_is_never_sold_short(trading: Desk) -> None:
    open_two(trading)
    trading.line.extra = {"AAA": Quantity.of(-100), "BBB": Quantity.of(20)}
    closing = trading.closing(ClosingKind.KILL)
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.RESIDUALS
    assert trading.line.submitted == ["S-open-BBB-20131004-1-X"]  # 30 of the 50 that the books are short
    exit_of_b = trading.orders.records.order("S-open-BBB-20131004-1-X")
    assert exit_of_b is not None
    assert exit_of_b.executed == Quantity.of(30)
    lines = {(line.what, line.symbol): line.quantity for line in closing.report().residuals}
    assert lines[("position", "AAA")] == "100"
    assert lines[("difference", "AAA")] == "-100"


def test_what_the_broker_has_beyond_the_books_is_left_to_a_person(trading: Desk) -> None:
    open_two(trading)
    trading.line.extra = {"AAA": Quantity.of(20)}
    trading.line.extra_cash = Money.of(-1)
    closing = trading.closing(ClosingKind.KILL)
    run(trading, closing)
    assert trading.strategy_quantities() == {}
    assert closing.outcome is ClosingOutcome.RESIDUALS
    [line] = closing.report().residuals
    assert (line.what, line.symbol, line.quantity) == ("difference", "AAA", "20")


def test_cash_that_differs_is_said_but_nothing_to_close(trading: Desk) -> None:
    open_two(trading)
    trading.line.extra_cash = Money.of(-1)
    closing = trading.closing()
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.FLAT
    assert closing.report().steps[-1].detail.startswith("cash: broker")


def test_missing_shares_are_never_taken_from_the_holdings_book(trading: Desk) -> None:
    trading.hold("AAA", "buy", "70")
    trading.enter("AAA", "buy", "100")
    trading.pass_time()
    trading.line.extra = {"AAA": Quantity.of(-50)}
    closing = trading.closing(ClosingKind.KILL)
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.RESIDUALS
    assert trading.strategy_quantities() == {"AAA": "50"}


def test_a_working_order_of_the_holdings_book_is_left_alone(tmp_path: Path) -> None:
    with desk(tmp_path, volume="400") as made:  # ten shares a tick
        made.hold("CCC", "buy", "500")
        made.enter("AAA", "buy", "10")
        made.pass_time()
        closing = made.closing(ClosingKind.KILL)
        run(made, closing)
        assert closing.outcome is ClosingOutcome.FLAT
        assert [order.symbol for order in made.line.inner.open_orders()] == ["CCC"]


def test_a_fill_that_was_passed_over_is_found_and_closed(trading: Desk) -> None:
    trading.enter("AAA", "buy", "10")
    trading.enter("BBB", "sell", "5")
    trading.pass_time()
    _late, told = trading.line.inner.executions(0)
    trading.orders.execution(told)  # reports may overtake each other
    closing = trading.closing(ClosingKind.KILL)
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.FLAT
    assert trading.line.inner.positions() == []


@dataclass
class Forgetful(Line):
    """Says at first that it has no position at all."""

    empty: int = 1

    def positions(self) -> Sequence[BrokerPosition]:
        self.empty -= 1
        return [] if self.empty >= 0 else super().positions()


@pytest.mark.parametrize("empty", [1, 2, 3])
def test_one_empty_answer_does_not_give_up_a_position(trading: Desk, empty: int) -> None:
    open_two(trading)
    trading.line = Forgetful(trading.line.inner, empty=empty)
    closing = trading.closing(ClosingKind.KILL)
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.FLAT
    assert trading.line.inner.positions() == []


def test_cancels_are_waited_for(trading: Desk) -> None:
    open_two(trading)
    trading.line.slow = True
    closing = trading.closing()
    assert not closing.advance()
    steps = closing.report().steps
    assert [step.status for step in steps] == ["done", "running", "pending", "pending", "pending"]
    assert trading.line.submitted == []
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.FLAT


def test_an_exit_at_work_is_not_disturbed_by_a_position_that_cannot_be_closed(tmp_path: Path) -> None:
    with desk(tmp_path, volume="400") as made:  # ten shares a tick
        made.enter("AAA", "buy", "40", bracket=False)
        made.enter("BBB", "sell", "50", bracket=False)
        made.pass_time(120)
        pull(made.line, made.orders, made.books.clock)
        made.line.extra = {"BBB": Quantity.of(50)}
        closing = made.closing(ClosingKind.KILL)
        run(made, closing)
        assert made.line.submitted == ["S-open-AAA-20131004-1-X"]
        assert made.strategy_quantities() == {"BBB": "-50"}
        assert closing.outcome is ClosingOutcome.RESIDUALS


def test_an_order_that_only_bears_our_name_is_cancelled_and_others_are_left(trading: Desk) -> None:
    trading.line.strange = [strange_order("S-open-CCC-20131004-9-E"), strange_order("somebody")]
    closing = trading.closing(ClosingKind.KILL)
    run(trading, closing)
    assert [order.client_order_id for order in trading.line.strange] == ["somebody"]
    assert closing.outcome is ClosingOutcome.FLAT


@dataclass
class Late(Line):
    """An order shows itself at the fourth look: when the closing asks for the last time."""

    looks: int = 0

    def open_orders(self) -> Sequence[Order]:
        self.looks += 1
        if self.looks == 4:
            self.strange = [strange_order("S-open-CCC-20131004-9-E")]
        return super().open_orders()


def test_an_order_found_at_the_last_look_begins_the_closing_again(trading: Desk) -> None:
    trading.line = Late(trading.line.inner)
    closing = trading.closing(ClosingKind.KILL)
    assert not closing.advance()
    assert closing.report().steps[0].status == "running"
    run(trading, closing)
    assert trading.line.strange == []
    assert closing.outcome is ClosingOutcome.FLAT


def test_the_broker_is_left_alone_longer_with_each_failure(trading: Desk) -> None:
    trading.line.down = True
    closing = trading.closing(ClosingKind.KILL)
    tried = []
    for second in range(130):
        before = trading.line.calls
        closing.advance()
        tried += [second] if trading.line.calls > before else []
        trading.books.clock.at += timedelta(seconds=1)
    assert tried == [0, 2, 6, 14, 30, 60, 90, 120]
    trading.line.down = False
    trading.books.clock.at += timedelta(seconds=30)
    assert closing.advance()


def test_fills_that_keep_coming_delay_the_comparison(trading: Desk) -> None:
    closing = trading.closing()
    trading.line.answers = ["ok"] * 8 + ["out"]  # four steps of two calls pass, the comparison fails
    assert not closing.advance()
    assert closing.report().steps[4].status == "running"
    run(trading, closing)
    assert closing.outcome is ClosingOutcome.FLAT


@dataclass(frozen=True)
class Story:
    """What happens around one closing."""

    kind: ClosingKind
    sides: list[str]
    volume: str
    wave: str
    ticks_before: int
    answers: list[str]
    submissions: list[str]
    slow_cancels: bool
    holdings: int


STORIES = st.builds(
    Story,
    kind=st.sampled_from(ClosingKind),
    sides=st.lists(st.sampled_from(["buy", "sell"]), min_size=1, max_size=3),
    volume=st.sampled_from(["400", "2000", "100000"]),
    wave=st.sampled_from(["0", "11"]),
    ticks_before=st.integers(0, 6),
    answers=st.lists(st.sampled_from(["ok", "ok", "ok", "out", "crash"]), max_size=40),
    submissions=st.lists(st.sampled_from(["ok", "lost", "unheard", "refuse", "reject", "crash"]), max_size=6),
    slow_cancels=st.booleans(),
    holdings=st.sampled_from([0, 20]),
)


def begin(made: Desk, story: Story) -> dict[str, Side]:
    """Hold and enter what the story says; returns the side of each strategy entry."""
    if story.holdings:
        made.hold("AAA", "buy", str(story.holdings))
        made.pass_time(30)
        pull(made.line, made.orders, made.books.clock)
    entered = {}
    for symbol, side in zip(("AAA", "BBB", "CCC"), story.sides, strict=False):
        # an entry against the holdings book would be refused
        entered[symbol] = Side.BUY if symbol == "AAA" and story.holdings else Side(side)
        made.enter(symbol, entered[symbol], "60")
    made.pass_time(15 * story.ticks_before)
    made.conditions = replace(made.conditions, state=State.GRACEFUL)
    made.line.answers, made.line.submissions = list(story.answers), list(story.submissions)
    made.line.slow = story.slow_cancels
    return entered


def live_through(made: Desk, story: Story, entered: dict[str, Side]) -> Closing:
    """Close through outages and crashes, looking at the broker's positions after each step."""
    closing = made.closing(story.kind)
    for _ in range(300):
        try:
            over = closing.advance()
        except CrashError:
            over = False
            made.restart()
            closing = made.closing(story.kind)
        if over:
            if closing.outcome is not ClosingOutcome.SCHEDULED:
                return closing
            made.at(MONDAY.open_at)
            closing = made.closing(story.kind)
        made.pass_time()
        for position in made.line.inner.positions():
            own = position.quantity - Quantity.of(story.holdings if position.symbol == "AAA" else 0)
            side = entered.get(position.symbol)
            assert own.sign in (0, side.sign if side else 0), "more was closed than was open"
            assert abs(own) <= Quantity.of(60)
    raise AssertionError([step.detail for step in closing.report().steps])


@settings(max_examples=40, deadline=None)
@given(story=STORIES)
def test_closing_never_over_sells_and_ends_flat_or_says_what_is_left(
    tmp_path_factory: pytest.TempPathFactory, story: Story
) -> None:
    with desk(tmp_path_factory.mktemp("closing"), volume=story.volume, wave=story.wave) as made:
        entered = begin(made, story)
        closing = live_through(made, story, entered)
        left = made.strategy_quantities()
        listed = {line.symbol: line.quantity for line in closing.report().residuals}
        assert listed == left
        assert closing.outcome is (ClosingOutcome.RESIDUALS if left else ClosingOutcome.FLAT)
        assert not left or {"refuse", "reject"} & set(story.submissions)
        assert len(made.line.submitted) == len(set(made.line.submitted))
        tie = tie_out(made.line, made.orders, made.books.ledger, made.books.clock)
        assert tie.clean, [row.sentence for row in tie.differences]
        assert made.orders.records.verify_results() == ()
