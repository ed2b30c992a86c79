"""Boot reconciliation classifies what it finds, unlocks when all agrees, and assumes nothing it could not read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.broker import BrokerUnavailableError
from tbot_bot.domain.market import MarketClock
from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.orders import BrokerPosition, Execution, OrderStatus
from tbot_bot.trading.reconciliation import (
    SUBMIT_GRACE,
    BootReport,
    pull,
    reconcile,
    reconcile_at_boot,
    tie_out,
)
from tests.unit.trading.desk import DAY, Desk, Line, desk, entry_intent, strange_order


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as made:
        yield made


def boot(made: Desk) -> BootReport:
    made.restart()
    return reconcile_at_boot(made.line, made.orders, made.books.ledger, made.books.clock)


def status(made: Desk, client_order_id: str) -> OrderStatus:
    record = made.orders.records.order(client_order_id)
    assert record is not None
    return record.order.status


def test_fills_and_orders_that_nobody_told_are_found(trading: Desk) -> None:
    trading.enter("AAA", "buy", "10")
    trading.enter("BBB", "sell", "5", bracket=False)
    trading.pass_time()
    report = boot(trading)
    assert report.clean
    assert report.may_trade
    assert report.sentences == ()
    assert trading.strategy_quantities() == {"AAA": "10", "BBB": "-5"}
    assert [row.name for row in report.rows] == ["cash", "AAA", "BBB"]
    assert status(trading, "S-open-AAA-20131004-1-E") is OrderStatus.FILLED
    assert status(trading, "S-open-AAA-20131004-1-S") is OrderStatus.ACCEPTED
    record = trading.orders.records.last_reconciliation()
    assert record is not None
    assert (record.is_clean, record.session_day, record.trigger) == (True, DAY, "boot")
    assert json.loads(record.document)["rows"][1] == {
        "name": "AAA",
        "broker": "10",
        "books": "10",
        "ledger": "10",
        "difference": "0",
    }


def test_a_submission_nobody_heard_of_is_adopted(trading: Desk) -> None:
    intent = entry_intent("AAA", "buy", "10")
    assert trading.orders.accept(intent) is None
    trading.line.inner.submit(intent.to_request())
    trading.pass_time()
    assert boot(trading).clean
    assert trading.strategy_quantities() == {"AAA": "10"}


def test_an_intent_that_never_arrived_waits_out_its_grace_and_ends(trading: Desk) -> None:
    intent = entry_intent("AAA", "buy", "10")
    assert trading.orders.accept(intent) is None
    early = boot(trading)
    assert not early.may_trade
    assert "may still be on its way" in early.sentences[0]
    assert status(trading, intent.client_order_id) is OrderStatus.PENDING
    assert trading.orders.records.last_reconciliation() is None
    trading.books.clock.at += SUBMIT_GRACE
    report = boot(trading)
    assert report.clean
    assert report.sentences == (f"Order {intent.client_order_id} was recorded but never reached the broker.",)
    assert status(trading, intent.client_order_id) is OrderStatus.REJECTED
    assert status(trading, "S-open-AAA-20131004-1-T") is OrderStatus.REJECTED


def test_an_order_the_broker_forgot_is_lost_and_said(trading: Desk) -> None:
    intent = entry_intent("AAA", "buy", "10", bracket=False)
    assert trading.orders.accept(intent) is None
    order = trading.line.inner.submit(intent.to_request())
    trading.orders.submission(intent.client_order_id, order=order)
    trading.line.forgotten.add(intent.client_order_id)
    report = boot(trading)
    assert not report.clean
    assert report.pulled.lost == (intent.client_order_id,)
    assert "no longer knows order" in report.sentences[0]
    assert status(trading, intent.client_order_id) is OrderStatus.CANCELLED
    assert boot(trading).clean


def test_a_failed_read_is_unknown_and_changes_nothing(trading: Desk) -> None:
    intent = trading.enter("AAA", "buy", "10", bracket=False)
    trading.books.clock.at += SUBMIT_GRACE
    trading.line.down = True
    report = boot(trading)
    assert not report.may_trade
    assert not report.verified
    assert report.rows == ()
    assert report.sentences == (
        "Orders and fills could not be verified: no answer.",
        "Cash and positions could not be verified: no answer.",
    )
    assert status(trading, intent.client_order_id) is OrderStatus.ACCEPTED
    assert trading.orders.records.last_reconciliation() is None


@pytest.mark.parametrize("call", range(9))
def test_an_outage_at_any_call_is_never_clean(trading: Desk, call: int) -> None:
    trading.enter("AAA", "buy", "10")
    trading.pass_time()
    trading.line.answers = ["ok"] * call + ["out"] * 20
    before = trading.line.calls
    report = boot(trading)
    assert report.verified == (trading.line.calls - before <= call)
    trading.line.answers = []
    assert boot(trading).clean
    assert trading.strategy_quantities() == {"AAA": "10"}


def test_one_lost_answer_while_orders_are_pulled_is_enough(trading: Desk) -> None:
    trading.line.answers = ["out"]
    report = boot(trading)
    assert report.tie.clean
    assert not report.clean


def test_every_clean_run_is_on_record(trading: Desk) -> None:
    first, second = boot(trading).record, boot(trading).record
    assert first is not None
    assert second is not None
    assert second.seq > first.seq


def test_the_market_clock_failing_at_the_end_leaves_it_unverified(trading: Desk) -> None:
    class NoClock(Line):
        def clock(self) -> MarketClock:
            raise BrokerUnavailableError("no clock")

    trading.line = NoClock(trading.line.inner)
    report = boot(trading)
    assert not report.verified
    assert report.record is None


def test_what_is_not_ours_blocks_until_an_admin_signs_it(trading: Desk) -> None:
    trading.line.strange = [strange_order("somebody")]
    first = boot(trading)
    assert not first.may_trade
    assert "an order that is not ours: buy 10 CCC (somebody)" in first.sentences[0]
    assert first.record is not None
    trading.orders.records.sign_reconciliation(
        first.record.seq, actor="admin", reason="mine", signed_at=trading.books.clock.at
    )
    again = reconcile(trading.line, trading.orders, trading.books.ledger, trading.books.clock, trigger="timer")
    assert not again.clean
    assert again.may_trade
    trading.line.extra_cash = Money(1)
    assert not boot(trading).may_trade
    trading.line.down = True
    assert not boot(trading).may_trade


def test_a_signature_does_not_cover_what_could_not_be_read(trading: Desk) -> None:
    trading.line.strange = [strange_order("somebody")]
    record = boot(trading).record
    assert record is not None
    trading.orders.records.sign_reconciliation(
        record.seq, actor="admin", reason="mine", signed_at=trading.books.clock.at
    )
    trading.line.answers = ["ok", "ok", "out"]
    report = boot(trading)
    assert report.exceptions == ("external order O-77",)
    assert not report.may_trade


def test_a_fill_of_somebody_else_is_told_and_differs(trading: Desk) -> None:
    stranger = replace(entry_intent("AAA", "buy", "10", bracket=False), strategy="other")
    trading.line.inner.submit(stranger.to_request())
    trading.pass_time()
    report = boot(trading)
    assert not report.clean
    assert [row.name for row in report.tie.differences] == ["cash", "AAA"]
    assert any("filled an order that is not ours" in sentence for sentence in report.sentences)
    assert len(report.pulled.quarantined) == 1
    assert boot(trading).exceptions == report.exceptions


def test_a_fill_skipped_by_a_gap_is_found_behind_the_cursor(trading: Desk) -> None:
    trading.enter("AAA", "buy", "10", bracket=False)
    trading.pass_time()
    trading.enter("BBB", "buy", "5", bracket=False)
    trading.pass_time()
    skipped, told = trading.line.inner.executions(0)
    trading.orders.execution(told)
    assert trading.orders.records.execution_cursor() > skipped.sequence
    assert boot(trading).clean
    assert trading.strategy_quantities() == {"AAA": "10", "BBB": "5"}


@dataclass
class Moving(Line):
    """A market that trades while positions are read."""

    moves: int = 0

    def positions(self) -> Sequence[BrokerPosition]:
        if self.moves:
            self.moves -= 1
            self.inner.advance_to(self.inner.clock().now + timedelta(seconds=15))
        return super().positions()


@pytest.mark.parametrize(("moves", "is_known"), [(0, True), (2, True), (3, False)])
def test_figures_are_read_again_while_fills_come_in(tmp_path: Path, moves: int, is_known: bool) -> None:
    with desk(tmp_path, volume="400") as made:  # ten shares a tick
        made.line = Moving(made.line.inner, moves=moves)
        made.enter("AAA", "buy", "100", bracket=False)
        tie = tie_out(made.line, made.orders, made.books.ledger, made.books.clock)
        assert tie.clean is is_known
        assert (tie.failure is None) is is_known


def test_fills_come_in_pages(trading: Desk) -> None:
    @dataclass
    class Paged(Line):
        def executions(self, after_sequence: int) -> Sequence[Execution]:
            return super().executions(after_sequence)[:1]

    trading.line = Paged(trading.line.inner)
    for symbol in ("AAA", "BBB", "CCC"):
        trading.enter(symbol, "buy", "10", bracket=False)
    trading.pass_time()
    pulled = pull(trading.line, trading.orders, trading.books.clock)
    assert len(pulled.applied) == 3
    assert len(trading.strategy_quantities()) == 3


@settings(max_examples=25, deadline=None)
@given(
    cash=st.integers(-5, 5),
    shares=st.dictionaries(st.sampled_from(["AAA", "BBB", "CCC"]), st.integers(-3, 3)),
)
def test_any_planted_difference_is_found(
    tmp_path_factory: pytest.TempPathFactory, cash: int, shares: dict[str, int]
) -> None:
    with desk(tmp_path_factory.mktemp("tie")) as made:
        made.enter("AAA", "buy", "10")
        made.enter("BBB", "sell", "2")
        made.pass_time()
        made.line.extra_cash = Money(cash)
        made.line.extra = {symbol: Quantity.of(number) for symbol, number in shares.items()}
        report = boot(made)
        expected = {symbol: Quantity.of(number) for symbol, number in shares.items() if number}
        found = {row.name: row.difference for row in report.tie.differences}
        assert found == {**expected, **({"cash": Money(cash)} if cash else {})}
        assert report.clean == (not found)
