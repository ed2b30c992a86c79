"""Orders are judged and recorded before they are sent, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest

from tbot_bot.domain.gate import RiskLimits
from tbot_bot.domain.intents import GateRefusal, NoTrade, Stage
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.domain.orders import Book, OrderRole, OrderStatus, OrderType
from tbot_bot.domain.strategy_results import NoTradeFilter
from tbot_bot.domain.trades import Outcome, UnknownOrderError
from tests.unit.trading.desk import DAY, FRIDAY, Desk, desk, entry_intent, exit_intent, strange_order


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as made:
        yield made


def status(made: Desk, client_order_id: str) -> tuple[OrderStatus, str | None]:
    record = made.orders.records.order(client_order_id)
    assert record is not None
    return record.order.status, record.order.reason


def fill(made: Desk) -> None:
    """Let the market trade and book every fill, as the bot would tell them."""
    made.pass_time()
    for execution in made.line.inner.executions(made.orders.records.execution_cursor()):
        made.orders.execution(execution)
    for record in made.orders.records.open_orders():
        order = made.line.inner.order(record.order.client_order_id)
        if order is not None:
            made.orders.order_changed(order)


def test_an_entry_rejected_after_it_was_taken_is_a_trade_not_made(trading: Desk) -> None:
    entry = entry_intent("AAA", "buy", "100")
    assert trading.orders.accept(entry) is None
    trading.line.submissions = ["reject"]
    taken = trading.line.submit(entry.to_request())
    trading.orders.submission(entry.client_order_id, order=taken)
    rejected = trading.line.order(entry.client_order_id)
    assert rejected is not None
    for _ in range(2):  # told twice, kept once
        assert trading.orders.order_changed(rejected) is not None
    (kept,) = trading.orders.records.no_trades(NoTradeFilter(None, None, None), 10).items
    assert (kept.strategy, kept.session_day, kept.no_trade) == (
        "open",
        DAY,
        NoTrade("AAA", Stage.ORDER, "broker", "halted"),
    )


@pytest.mark.parametrize(("limit", "is_kept"), [("90.00", True), ("110.00", False)])
def test_an_entry_that_ends_unfilled_at_its_limit_is_a_trade_not_made(
    trading: Desk, limit: str, *, is_kept: bool
) -> None:
    entry = replace(entry_intent("AAA", "buy", "10"), type=OrderType.LIMIT, limit_price=Price.of(limit))
    assert trading.orders.accept(entry) is None
    trading.orders.submission(entry.client_order_id, order=trading.line.inner.submit(entry.to_request()))
    fill(trading)
    trading.line.inner.cancel(entry.client_order_id)
    ended = trading.line.inner.order(entry.client_order_id)
    assert ended is not None
    for _ in range(2):  # told twice, kept once
        trading.orders.order_changed(ended)
    kept = [one.no_trade for one in trading.orders.records.no_trades(NoTradeFilter(None, None, None), 10).items]
    sentence = "nothing was filled at its limit of 90 before it ended: cancelled"
    assert kept == ([NoTrade("AAA", Stage.ORDER, "unfilled", sentence)] if is_kept else [])


def test_an_order_knows_whether_defense_mode_stood(trading: Desk) -> None:
    usual, defended = entry_intent("AAA", "buy", "10"), entry_intent("BBB", "buy", "10")
    trading.orders.accept(usual)
    trading.conditions = replace(trading.conditions, defense=True)
    trading.orders.accept(defended)
    known = [trading.orders.records.order(one.client_order_id) for one in (usual, defended)]
    assert [one.defense for one in known if one is not None] == [False, True]


def test_an_accepted_intent_is_on_record_with_its_legs_before_it_is_sent(trading: Desk) -> None:
    intent = entry_intent("AAA", "buy", "10")
    assert trading.orders.accept(intent) is None
    trading.restart()
    for letter in "EST":
        assert status(trading, f"S-open-AAA-20131004-1-{letter}") == (OrderStatus.PENDING, None)


def test_a_refused_intent_is_on_record_with_the_reason(trading: Desk) -> None:
    trading.conditions = replace(trading.conditions, paused=True)
    intent = entry_intent("AAA", "buy", "10")
    refused = trading.orders.accept(intent)
    assert refused == GateRefusal("trading_paused", "trading is paused: no new entry until it is resumed")
    assert status(trading, intent.client_order_id) == (OrderStatus.REJECTED, refused.reason)
    assert trading.orders.records.open_orders() == ()
    trading.conditions = replace(trading.conditions, paused=False)
    assert trading.orders.accept(intent) == GateRefusal("on_record", refused.reason)


def test_an_intent_asked_for_twice_is_never_sent_twice(trading: Desk) -> None:
    intent = entry_intent("AAA", "buy", "10")
    assert trading.orders.accept(intent) is None
    assert "do not send it again" in str(trading.orders.accept(intent))
    other = trading.orders.accept(replace(intent, quantity=Quantity.of(11)))
    assert "recorded before with other content" in str(other)


def test_intents_that_come_at_once_cannot_share_the_last_place(trading: Desk) -> None:
    trading.conditions = replace(trading.conditions, limits=RiskLimits(max_open_positions=1, max_trades=9))
    start = Barrier(2)
    verdicts: list[GateRefusal | None] = []

    def ask(symbol: str) -> None:
        start.wait(5)
        verdicts.append(trading.orders.accept(entry_intent(symbol, "buy", "10")))

    threads = [Thread(target=ask, args=(symbol,)) for symbol in ("AAA", "BBB")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(verdict is None for verdict in verdicts) == [False, True]


def test_submissions(trading: Desk) -> None:
    taken, refused, unknown = (entry_intent(symbol, "buy", "10") for symbol in ("AAA", "BBB", "CCC"))
    for intent in (taken, refused, unknown):
        assert trading.orders.accept(intent) is None
    order = trading.line.inner.submit(taken.to_request())
    trading.orders.submission(taken.client_order_id, order=order)
    trading.orders.submission(refused.client_order_id, refused="no buying power")
    trading.orders.submission(unknown.client_order_id)
    assert status(trading, taken.client_order_id) == (OrderStatus.ACCEPTED, None)
    assert status(trading, refused.client_order_id) == (OrderStatus.REJECTED, "no buying power")
    assert status(trading, "S-open-BBB-20131004-1-S")[0] is OrderStatus.REJECTED
    assert status(trading, unknown.client_order_id) == (OrderStatus.PENDING, None)
    with pytest.raises(UnknownOrderError):
        trading.orders.submission("S-open-AAA-20131004-7-E", refused="never asked for")


def test_fills_are_booked_once_and_exits_keep_their_reason(trading: Desk) -> None:
    trading.enter("AAA", "buy", "10", bracket=False)
    fill(trading)
    assert trading.strategy_quantities() == {"AAA": "10"}
    leave = exit_intent("AAA", "sell", "10")
    assert trading.orders.accept(leave) is None
    trading.orders.submission(leave.client_order_id, order=trading.line.inner.submit(leave.to_request()))
    fill(trading)
    repeated = [trading.orders.execution(execution) for execution in trading.line.inner.executions(0)]
    assert all(applied.is_repeat for applied in repeated)
    [trade] = trading.orders.records.closed_trades(9).items
    assert trade.close_reason == "time"
    assert trade.session_day == DAY
    assert trading.orders.number_of(trade) == 1
    assert trading.books.ledger.ledger_cash() == trading.line.inner.account().cash


def test_what_is_not_ours_is_told_and_not_booked(trading: Desk) -> None:
    assert trading.orders.order_changed(strange_order("somebody")) is None
    trading.enter("AAA", "buy", "10", bracket=False)
    trading.pass_time()
    [execution] = trading.line.inner.executions(0)
    applied = trading.orders.execution(replace(execution, client_order_id="somebody"))
    assert applied.outcome is Outcome.QUARANTINED
    assert trading.strategy_quantities() == {}


def test_facts_count_trades_open_positions_and_what_still_works(trading: Desk) -> None:
    trading.hold("CCC", "buy", "5")
    trading.enter("AAA", "buy", "10")
    fill(trading)
    assert trading.orders.accept(entry_intent("BBB", "sell", "7")) is None
    seen = trading.orders.facts()
    assert seen.positions == {
        Book.STRATEGY: {"AAA": Quantity.of(10)},
        Book.HOLDINGS: {"CCC": Quantity.of(5)},
    }
    assert seen.trades_today == 2
    assert {(one.symbol, one.role, str(one.remaining), one.group[-10:]) for one in seen.working} == {
        ("AAA", OrderRole.STOP_LOSS, "10", "131004-1-E"),
        ("AAA", OrderRole.TAKE_PROFIT, "10", "131004-1-E"),
        ("BBB", OrderRole.ENTRY, "7", "131004-1-E"),
        ("BBB", OrderRole.STOP_LOSS, "7", "131004-1-E"),
        ("BBB", OrderRole.TAKE_PROFIT, "7", "131004-1-E"),
    }
    trading.conditions = replace(trading.conditions, market_day=None)
    assert trading.orders.facts().trades_today == 1


def test_an_exit_waits_until_the_legs_are_gone(trading: Desk) -> None:
    trading.enter("AAA", "buy", "10")
    fill(trading)
    leave = exit_intent("AAA", "sell", "10")
    assert "already being closed" in str(trading.orders.accept(leave))
    for letter in "ST":
        trading.line.inner.cancel(f"S-open-AAA-20131004-1-{letter}")
    fill(trading)
    assert trading.orders.accept(replace(leave, attempt=2)) is None


def test_the_number_of_a_later_trade_and_of_a_foreign_one(trading: Desk) -> None:
    trading.conditions = replace(trading.conditions, paused=True)
    assert trading.orders.accept(entry_intent("AAA", "buy", "10", number=1)) is not None
    trading.conditions = replace(trading.conditions, paused=False)
    trading.enter("AAA", "buy", "10", number=2)
    fill(trading)
    [trade] = trading.orders.records.open_trades()
    assert trading.orders.number_of(trade) == 2
    assert trading.orders.number_of(replace(trade, symbol="BBB")) is None
    assert trade.opened_at - FRIDAY.open_at < timedelta(minutes=5)


def test_a_partly_filled_entry_is_one_trade_with_the_rest_at_work(tmp_path: Path) -> None:
    with desk(tmp_path, volume="400") as made:  # ten shares a tick
        made.enter("AAA", "buy", "100", bracket=False)
        fill(made)
        held = made.orders.facts().position(Book.STRATEGY, "AAA")
        [working] = made.orders.facts().working
        assert held
        assert working.remaining == Quantity.of(100) - held
        assert made.orders.facts().trades_today == 1
