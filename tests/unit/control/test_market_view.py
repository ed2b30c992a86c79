"""What the bot last reported of the market; unknown stays unknown."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from tbot_bot.api.bot_protocol import TellMarket
from tbot_bot.control.market_view import MarketView, Seen
from tbot_bot.domain.intents import Window
from tbot_bot.domain.market import Session
from tbot_bot.domain.money import Price

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
        "broker_ok": True,
    }
    return TellMarket.model_validate(usual | changes)


def test_nothing_is_known_at_first() -> None:
    seen = MarketView().seen
    assert (seen.market_time, seen.session, seen.is_open, seen.marks) == (None, None, None, {})


def test_a_report_is_taken_whole() -> None:
    view = MarketView()
    seen = view.take(told())
    assert seen is view.seen
    assert seen == Seen(
        market_time=OPEN_AT + timedelta(minutes=1),
        session=Session(date(2013, 10, 4), OPEN_AT, OPEN_AT.replace(hour=20, minute=0)),
        is_open=True,
        strategy="open",
        window=Window.TRADING,
        marks={"SPY": Price.of("168.5")},
    )


def test_prices_are_kept_until_newer_ones_come() -> None:
    view = MarketView()
    view.take(told(marks={"SPY": "168.5", "IBM": "184"}))
    assert view.take(told(marks={"SPY": "169"})).marks == {"SPY": Price.of("169"), "IBM": Price.of("184")}


def test_a_session_that_is_told_in_part_is_unknown() -> None:
    for missing in ("session_day", "session_open_at", "session_close_at"):
        assert MarketView().take(told(**{missing: None})).session is None


def test_the_end_of_the_feed_stays_known() -> None:
    view = MarketView()
    view.take(told())
    view.end("the replay is over")
    assert (view.seen.ended_reason, view.seen.is_open) == ("the replay is over", False)
    assert (view.seen.window, view.seen.strategy) == (Window.IDLE, None)
    assert view.take(told(is_open=False)).ended_reason == "the replay is over"


def test_a_lost_bot_leaves_prices_and_the_end() -> None:
    view = MarketView()
    view.take(told())
    view.end("over")
    view.lose()
    assert view.seen == Seen(marks={"SPY": Price.of("168.5")}, ended_reason="over")
