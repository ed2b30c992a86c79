"""The session's books beside the bot: equity, the float at the open, the loss limit, the tie-out at the close."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from tbot_bot.api.bot_protocol import Float
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.money import Money, Price
from tests.unit.control.stage import Stage
from tests.unit.trading.desk import FRIDAY, MONDAY

MINUTE = timedelta(minutes=1)


def test_equity_is_recorded_every_five_market_minutes(stage: Stage) -> None:
    stage.trade()
    for minute in range(2, 14):
        stage.tell_market(FRIDAY.open_at + minute * MINUTE)
    points = stage.floor.records.whole_equity_curve(100)
    assert [(point.at - FRIDAY.open_at) // MINUTE for point in points] == [1, 6, 11]
    assert {point.equity for point in points} == {Money.of("100000")}


def test_an_unknown_equity_is_asked_for_at_the_next_minute(stage: Stage) -> None:
    stage.trade()
    stage.line.down = True
    stage.tell_market(FRIDAY.open_at + 6 * MINUTE)
    stage.line.down = False
    stage.tell_market(FRIDAY.open_at + 7 * MINUTE)
    points = stage.floor.records.whole_equity_curve(100)
    assert [(point.at - FRIDAY.open_at) // MINUTE for point in points] == [1, 7]


def test_the_float_is_fixed_at_the_open(stage: Stage) -> None:
    stage.start()
    stage.tell_session("opened")
    (told,) = [told for told in stage.bot.heard() if isinstance(told, Float)]
    allotted = Money.of("100000") * stage.floor.settings.TOTAL_ALLOCATION
    assert told == Float(float_allocation=str(allotted), trades_today=0)
    stage.tell_market()
    stage.enter()
    assert stage.line.account().equity < Money.of("100000")  # the entry's fee is paid
    assert stage.conductor.day.allotted_float(stage.floor.view.seen) == allotted
    stage.tell_session("opened")
    assert stage.conductor.day.allotted_float(stage.floor.view.seen) == allotted
    assert stage.floor.records.results(FRIDAY.day).float_at_open == allotted


def test_a_session_that_nobody_announced_is_opened_by_its_first_minute(stage: Stage) -> None:
    stage.start()
    assert stage.floor.records.session(FRIDAY.day) is not None  # the market was open at its first word
    stage.floor.view.lose()
    assert stage.conductor.day.figures(stage.floor.view.seen).day is None


def test_the_first_session_that_could_be_traded_is_remembered(stage: Stage) -> None:
    assert stage.conductor.trading_since() is None
    stage.trade()
    assert stage.conductor.trading_since() == FRIDAY.open_at
    stage.tell_session("opened", MONDAY)
    assert stage.conductor.trading_since() == FRIDAY.open_at


def test_a_close_ties_out_and_records_equity(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    stage.line.inner.advance_to(FRIDAY.close_at)
    stage.tell_session("closed", at="2013-10-04T14:10:00Z")
    last = stage.floor.records.last_reconciliation()
    assert last is not None
    assert last.is_clean
    results = stage.floor.records.session_results(5)
    assert [one.day for one in results] == [FRIDAY.day]
    assert stage.floor.records.whole_equity_curve(9)[-1].at == FRIDAY.close_at


# the loss limit


def loss_of_limit(stage: Stage) -> Decimal:
    """How far AAA must fall for 100 shares to lose the session's limit."""
    threshold = stage.conductor.day.figures(stage.floor.view.seen).threshold
    assert threshold is not None
    return threshold.decimal / 100


def test_the_loss_limit_trips_the_kill_switch(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    (trade,) = stage.floor.records.open_trades()
    fees = stage.conductor.day.figures(stage.floor.view.seen).realised
    assert fees is not None
    edge = trade.entry_price.decimal - loss_of_limit(stage) - fees.decimal / 100
    stage.prices["AAA"] = str(Price.of(edge + Decimal("0.0001")))
    stage.tell_market()
    assert stage.conductor.kill_triggered() is False
    stage.prices["AAA"] = str(Price.of(edge - Decimal("0.0001")))
    stage.tell_market()
    assert stage.conductor.kill_triggered() is True
    assert "kill switch" in (stage.ask_entry("BBB") or "")
    stage.tick()
    assert stage.lifecycle.state is State.EMERGENCY
    assert stage.lifecycle.reason.startswith("daily loss limit of ")
    stage.ticks_until(State.STOPPED)
    assert stage.floor.records.open_trades() == ()
    assert stage.line.inner.positions() == []


def test_with_an_unknown_price_the_limit_is_not_judged(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    stage.floor.view.lose()
    stage.floor.view._seen = type(stage.floor.view.seen)()
    stage.prices = {"BBB": "1"}
    stage.tell_market()
    assert stage.conductor.day.figures(stage.floor.view.seen).unrealised is None
    assert stage.conductor.kill_triggered() is False


def test_a_session_that_ended_before_the_bot_could_trade_is_only_recorded(stage: Stage) -> None:
    stage.floor.poll()
    stage.line.inner.advance_to(FRIDAY.close_at)
    stage.tell_session("closed", at="2013-10-04T14:10:00Z")
    assert stage.floor.records.session(FRIDAY.day) is None  # nobody saw it open
    assert stage.floor.records.whole_equity_curve(9)[-1].at == FRIDAY.close_at
    assert stage.conductor.books.break_found is None


def test_what_is_unknown_at_the_open_and_the_close_is_kept_unknown(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    stage.line.inner.advance_to(FRIDAY.close_at)
    stage.line.down = True
    stage.prices["AAA"] = "1"
    stage.tell_session("opened", MONDAY)
    stage.tell_market(session_day="2013-10-07", is_open=True)
    assert stage.floor.records.results(MONDAY.day).float_at_open is None
    assert stage.conductor.day.figures(stage.floor.view.seen).threshold is None
    assert stage.conductor.kill_triggered() is False  # there is no limit to judge by
    assert [told for told in stage.bot.heard() if isinstance(told, Float)] == []
    stage.tell_session("closed", MONDAY)
    assert stage.conductor.paused_because() is not None


def test_a_market_without_a_session_has_no_minutes(stage: Stage) -> None:
    stage.start()
    before = len(stage.floor.records.whole_equity_curve(99))
    stage.tell_market(session_day=None, window="idle")
    stage.tell_market(is_open=False, window="idle")
    assert len(stage.floor.records.whole_equity_curve(99)) == before
