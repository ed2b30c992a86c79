"""Reversion to the average: when it enters, with which prices, and why not."""

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
from tbot_bot.strategies.strategy_mid import MidParameters, StrategyMid
from tests.unit.strategies.asking import ask, only
from tests.unit.trading_bot.scene import DAY, OPEN_AT, SESSION, instrument, minute

STRATEGY = StrategyMid()

# Fourteen minutes around 100.00, then a fall on thinner volume and its turn, worked through in whole figures:
#   typical price of a minute = (high + low + close) / 3: 100.10 and 99.90 in turn, then 99.52, 99.16, 99.31333
#   average = (14 x 30,000 x 100.00 + 10,000 x (99.52 + 99.16 + 99.31333)) / 450,000 = 99.95540
#   deviation: squares about 100.00 are 420,000 x 0.01 = 4,200 and 10,000 x (0.2304 + 0.7056 + 0.471511) = 14,075.1;
#   18,275.1 / 450,000 - 0.04460^2 = 0.038622, root 0.1965. Minute 15 closes at 99.08, more than four away.
#   minute range: 12 x 0.22 (minutes 2 to 13) + 0.60 + 0.40 + 0.40 = 4.04, over 15 = 0.26933
#   path: 0.10 + 13 x 0.20 + 0.54 + 0.28 + 0.34 = 3.86 for a move of 100.00 to 99.42: 0.150 of the way
FALL = """
0  100.00 100.12 100.08 100.10 30000
1  100.10  99.92  99.88  99.90 30000
2   99.90 100.12 100.08 100.10 30000
3  100.10  99.92  99.88  99.90 30000
4   99.90 100.12 100.08 100.10 30000
5  100.10  99.92  99.88  99.90 30000
6   99.90 100.12 100.08 100.10 30000
7  100.10  99.92  99.88  99.90 30000
8   99.90 100.12 100.08 100.10 30000
9  100.10  99.92  99.88  99.90 30000
10  99.90 100.12 100.08 100.10 30000
11 100.10  99.92  99.88  99.90 30000
12  99.90 100.12 100.08 100.10 30000
13 100.10  99.92  99.88  99.90 30000
14  99.90  99.90  99.30  99.36 10000   # stretched
15  99.36  99.40  99.00  99.08 10000   # farther: the extreme is 99.00
"""
TURN = "16 99.08 99.46 99.06 99.42 10000   # closes above the 99.40 of the minute before"
EARLY = {
    "MID_ANALYSIS_MINUTES": "5",
    "MID_ENTRY_MINUTES": "15",
    "MID_LAST_ENTRY_MINUTES": "60",
    "MID_EXIT_MINUTES": "90",
    "MID_TREND_MAX": "0.2",
    "MID_STOP_BUFFER": "0.4",
}


def params(**changes: str) -> MidParameters:
    parsed, wrong = validate(MidParameters, EARLY | changes)
    assert parsed is not None, wrong
    return parsed


def decide(table: str, changes: dict[str, str] | None = None, **given: Any) -> Sequence[Wish]:
    return ask(STRATEGY, {"SPY": table}, params(**(changes or {})), **given)


def upside_down(table: str) -> str:
    """The same day mirrored at 100.00: every fall a rise."""
    rows = [line.partition("#")[0].split() for line in table.strip().splitlines()]
    turned = []
    for number, *prices, volume in rows:
        opened, high, low, close = (200 - Price.of(price).decimal for price in prices)
        turned.append(f"{number} {opened} {low} {high} {close} {volume}")
    return "\n".join(turned)


def test_a_stretch_that_turns_is_bought_back_to_the_average() -> None:
    # stop 99.00 - 0.4 x 0.26933 = 98.89, risk 0.53; target the average, 99.96, reward 0.54
    assert only(decide(FALL + TURN)) == Enter(
        "SPY",
        Side.BUY,
        Price.of("99.42"),
        Price.of("98.89"),
        Price.of("99.96"),
        "turned at 99.42 from 99, stretched below the average 99.9554",
    )


def test_a_rise_is_sold_the_same_way() -> None:
    wish = only(decide(upside_down(FALL + TURN)))
    assert isinstance(wish, Enter)
    assert (wish.side, wish.reference_price) == (Side.SELL, Price.of("100.58"))
    assert (wish.stop_price, wish.target_price) == (Price.of("101.11"), Price.of("100.04"))


def test_the_target_can_be_part_of_the_way() -> None:
    wish = only(decide(FALL + TURN, {"MID_TARGET_FRACTION": "0.5", "MID_REWARD_RISK": "0"}))
    assert isinstance(wish, Enter)
    assert wish.target_price == Price.of("99.69")  # 99.42 + 0.5 x 0.53540


@pytest.mark.parametrize(
    "last",
    [
        "16 99.08 99.46 99.06 99.40 10000",  # closes no higher than the minute before reached
        "16 99.08 99.08 98.60 98.70 10000",  # falls on
        "16 99.08 99.99 99.06 99.99 10000",  # is back at the average: nothing is left to gain
    ],
)
def test_without_a_turn_nothing_is_wished(last: str) -> None:
    assert decide(FALL + last) == []


def test_a_price_that_was_not_far_enough_away_is_no_stretch() -> None:
    assert decide(FALL + TURN, {"MID_DEVIATIONS": "6"}) == []


def test_a_stretch_lasts_until_the_average_is_reached() -> None:
    back = f"{FALL}16 99.08 100.02 99.06 100.00 10000\n17 100.00 100.10 99.98 100.10 10000"
    assert decide(back) == []
    later = f"{FALL}16 99.08 99.30 99.06 99.20 10000\n17 99.20 99.46 99.18 99.42 10000"
    assert isinstance(only(decide(later, {"MID_REWARD_RISK": "0.5"})), Enter)


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        ({"MID_TREND_MAX": "0.15"}, "trend", "its move is 0.150 of its way, more than 0.15"),
        ({"MID_VOLATILITY_MAX": "1.06"}, "volatility", "the last minutes range 0.2693, more than 1.06 times"),
        ({"MID_STOP_BUFFER": "0.5"}, "reward", "0.54 to gain at 99.42 is too little for 0.55 at risk"),
        ({"MID_SHORT_TYPE": "disabled"}, "", ""),
    ],
)
def test_a_filtered_turn_says_which_check(changes: dict[str, str], check: str, words: str) -> None:
    wish = only(decide(FALL + TURN, changes))
    if not check:  # a trade upwards needs no short selling
        assert isinstance(wish, Enter)
        return
    assert isinstance(wish, NoTrade)
    assert (wish.stage, wish.check) == (Stage.SIGNAL, check)
    assert words in wish.reason


def test_too_little_of_the_day_known_is_no_day_to_judge() -> None:
    thin = "\n".join((FALL + TURN).strip().splitlines()[9:])
    wish = only(decide(thin, {"MID_TREND_MAX": "1"}))
    assert isinstance(wish, NoTrade)
    assert wish.check == "history"


@pytest.mark.parametrize(("short", "check"), [("disabled", "short"), ("InverseETF", "short")])
def test_a_rise_is_not_sold_when_short_trades_are_not_wanted(short: str, check: str) -> None:
    wish = only(decide(upside_down(FALL + TURN), {"MID_SHORT_TYPE": short}))
    assert isinstance(wish, NoTrade)
    assert wish.check == check


def test_a_rise_buys_the_inverse_fund() -> None:
    tables = {"SPY": upside_down(FALL + TURN), "SH": "16 20 20 20 20 100"}
    known = [instrument("SPY"), instrument("SH", inverse_of="SPY")]
    inverse = params(MID_SHORT_TYPE="InverseETF")
    wish = only(ask(STRATEGY, tables, inverse, instruments=known))
    assert isinstance(wish, Enter)
    # SPY's stop is 0.53 of 100.58 away, 0.5269 %: 0.10539 of the fund's 20.00; its target 0.5369 %: 0.10738
    assert (wish.symbol, wish.side, wish.stop_price, wish.target_price) == (
        "SH",
        Side.BUY,
        Price.of("19.89"),
        Price.of("20.11"),
    )
    blocked = only(ask(STRATEGY, tables, inverse, instruments=known, left_out=frozenset({"SH"})))
    assert isinstance(blocked, NoTrade)
    assert "SH is left out by the filters" in blocked.reason


@pytest.mark.parametrize(
    ("at", "window"),
    [
        (59, Window.IDLE),
        (60, Window.ANALYZING),
        (89, Window.ANALYZING),
        (90, Window.TRADING),
        (269, Window.TRADING),
        (270, Window.MONITORING),
        (329, Window.MONITORING),
        (330, Window.IDLE),
    ],
)
def test_windows_follow_each_other(at: int, window: Window) -> None:
    assert STRATEGY.window_at(SESSION, minute(at), MidParameters()) is window


def test_a_short_session_ends_the_windows_early() -> None:
    short = Session(DAY, OPEN_AT, OPEN_AT + timedelta(minutes=210))
    windows = [STRATEGY.window_at(short, minute(at), MidParameters()) for at in (204, 205)]
    assert windows == [Window.TRADING, Window.IDLE]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"MID_ENTRY_MINUTES": "60"}, "MID_ENTRY_MINUTES"),
        ({"MID_LAST_ENTRY_MINUTES": "90"}, "MID_LAST_ENTRY_MINUTES"),
        ({"MID_EXIT_MINUTES": "270"}, "MID_EXIT_MINUTES"),
        ({"MID_DEVIATIONS": "0"}, "MID_DEVIATIONS"),
    ],
)
def test_contradictions_and_bounds_are_named(changes: dict[str, str], field: str) -> None:
    parsed, wrong = validate(MidParameters, changes)
    assert parsed is None
    assert list(wrong) == [field]
