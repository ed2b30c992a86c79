"""Defense mode on a stage: what begins it, what it changes, what it leaves behind, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tbot_bot.api.bot_protocol import Float, Run
from tbot_bot.domain.defense import CALM_FOR, Cause
from tbot_bot.domain.gate import RiskLimits
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.storage.trade_reports import TradeReports
from tests.unit.control.stage import Stage
from tests.unit.trading.desk import MONDAY

MINUTE = timedelta(minutes=1)


def told_floats(stage: Stage) -> list[Money]:
    stage.tell_market()
    return [Money.of(told.float_allocation) for told in stage.bot.heard() if isinstance(told, Float)]


def causes(stage: Stage) -> set[Cause]:
    return set(stage.conductor.defense.state.causes)


def events(stage: Stage, what: str) -> list[str]:
    return [entry.reason for entry in stage.backstage.audited(f"defense.{what}")]


def fall(stage: Stage, share: str) -> None:
    """Let 100 AAA that were bought lose this part of the daily loss limit."""
    (trade,) = stage.floor.records.open_trades()
    figures = stage.conductor.day.figures(stage.floor.view.seen)
    assert figures.threshold is not None
    assert figures.realised is not None
    lost = figures.threshold * Decimal(share) + figures.realised
    stage.prices["AAA"] = str(trade.entry_price - Price.of(lost.decimal / 100))
    stage.tell_market()


def test_a_loss_makes_entries_smaller_until_the_next_session_is_calm(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    fall(stage, "0.49")
    stage.tick()
    assert not stage.conductor.defense.state.is_active
    assert stage.conductor.conditions().limits == RiskLimits(5, 20)
    fall(stage, "0.51")
    stage.tick()
    assert causes(stage) == {Cause.LOSS}
    assert told_floats(stage) == [Money.of(25000)]
    conditions = stage.conductor.conditions()
    assert (conditions.limits, conditions.float_allocation) == (RiskLimits(2, 10), Money.of(25000))
    assert events(stage, "begin") == ["51 % of the daily loss limit is used"]
    stage.line.inner.advance_to(MONDAY.open_at + MINUTE)
    stage.prices["AAA"] = "100"
    stage.tell_session("opened", MONDAY)
    stage.tell_market()
    stage.tick()
    assert stage.conductor.defense.state.calm_since == MONDAY.open_at + MINUTE
    stage.tell_market(MONDAY.open_at + MINUTE + CALM_FOR)
    stage.tick()
    assert not stage.conductor.defense.state.is_active
    assert told_floats(stage)[-1] > Money.of(49000)
    assert len(events(stage, "end")) == 1


def test_trades_lost_in_a_row_begin_it(stage: Stage) -> None:
    stage.trade()
    for number, symbol in enumerate(("AAA", "BBB", "CCC", "AAA"), start=1):
        assert not stage.conductor.defense.state.is_active
        stage.enter(symbol, number=1 + number // 4)
        stage.leave(symbol, number=1 + number // 4)
        stage.tick(1)
    assert causes(stage) == {Cause.LOSING_RUN}


def test_an_interface_that_stays_unwell_begins_it(stage: Stage) -> None:
    stage.trade()
    stage.tell_market(answers_ms=[1000] * 20)
    stage.tick(1)
    assert not stage.conductor.defense.state.is_active
    stage.tell_market()
    stage.tick(5)
    assert causes(stage) == {Cause.API}
    stage.lose_bot()
    stage.tick(5)
    assert causes(stage) == {Cause.API}  # unknown is not well


def test_a_break_begins_it(stage: Stage) -> None:
    stage.trade()
    stage.line.extra["BBB"] = Quantity.of(7)
    stage.conductor.books_behind("test")
    stage.tick()
    stage.tick()
    assert causes(stage) == {Cause.BREAK}


def test_a_break_at_the_start_begins_it_before_anything_is_traded(stage: Stage) -> None:
    stage.line.extra["BBB"] = Quantity.of(7)
    stage.conductor.start("ada")
    stage.tick()
    stage.tell_market(window="idle")
    stage.tick()
    stage.tick()
    assert causes(stage) == {Cause.BREAK}
    stage.line.extra.clear()
    stage.tick()
    (run,) = [told for told in stage.bot.heard() if isinstance(told, Run)]
    assert Money.of(run.float_allocation) == Money.of(25000)


def test_by_hand_it_begins_stays_over_a_restart_and_ends(stage: Stage, logged: list[Mapping[str, Any]]) -> None:
    stage.trade()
    stage.conductor.begin_defense("news", "ada")
    assert told_floats(stage) == [Money.of(25000)]
    assert stage.conductor.defense.state.causes == {Cause.BY_HAND: "news (ada)"}
    stage.tick()
    stage.restart()
    found = stage.conductor.defense.state
    assert (found.is_active, found.by_hand, found.since) == (
        True,
        "news (ada)",
        stage.clock.now() - timedelta(seconds=5),
    )
    stage.tick()
    stage.log_book.write({"event": "meanwhile"})
    stage.conductor.end_defense("ada")
    stage.tick()
    assert not stage.conductor.defense.state.is_active
    stage.log_book.write({"event": "afterwards"})
    lines = [json.loads(line) for line in (stage.backstage.home.system_logs / "system.log").read_text().splitlines()]
    tagged = {line["event"]: line.get("defense") for line in lines}
    assert (tagged["meanwhile"], tagged["afterwards"]) == (True, None)
    assert (events(stage, "begin"), events(stage, "end")) == ([], [])  # the acts of people are recorded as acts
    assert [one["what"] for one in logged if one["event"] == "defense mode"] == ["begin", "end"]


def test_a_trade_says_that_it_was_entered_in_defense_mode(stage: Stage) -> None:
    stage.trade()
    stage.enter("AAA")
    stage.conductor.begin_defense("news", "ada")
    stage.enter("BBB", "50")
    stage.conductor.end_defense("ada")
    trades = {trade.symbol: trade.trade_id for trade in stage.floor.records.open_trades()}
    defended = TradeReports(stage.floor.database.engine).entered_in_defense(list(trades.values()))
    assert defended == {trades["BBB"]}


def test_what_a_person_ended_does_not_begin_again_at_once(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    fall(stage, "0.6")
    stage.tick()
    stage.conductor.end_defense("ada")
    stage.tick()
    assert not stage.conductor.defense.state.is_active
    fall(stage, "0.1")
    stage.tick()
    fall(stage, "0.6")
    stage.tick()
    assert causes(stage) == {Cause.LOSS}


def test_with_the_figures_unknown_what_stood_stands(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    fall(stage, "0.6")
    stage.tick()
    stage.lose_bot()
    stage.restart()  # no price is known
    stage.tick()
    assert causes(stage) == {Cause.LOSS}
