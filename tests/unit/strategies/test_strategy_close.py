"""Late momentum and its fade: which way, when, with which prices, and why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tbot_bot.api.settings import validate
from tbot_bot.domain.intents import Enter, NoTrade, Stage, Window, Wish
from tbot_bot.domain.market import Session
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import Side
from tbot_bot.strategies.strategy_close import CloseParameters, StrategyClose
from tests.unit.strategies.asking import ask, only
from tests.unit.trading_bot.scene import DAY, OPEN_AT, minute

STRATEGY = StrategyClose()
#: A half day: 210 minutes, so entries from minute 120 to 190 and the exit at 204.
HALF_DAY = Session(DAY, OPEN_AT, OPEN_AT + timedelta(minutes=210))

# A day that climbs from 50.00. The five minutes before the last one reach from 50.25 to 50.36.
#   closes: 0.05 + 0.10 + 0.05 + 0.10 + 0.02 + 0.02 + 0.02 + 0.03 + 0.02 + 0.07 = 0.48 of way for a move of 0.40: 0.833
#   range: 50.42 - 49.98 = 0.44, 0.0088 of the open
CLIMB = """
0   50.00 50.08 49.98 50.05 20000
30  50.05 50.16 50.02 50.15 20000
60  50.15 50.22 50.10 50.20 20000
90  50.20 50.34 50.18 50.30 20000
116 50.30 50.36 50.26 50.32 20000
117 50.32 50.35 50.28 50.30 20000
118 50.30 50.34 50.25 50.28 20000
119 50.28 50.33 50.27 50.31 20000
120 50.31 50.35 50.30 50.33 20000
"""
HIGHER = "121 50.33 50.42 50.32 50.40 20000"
#: Falls out of the channel while the day is still up by 0.23: 0.51 of way, 0.451 of it kept.
LOWER = "121 50.33 50.34 50.21 50.23 20000"
FIVE = {"CLOSE_CHANNEL_MINUTES": "5"}


def params(**changes: str) -> CloseParameters:
    parsed, wrong = validate(CloseParameters, FIVE | changes)
    assert parsed is not None, wrong
    return parsed


def decide(table: str, changes: dict[str, str] | None = None, **given: Any) -> Sequence[Wish]:
    return ask(STRATEGY, {"SPY": table}, params(**(changes or {})), **{"session": HALF_DAY, **given})


def test_momentum_goes_on_with_the_day() -> None:
    # stop at the channel's low, 50.25: risk 0.15; target 50.40 + 1.5 x 0.15 = 50.625, to the even cent
    assert only(decide(CLIMB + HIGHER)) == Enter(
        "SPY",
        Side.BUY,
        Price.of("50.40"),
        Price.of("50.25"),
        Price.of("50.62"),
        "momentum: closed above the last minutes' 50.25 to 50.36 at 50.4",
    )


def test_the_fade_goes_against_it() -> None:
    # straighter than 0.451 is asked for, so the day only wandered: sold, stop at the channel's high, 50.36
    wish = only(decide(CLIMB + LOWER, {"CLOSE_PERSISTENCE": "0.5"}))
    assert isinstance(wish, Enter)
    assert (wish.side, wish.stop_price, wish.target_price) == (Side.SELL, Price.of("50.36"), Price.of("50.04"))
    assert wish.reason.startswith("fade: closed below")


@pytest.mark.parametrize(
    ("mode", "persistence", "up", "down"),
    [
        ("momentum", "1", Side.BUY, None),
        ("fade", "0", None, Side.SELL),
        ("auto", "0.45", Side.BUY, None),
        ("auto", "0.5", Side.BUY, Side.SELL),
        ("auto", "0.9", None, Side.SELL),
    ],
)
def test_the_mode_decides_the_direction(mode: str, persistence: str, up: Side | None, down: Side | None) -> None:
    changes = {"CLOSE_MODE": mode, "CLOSE_PERSISTENCE": persistence}
    for last, expected in ((HIGHER, up), (LOWER, down)):
        wishes = decide(CLIMB + last, changes)
        assert [wish.side for wish in wishes if isinstance(wish, Enter)] == ([expected] if expected else [])


def test_a_bar_that_swept_the_channel_stops_beyond_itself() -> None:
    wish = only(decide(f"{CLIMB}121 50.33 50.42 50.10 50.40 20000"))
    assert isinstance(wish, Enter)
    assert wish.stop_price == Price.of("50.10")


@pytest.mark.parametrize("close", ["50.36", "50.30", "50.25"])
def test_inside_the_channel_nothing_is_wished(close: str) -> None:
    assert decide(f"{CLIMB}121 {close} {close} {close} {close} 20000") == []


def test_a_channel_of_too_few_minutes_is_none() -> None:
    assert decide(CLIMB + HIGHER, {"CLOSE_CHANNEL_MINUTES": "10"}) == []


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        ({"CLOSE_MOVE_MIN": "0.009"}, "move", "the day has moved 0.0080 of the price, less than 0.009"),
        ({"CLOSE_RANGE_MIN": "0.009"}, "volatility", "ranged over 0.0088 of the price, outside 0.009 to 0.08"),
        ({"CLOSE_RANGE_MAX": "0.008"}, "volatility", "outside 0.004 to 0.008"),
    ],
)
def test_a_filtered_departure_says_which_check(changes: dict[str, str], check: str, words: str) -> None:
    wish = only(decide(CLIMB + HIGHER, changes))
    assert isinstance(wish, NoTrade)
    assert (wish.stage, wish.check) == (Stage.SIGNAL, check)
    assert words in wish.reason


def test_a_day_back_at_its_open_has_no_direction() -> None:
    flat = "\n".join(f"{number} 50 50 50 50 20000" for number in range(110, 121))
    spike = f"{flat}\n121 50 50.50 49.50 50 20000"
    assert decide(spike) == []
    wish = only(decide(f"0 50.10 50.10 50.00 50.00 20000\n{flat}\n121 50 50.10 50 50.10 20000"))
    assert isinstance(wish, NoTrade)
    assert wish.check == "move"


@pytest.mark.parametrize("short", ["disabled", "InverseETF"])
def test_a_fall_is_not_sold_when_short_trades_are_not_wanted(short: str) -> None:
    wish = only(decide(CLIMB + LOWER, {"CLOSE_MODE": "fade", "CLOSE_SHORT_TYPE": short}))
    assert isinstance(wish, NoTrade)
    assert wish.check == "short"


@pytest.mark.parametrize("length", [390, 210, 100])
def test_windows_count_back_from_the_close_whenever_it_is(length: int) -> None:
    session = Session(DAY, OPEN_AT, OPEN_AT + timedelta(minutes=length))
    expected = {120: Window.ANALYZING, 90: Window.TRADING, 21: Window.TRADING, 20: Window.MONITORING, 6: Window.IDLE}
    for left, window in expected.items():
        if left <= length:
            assert STRATEGY.window_at(session, minute(length - left), CloseParameters()) is window
    assert STRATEGY.window_at(session, minute(-1), CloseParameters()) is Window.IDLE


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"CLOSE_ENTRY_MINUTES": "120"}, "CLOSE_ENTRY_MINUTES"),
        ({"CLOSE_LAST_ENTRY_MINUTES": "90"}, "CLOSE_LAST_ENTRY_MINUTES"),
        ({"CLOSE_EXIT_MINUTES": "20"}, "CLOSE_EXIT_MINUTES"),
        ({"CLOSE_RANGE_MAX": "0.004"}, "CLOSE_RANGE_MAX"),
        ({"CLOSE_MODE": "sideways"}, "CLOSE_MODE"),
        ({"CLOSE_EXIT_MINUTES": "4"}, "CLOSE_EXIT_MINUTES"),
    ],
)
def test_contradictions_and_bounds_are_named(changes: dict[str, str], field: str) -> None:
    parsed, wrong = validate(CloseParameters, changes)
    assert parsed is None
    assert list(wrong) == [field]
