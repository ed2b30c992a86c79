"""What the bot reports is recorded before it is acknowledged; what cannot be recorded is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tbot_bot.api.bot_protocol import AskIntent, TellError, TellExecution, TellNoTrade, TellOrder
from tbot_bot.api.wire import execution_to_wire, intent_to_wire, order_to_wire
from tbot_bot.domain.broker import Executed
from tests.unit.control.backstage import wait_until
from tests.unit.control.stage import Stage
from tests.unit.trading.desk import strange_order


def written(stage: Stage) -> list[dict[str, Any]]:
    path = stage.log_book.paths()["system"]
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_what_cannot_be_recorded_is_refused_and_asked_of_the_broker_later(stage: Stage) -> None:
    stage.trade()
    assert stage.ask_entry() is None
    stage.line.inner.submit(stage.entry().to_request())
    stage.pass_market_time(60)
    fill = next(event.execution for event in stage.line.inner.events(0) if isinstance(event, Executed))
    books = stage.floor.orders
    stage.floor.bot._orders = None  # type: ignore[assignment]  # whatever may go wrong
    answer = stage.bot.ask(TellExecution, execution=execution_to_wire(fill))
    assert answer.refused is not None
    assert "ask the broker again" in answer.refused
    assert answer.trades is None
    stage.floor.bot._orders = books
    assert stage.floor.records.open_trades() == ()
    stage.tick(1)
    assert [trade.symbol for trade in stage.floor.records.open_trades()] == ["AAA"]


def test_a_fill_that_is_told_twice_is_booked_once(stage: Stage) -> None:
    stage.trade()
    assert stage.ask_entry() is None
    stage.line.inner.submit(stage.entry().to_request())
    stage.pass_market_time(60)
    (fill,) = [event.execution for event in stage.line.inner.events(0) if isinstance(event, Executed)]
    for _ in range(2):
        answer = stage.bot.ask(TellExecution, execution=execution_to_wire(fill))
        assert [(trade.symbol, trade.quantity) for trade in answer.trades or []] == [("AAA", "100")]


def test_a_refusal_is_answered_with_the_name_of_its_rule(stage: Stage) -> None:
    stage.trade()
    answer = stage.bot.ask(AskIntent, intent=intent_to_wire(replace(stage.entry(), symbol="XYZ")))
    assert (answer.check, answer.refused) == ("instrument", "XYZ is not among the broker's instruments")


def test_a_fill_of_somebody_else_blocks_entries_at_once(stage: Stage) -> None:
    stage.trade()
    stage.line.inner.submit(replace(stage.entry(), strategy="other").to_request())
    stage.pass_market_time(60)
    (fill,) = [event.execution for event in stage.line.inner.events(0) if isinstance(event, Executed)]
    answer = stage.bot.ask(TellExecution, execution=execution_to_wire(fill))
    assert answer.trades == []
    stage.tick(1)
    assert "filled an order that is not ours" in (stage.conductor.books.break_found or "")
    assert stage.ask_entry() is not None


def test_a_fill_that_contradicts_the_record_does_not_stop_the_bot(stage: Stage) -> None:
    stage.trade()
    assert stage.ask_entry() is None
    stage.line.inner.submit(stage.entry().to_request())
    stage.pass_market_time(60)
    (fill,) = [event.execution for event in stage.line.inner.events(0) if isinstance(event, Executed)]
    stage.bot.ask(TellExecution, execution=execution_to_wire(fill))
    other = replace(fill, price=fill.price + fill.price)
    wrong = replace(fill, execution_id="W", side=fill.side.opposite)
    for odd in (other, wrong):
        answer = stage.bot.ask(TellExecution, execution=execution_to_wire(odd))
        assert [(trade.symbol, trade.quantity) for trade in answer.trades or []] == [("AAA", "100")]


def test_an_order_that_is_not_ours_changes_nothing(stage: Stage) -> None:
    stage.trade()
    assert stage.bot.ask(TellOrder, order=order_to_wire(strange_order("X-1"))).refused is None
    assert stage.floor.records.order("X-1") is None


def test_errors_and_reasons_reach_the_logs(stage: Stage, logged: list[dict[str, Any]]) -> None:
    stage.trade()
    stage.bot.ask(TellError, error_kind="ValueError", message="odd bar")
    where = {"session_day": "2013-10-04", "strategy": "open", "symbol": "AAA", "stage": "signal", "check": "range"}
    stage.bot.ask(TellNoTrade, **where, reason="too narrow", at="2013-10-04T13:40:00Z")
    error = next(record for record in written(stage) if record["event"] == "odd bar")
    assert (error["source"], error["level"]) == ("bot", "error")
    assert error["error_kind"] == "ValueError"
    (why,) = [record for record in logged if record["event"] == "no trade"]
    assert (why["strategy"], why["symbol"], why["why"]) == ("open", "AAA", "too narrow")


def test_a_bot_that_is_gone_is_told_nothing(stage: Stage) -> None:
    stage.trade()
    stage.lose_bot()
    wait_until(lambda: stage.floor.bot._socket is None, "the line was let go")
    assert stage.floor.bot.tell_books(stage.floor._begin) is False
    stage.floor.bot.hang_up()
