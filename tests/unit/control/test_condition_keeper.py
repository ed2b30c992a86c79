"""Bad input at a stage: each is staged, named with since when, and goes by its way out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tbot_bot.api.bot_protocol import Pause
from tbot_bot.control.status_source import StatusSource
from tbot_bot.domain.conditions import ConditionName
from tbot_bot.domain.money import Quantity
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.monitoring.error_handler import ErrorHandler
from tbot_bot.venue.faults import Fault, FaultKind, Faults, Scenario
from tests.unit.control.stage import Stage
from tests.unit.trading.desk import FRIDAY, MONDAY

MINUTE = timedelta(minutes=1)


def names(stage: Stage) -> list[ConditionName]:
    stage.tick(2)
    return [one.condition.name for one in stage.conductor.input.found]


def befall(stage: Stage, *faults: Fault) -> None:
    """What goes wrong at the market from now on."""
    stage.line.inner._venue.market.faults = Faults(Scenario(1, faults))


def on_monday(stage: Stage) -> None:
    """Let the night pass; a minute of the next session is over."""
    stage.line.inner.advance_to(MONDAY.open_at + MINUTE)
    stage.tell_session("opened", MONDAY)
    stage.tell_market()


def test_a_market_that_is_closed_says_when_it_opens(stage: Stage) -> None:
    stage.start()
    stage.tell_market(window="idle", is_open=False, session_open_at=to_rfc3339(MONDAY.open_at))
    assert names(stage) == [ConditionName.MARKET_CLOSED]
    (one,) = stage.conductor.input.found
    assert "opens at 2013-10-07T13:30:00Z" in one.condition.sentence
    began = one.since
    assert names(stage) == [ConditionName.MARKET_CLOSED]
    assert stage.conductor.input.found[0].since == began
    on_monday(stage)
    assert names(stage) == []


def test_a_clock_that_runs_ahead_blocks_entries_until_the_minutes_agree(stage: Stage) -> None:
    stage.trade()
    open_at = FRIDAY.open_at
    for minute in (2, 3, 4):
        at = open_at + minute * MINUTE
        stage.tell_market(at, market_time=to_rfc3339(at + 6 * MINUTE), newest_bar_at=to_rfc3339(at))
    assert names(stage) == [ConditionName.CLOCK_OFF]
    assert "360 s ahead" in (stage.conductor.paused_because() or "")
    assert [told.paused for told in stage.bot.heard() if isinstance(told, Pause)] == [True]
    assert "paused" in (stage.ask_entry("AAA") or "")
    at = open_at + 5 * MINUTE
    stage.tell_market(at, newest_bar_at=to_rfc3339(at))
    assert names(stage) == []
    assert stage.conductor.paused_because() is None


def test_a_real_markets_clock_is_compared_with_the_walls(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.trade()
    monkeypatch.setattr(type(stage.floor.kind), "market_is_simulated", False)
    now = stage.clock.now()
    stage.tell_market(market_time=to_rfc3339(now + 7 * MINUTE))
    assert ConditionName.CLOCK_OFF in names(stage)
    stage.tell_market(market_time=to_rfc3339(now))
    assert ConditionName.CLOCK_OFF not in names(stage)


def test_a_restricted_account_may_only_close(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    befall(stage, Fault(FaultKind.RESTRICTION, nth=1, seconds=300, reason="pattern day trading"))
    stage.pass_market_time(60)
    stage.tell_market()
    assert names(stage) == [ConditionName.ACCOUNT_RESTRICTED]
    assert "pattern day trading" in (stage.conductor.paused_because() or "")
    stage.leave()  # what is open can be closed
    stage.pass_market_time(360)
    assert names(stage) == []
    assert stage.conductor.paused_because() is None


def test_what_is_held_and_no_longer_listed_is_named_until_it_is_settled(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    befall(stage, Fault(FaultKind.DELISTING, symbol="AAA"))
    on_monday(stage)
    assert names(stage) == [ConditionName.DELISTED]
    assert "100 AAA" in stage.conductor.input.found[0].condition.sentence
    assert "AAA" not in stage.conductor.conditions().instruments
    befall(stage)  # the broker lets it be sold after all
    stage.leave()
    assert names(stage) == []


def test_a_split_is_named_and_blocks_until_it_is_signed(stage: Stage) -> None:
    stage.trade()
    stage.enter()
    stage.line.extra["AAA"] = Quantity.of(100)  # two for one
    stage.conductor.books_behind("test")
    assert names(stage) == []
    assert names(stage) == [ConditionName.SPLIT]
    assert "AAA 2." in stage.conductor.input.found[0].condition.sentence
    assert "AAA" in (stage.conductor.paused_because() or "")
    last = stage.floor.records.last_reconciliation()
    assert last is not None
    stage.conductor.sign_break(str(last.seq), "ada", "two for one")
    assert stage.conductor.paused_because() is not None
    stage.tick(2)
    assert names(stage) == []
    assert stage.conductor.paused_because() is None


def test_holes_in_the_session_are_told_until_the_next(stage: Stage) -> None:
    stage.trade()
    stage.tell_market(missing_minutes=6)
    assert names(stage) == [ConditionName.HISTORY_HOLES]
    assert stage.conductor.paused_because() is None
    stage.tell_market(missing_minutes=0)
    assert names(stage) == []


def test_an_account_without_buying_power_is_named_until_something_is_sold(stage: Stage) -> None:
    stage.trade()
    stage.hold("BBB", "1950")
    assert names(stage) == [ConditionName.INSUFFICIENT_CASH]
    stage.hold("BBB", "1900", side="sell", number=2)
    assert names(stage) == []


def test_the_status_document_lists_them(stage: Stage) -> None:
    stage.trade()
    stage.tell_market(missing_minutes=6)
    stage.tick(2)
    errors = ErrorHandler(None, lambda _event: None)
    document = StatusSource(stage.backstage.foundation, stage.lifecycle, stage.conductor, errors).publish()
    (one,) = document.bots[0].conditions
    assert (one.name, one.blocks_entries, one.since) == ("history_holes", False, to_rfc3339(stage.clock.now()))
    assert one.sentence in document.summary.reasons
