"""What the bot last reported of the market; unknown stays unknown."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from tbot_bot.api.bot_protocol import TellMarket
from tbot_bot.control.market_view import MarketView, Seen
from tbot_bot.domain.intents import Window
from tbot_bot.domain.market import Session
from tbot_bot.domain.money import Price
from tbot_bot.monitoring.watchdog_bot import Heartbeat

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OPEN_AT = datetime(2013, 10, 4, 13, 30, tzinfo=UTC)


def told(**changes: Any) -> TellMarket:
    usual = {
        "id": 1,
        "market_time": "2013-10-04T13:31:00Z",
        "session_day": "2013-10-04",
        "session_open_at": "2013-10-04T13:30:00Z",
        "session_close_at": "2013-10-04T20:00:00Z",
        "is_open": True,
        "strategy": "open",
        "window": "trading",
        "marks": {"SPY": "168.5"},
        "latency_ms": 3,
        "broker_ok": True,
    }
    return TellMarket.model_validate(usual | changes)


def test_nothing_is_known_at_first() -> None:
    seen = MarketView().seen
    assert (seen.market_time, seen.session, seen.is_open, seen.heartbeat, seen.marks) == (None, None, None, None, {})


def test_a_report_is_taken_whole() -> None:
    view = MarketView()
    seen = view.take(told(), NOW)
    assert seen is view.seen
    assert seen == Seen(
        market_time=OPEN_AT + timedelta(minutes=1),
        session=Session(date(2013, 10, 4), OPEN_AT, OPEN_AT.replace(hour=20, minute=0)),
        is_open=True,
        strategy="open",
        window=Window.TRADING,
        marks={"SPY": Price.of("168.5")},
        heartbeat=Heartbeat(NOW, 3, None),
    )


def test_prices_are_kept_until_newer_ones_come() -> None:
    view = MarketView()
    view.take(told(marks={"SPY": "168.5", "IBM": "184"}), NOW)
    assert view.take(told(marks={"SPY": "169"}), NOW).marks == {"SPY": Price.of("169"), "IBM": Price.of("184")}


def test_a_failing_broker_fails_since_the_first_report_of_it() -> None:
    view = MarketView()
    later = [NOW + timedelta(seconds=step) for step in range(5)]
    health = (False, False, True, False)
    since = [view.take(told(broker_ok=ok), at).heartbeat for ok, at in zip(health, later, strict=False)]
    assert [beat.failing_since if beat else None for beat in since] == [later[0], later[0], None, later[3]]


def test_a_session_that_is_told_in_part_is_unknown() -> None:
    for missing in ("session_day", "session_open_at", "session_close_at"):
        assert MarketView().take(told(**{missing: None}), NOW).session is None


def test_the_end_of_the_feed_stays_known() -> None:
    view = MarketView()
    view.take(told(), NOW)
    view.end("the replay is over")
    assert (view.seen.ended_reason, view.seen.is_open) == ("the replay is over", False)
    assert (view.seen.window, view.seen.strategy) == (Window.IDLE, None)
    assert view.take(told(is_open=False), NOW).ended_reason == "the replay is over"


def test_a_lost_bot_leaves_prices_and_the_end() -> None:
    view = MarketView()
    view.take(told(), NOW)
    view.end("over")
    view.lose()
    assert view.seen == Seen(marks={"SPY": Price.of("168.5")}, ended_reason="over")
