"""The status document from a running stage: every figure from its one source, unknown while it cannot be told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tbot_bot.api.bot_protocol import TellNoTrade
from tbot_bot.api.status import ErrorEvent
from tbot_bot.control.status_source import StatusSource
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.money import Money, Quantity
from tbot_bot.monitoring.error_handler import ErrorHandler
from tests.unit.control.conftest import own_logging
from tests.unit.control.stage import Stage
from tests.unit.trading.desk import FRIDAY


@pytest.fixture
def source(stage: Stage) -> StatusSource:
    errors = ErrorHandler(ErrorEvent(at="t", kind="k", message="m"), lambda _event: None)
    return StatusSource(stage.backstage.foundation, stage.lifecycle, stage.conductor, errors)


def status_of(stage: Stage) -> dict[str, Any]:
    """The bot's row of a runner that has just come up."""
    source = StatusSource(
        stage.backstage.foundation, stage.lifecycle, stage.conductor, ErrorHandler(None, lambda _event: None)
    )
    return source.publish().bots[0].model_dump(mode="json")


@pytest.fixture
def bot(source: StatusSource) -> Callable[[], dict[str, Any]]:
    """The bot's row, built afresh."""
    return lambda: source.publish().bots[0].model_dump(mode="json")


def test_a_bot_that_said_nothing_yet_is_unknown(stage: Stage, source: StatusSource) -> None:
    document = source.publish()
    row = document.bots[0]
    assert (document.market_time, row.market_open, row.session_open_at) == (None, None, None)
    assert (row.api_status, row.api_latency_ms) == ("unknown", None)
    assert (row.daily_pnl, row.win_rate_pct, row.trades_today, row.daily_loss_threshold) == (None, None, None, None)
    assert (row.tied_out, row.tied_out_at, row.last_trade_id, row.trading_since) == (None, None, None, None)
    assert (row.state, row.state_reason, row.kill_switch_armed, row.kill_switch_triggered) == (
        "stopped",
        "put",
        False,
        False,
    )
    assert (row.equity, row.cash, row.trial_balance_ok) == ("100000", "100000", True)
    assert row.last_error_event == ErrorEvent(at="t", kind="k", message="m")
    assert document.summary.overall_status == "Warning"
    assert document.summary.total_bots_active == 0


def test_a_trading_bot(stage: Stage, bot: Callable[[], dict[str, Any]]) -> None:
    stage.trade()
    stage.enter()
    stage.prices["AAA"] = "99"
    stage.tell_market()
    row = bot()
    assert (row["state"], row["strategy_running"], row["open_positions"], row["open_orders"]) == (
        "trading",
        "open",
        1,
        0,
    )
    assert Money.of(row["float_allocation"]) == Money.of("50000")
    assert row["float_deviation_pct"] == "-80.20"
    assert Money.of(row["daily_pnl"]).sign < 0  # the entry's fee
    (trade,) = stage.floor.records.open_trades()
    assert Money.of(row["unrealised_pnl"]) == Money.of(9900) - trade.entry_price * Quantity.of(100)
    assert (row["api_status"], row["api_latency_ms"]) == ("healthy", 2)
    assert row["last_trade_id"] == trade.trade_id
    assert row["trading_since"] == "2013-10-04T13:30:00Z"
    assert (row["session_open_at"], row["market_open"]) == ("2013-10-04T13:30:00Z", True)
    assert (row["tied_out"], row["simulated"], row["market_speed"], row["market_seed"]) == (True, True, "120", 7)
    assert [(one["name"], one["window"], one["enabled"]) for one in row["strategies"]] == [
        ("open", "trading", True),
        ("mid", "idle", True),
        ("close", "trading", True),  # less than 90 minutes of the session are left,
    ]
    assert [(one["left_alone"], one["last_left_alone"]) for one in row["strategies"]] == [(0, None)] * 3
    where = {"session_day": "2013-10-04", "strategy": "open", "symbol": "BBB", "stage": "signal", "check": "range"}
    stage.bot.ask(TellNoTrade, **where, reason="too narrow", at="2013-10-04T13:40:00Z")
    strategy = bot()["strategies"][0]
    assert (strategy["open_trades"], strategy["left_alone"]) == (row["open_positions"], 1)
    assert strategy["last_left_alone"] == "BBB at 13:40 UTC: too narrow"
    assert row["generation"] == stage.backstage.foundation.generation


def test_between_windows_no_strategy_runs(stage: Stage, bot: Callable[[], dict[str, Any]]) -> None:
    stage.trade()
    stage.tell_market(window="idle", strategy="open")
    row = bot()
    assert (row["strategy_running"], row["strategies"][0]["window"]) == ("idle", "idle")


def test_the_last_sessions_result_stays_until_the_next(stage: Stage, bot: Callable[[], dict[str, Any]]) -> None:
    stage.trade()
    stage.enter()
    stage.conductor.stop("test")
    stage.ticks_until(State.STOPPED)
    during = bot()
    assert (during["trades_today"], during["trades_ever"]) == (1, 1)
    stage.line.inner.advance_to(FRIDAY.close_at)
    stage.lose_bot()
    stage.conductor.api.look()
    after = bot()
    assert after["market_time" if "market_time" in after else "session_open_at"] is None
    assert (after["daily_pnl"], after["trades_today"]) == (during["daily_pnl"], 1)
    assert after["api_status"] == "unknown"


def test_a_broker_that_does_not_answer_leaves_equity_unknown(stage: Stage, bot: Callable[[], dict[str, Any]]) -> None:
    assert bot()["equity"] == "100000"
    stage.line.down = True
    stage.clock.move(seconds=2)
    row = bot()
    assert (row["equity"], row["cash"]) == (None, None)
    stage.line.down = False
    stage.clock.move(seconds=1)
    assert bot()["equity"] is None  # not asked again yet
    stage.clock.move(seconds=1)
    assert bot()["equity"] == "100000"


def test_a_market_that_is_not_up_is_not_asked(stage: Stage, bot: Callable[[], dict[str, Any]]) -> None:
    stage.floor.venue_keeper = stage.floor.bot_keeper
    calls = stage.line.calls
    assert not stage.floor.broker_is_up
    row = bot()
    assert (row["equity"], row["float_allocation"]) == (None, None)
    assert stage.line.calls == calls
    stage.floor.venue_ready.set()
    assert stage.floor.broker_is_up
    stage.floor.venue_keeper = None


def test_the_account_is_asked_for_every_two_seconds(stage: Stage, source: StatusSource) -> None:
    source.publish()
    stage.line.extra_cash = Money.of(5)
    assert source.publish().bots[0].cash == "100000"
    stage.clock.move(seconds=2)
    assert source.publish().bots[0].cash == "100005"


def test_troubles_are_told_once(stage: Stage, source: StatusSource) -> None:
    stage.conductor.start("ada")
    stage.line.extra["BBB"] = Quantity.of(7)
    stage.tick()
    stage.tell_market(window="idle")
    stage.tick()
    document = source.publish()
    troubles = [reason for reason in document.summary.reasons if "BBB" in reason]
    assert len(troubles) == 1
    assert document.summary.overall_status == "Warning"
    assert document.bots[0].tied_out is False


def test_a_break_is_a_trouble(stage: Stage, source: StatusSource) -> None:
    stage.trade()
    stage.line.extra["BBB"] = Quantity.of(7)
    stage.conductor.books_behind("test")
    stage.tick()
    document = source.publish()
    assert any("BBB" in reason for reason in document.summary.reasons)
    assert document.bots[0].paused


def test_a_difference_is_told_with_its_figures_and_its_signature(
    stage: Stage, bot: Callable[[], dict[str, Any]]
) -> None:
    assert bot()["tie_out"] is None
    stage.trade()
    assert bot()["tie_out"]["clean"] is True
    stage.line.extra["BBB"] = Quantity.of(7)
    stage.conductor.books_behind("test")
    stage.tick()
    found = bot()["tie_out"]
    assert (found["verified"], found["clean"], found["exceptions"]) == (True, False, ["BBB 7"])
    differs = {"name": "BBB", "broker": "7", "books": "0", "ledger": "0", "difference": "7"}
    assert found["differences"] == [differs]
    stage.conductor.sign_break(found["subject"], "Ada", "an old gift")
    signed = bot()["tie_out"]
    assert (signed["signed_by"], signed["signed_reason"]) == ("Ada", "an old gift")
    stage.line.down = True
    stage.conductor.books_behind("test")
    stage.tick()
    unread = bot()["tie_out"]
    assert (unread["verified"], unread["subject"], unread["signed_by"]) == (False, "", None)
    stage.restart()
    kept = status_of(stage)["tie_out"]  # as it is on record, before anything was compared again
    assert (kept["differences"], kept["subject"], kept["signed_by"]) == ([differs], found["subject"], "Ada")


def test_the_published_copy_is_the_document(stage: Stage, source: StatusSource) -> None:
    home = stage.backstage.home
    path = home.status_document(stage.floor.identity)
    assert not path.exists()
    first = source.document()
    assert json.loads(path.read_text()) == first.model_dump(mode="json")
    assert path.stat().st_mode & 0o777 & ~0o640 == 0
    stage.clock.move(seconds=5)
    assert source.document() is first
    published = source.publish()
    assert published.as_of == "2026-03-02T09:00:05Z"
    assert source.document() is published
    assert published.summary.system_uptime_s == 5
    assert json.loads(path.read_text())["bots"][0]["user_session_status"] is None


def test_each_change_of_what_is_shown_is_told_once(stage: Stage, source: StatusSource) -> None:
    with own_logging(stage.log_book.write):
        source.publish()
        source.publish()
        stage.trade()
        stage.conductor.pause("lunch")
        source.publish()
        source.publish()
    told = [json.loads(line) for line in stage.log_book.paths()["state_changes"].read_text().splitlines()]
    start, *changes = told
    assert (start["event"], start["state"], start["paused"]) == ("status at the start", "stopped", False)
    (paused,) = [one for one in changes if one["shown"] == "paused"]
    assert (paused["before"], paused["after"], paused["why"]) == (False, True, "lunch")
    assert ("kill_switch_armed", False, True) in [(one["shown"], one["before"], one["after"]) for one in changes]
    assert len(changes) == len({one["shown"] for one in changes})
