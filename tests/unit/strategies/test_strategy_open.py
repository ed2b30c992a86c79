from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbot_bot.api.settings import describe, validate
from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.intents import Enter, Exit, NoTrade, Stage, Window, Wish
from tbot_bot.domain.market import Session
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.domain.orders import Side
from tbot_bot.strategies.registry import STRATEGIES, StrategySettingsError, parse_parameters
from tbot_bot.strategies.strategy_open import OpenParameters, StrategyOpen
from tests.unit.strategies.asking import ask, only
from tests.unit.trading_bot.scene import DAY, OPEN_AT, SESSION, instrument, minute, quiet_range

STRATEGY = StrategyOpen()
DEFAULTS = OpenParameters()


def params(**changes: str) -> OpenParameters:
    parsed, wrong = validate(OpenParameters, changes)
    assert parsed is not None, wrong
    return parsed


def decide(tables: dict[str, str], *, params: OpenParameters = DEFAULTS, **given: Any) -> Sequence[Wish]:
    return ask(STRATEGY, tables, params, **given)


def breakout(row: str, low: str = "99.00", high: str = "101.00", number: int = 15) -> dict[str, str]:
    return {"SPY": f"{quiet_range(low, high)}\n{number} {row}"}


ABOVE, BELOW = "100 102 100 101.50 9000", "100 100 98 98.50 9000"


def test_a_close_above_the_range_enters_long() -> None:
    # range 99 to 101, so the stop is 2.50 below the close of 101.50 and the target twice that above it
    wish = only(decide(breakout(ABOVE)))
    assert wish == Enter(
        "SPY",
        Side.BUY,
        Price.of("101.50"),
        Price.of(99),
        Price.of("106.50"),
        "closed above the opening range 99 to 101 at 101.5",
    )


def test_a_close_below_the_range_enters_short() -> None:
    wish = only(decide(breakout(BELOW)))
    assert isinstance(wish, Enter)
    assert (wish.side, wish.stop_price, wish.target_price) == (Side.SELL, Price.of(101), Price.of("93.50"))


@pytest.mark.parametrize(
    ("close", "enters"),
    [("101.10", False), ("101.11", True), ("98.90", False), ("98.89", True), ("100", False)],
)
def test_a_breakout_closes_beyond_the_buffer(close: str, enters: bool) -> None:
    # 0.05 of a range of 2.00 is 0.10: more than 101.10 or less than 98.90
    wishes = decide(breakout(f"{close} {close} {close} {close} 9000"))
    assert [type(wish) for wish in wishes] == ([Enter] if enters else [])


def test_the_stop_stands_behind_the_broken_edge() -> None:
    half = params(OPEN_STOP_RANGE_FRACTION="0.5", OPEN_REWARD_RISK="1", OPEN_STOP_NOISE_FACTOR="0.5")
    long, short = only(decide(breakout(ABOVE), params=half)), only(decide(breakout(BELOW), params=half))
    assert isinstance(long, Enter)
    assert isinstance(short, Enter)
    assert (long.stop_price, long.target_price) == (Price.of(100), Price.of(103))
    assert (short.stop_price, short.target_price) == (Price.of(100), Price.of(97))


@pytest.mark.parametrize(
    ("tables", "changes", "check"),
    [
        (breakout("100 102 100 101.50 7999"), {}, "volume"),
        (breakout(ABOVE, "99.96", "100.04"), {}, "range"),
        (breakout(ABOVE, "94.00", "101.00"), {}, "range"),
        ({"SPY": f"{quiet_range(minutes=7)}\n15 {ABOVE}"}, {}, "range"),
        ({"SPY": f"15 {ABOVE}"}, {}, "range"),
        ({"SPY": f"{quiet_range(volume=0)}\n15 {ABOVE}"}, {}, "volume"),
        (breakout(BELOW), {"OPEN_SHORT_TYPE": "disabled"}, "short"),
        (breakout(BELOW), {"OPEN_SHORT_TYPE": "InverseETF"}, "short"),
        (breakout("100 102 100 101.50 9000"), {"OPEN_STOP_RANGE_FRACTION": "0.1"}, "noise"),
        (breakout("0.03 0.03 0.01 0.01 9000", "0.02", "0.03"), {"OPEN_RANGE_MAX": "0.5"}, "room"),
    ],
)
def test_a_filtered_breakout_says_which_filter(tables: dict[str, str], changes: dict[str, str], check: str) -> None:
    wish = only(decide(tables, params=params(**changes)))
    assert isinstance(wish, NoTrade)
    assert (wish.stage, wish.check) == (Stage.SIGNAL, check)


def test_what_cannot_be_shorted_is_not() -> None:
    wish = only(decide(breakout(BELOW), instruments=[instrument("SPY", shortable=False)]))
    assert isinstance(wish, NoTrade)
    assert wish.check == "short"


INVERSE = [instrument("SPY"), instrument("SH", inverse_of="SPY")]


def inverse_tables(fund: str = "15 20 20 20 20 100") -> dict[str, str]:
    return {**breakout(BELOW), "SH": f"{quiet_range('19.90', '20.10')}\n{fund}"}


def test_a_breakout_downwards_buys_the_inverse_fund_with_a_stop_as_far_in_proportion() -> None:
    # SPY at 98.50 would stop at 101: 2.538 % away. The fund at 20.00 stops 0.5076 lower, at 19.49; target 1.02 higher.
    wish = only(decide(inverse_tables(), params=params(OPEN_SHORT_TYPE="InverseETF"), instruments=INVERSE))
    assert isinstance(wish, Enter)
    assert (wish.symbol, wish.side, wish.reference_price) == ("SH", Side.BUY, Price.of(20))
    assert (wish.stop_price, wish.target_price) == (Price.of("19.49"), Price.of("21.02"))


def test_an_inverse_fund_without_a_price_is_not_bought() -> None:
    wish = only(decide(breakout(BELOW), params=params(OPEN_SHORT_TYPE="InverseETF"), instruments=INVERSE))
    assert isinstance(wish, NoTrade)
    assert "SH has no price yet" in wish.reason


def test_a_trade_in_the_inverse_fund_is_the_trade_of_the_symbol() -> None:
    inverse = params(OPEN_SHORT_TYPE="InverseETF")
    assert decide(inverse_tables(), params=inverse, instruments=INVERSE, taken=frozenset({"SH"})) == []
    upwards = {**inverse_tables(), **breakout(ABOVE)}
    assert decide(upwards, params=inverse, instruments=INVERSE, taken=frozenset({"SH"})) == []
    assert len(decide(upwards, instruments=INVERSE, taken=frozenset({"SH"}))) == 1


def test_one_trade_a_symbol_and_session() -> None:
    assert decide(breakout(ABOVE), taken=frozenset({"SPY"})) == []


@given(st.integers(-30, 420))
def test_entries_only_inside_the_breakout_window(at: int) -> None:
    entered = any(isinstance(wish, Enter) for wish in decide(breakout(ABOVE), at=at))
    assert entered == (15 <= at < 120)


@pytest.mark.parametrize(
    ("at", "window"),
    [
        (-1, Window.IDLE),
        (0, Window.ANALYZING),
        (14, Window.ANALYZING),
        (15, Window.TRADING),
        (119, Window.TRADING),
        (120, Window.MONITORING),
        (239, Window.MONITORING),
        (240, Window.IDLE),
        (400, Window.IDLE),
    ],
)
def test_windows_follow_each_other(at: int, window: Window) -> None:
    assert STRATEGY.window_at(SESSION, minute(at), DEFAULTS) is window


def held(day_offset: int = 0) -> OpenTrade:
    return OpenTrade(
        trade_id="T-1",
        symbol="SPY",
        strategy="open",
        side=Side.BUY,
        quantity=Quantity.of(5),
        entry_price=Price.of(100),
        stop_price=Price.of(99),
        target_price=None,
        number=1,
        session_day=DAY - timedelta(days=day_offset),
        opened_at=OPEN_AT,
    )


@pytest.mark.parametrize(("close_minute", "exit_minute"), [(390, 240), (210, 205), (60, 55)])
def test_time_exit_comes_at_the_latest_five_minutes_before_the_close(close_minute: int, exit_minute: int) -> None:
    session = Session(DAY, OPEN_AT, minute(close_minute))
    quiet = {"SPY": quiet_range()}
    before = decide(quiet, at=exit_minute - 1, trades=[held()], session=session)
    assert not [wish for wish in before if isinstance(wish, Exit)]
    wish = only(decide(quiet, at=exit_minute, trades=[held()], session=session))
    assert wish == Exit("SPY", f"time exit, {exit_minute} minutes into the session", CloseReason.TIME_EXIT)
    assert STRATEGY.window_at(session, minute(exit_minute), DEFAULTS) is Window.IDLE


def test_a_trade_of_an_earlier_session_is_closed_at_once() -> None:
    wish = only(decide({"SPY": quiet_range(minutes=1)}, trades=[held(1)]))
    assert wish == Exit("SPY", "held over from 2024-05-06", CloseReason.HELD_OVER)


def test_the_same_context_gives_the_same_wishes() -> None:
    assert decide(breakout(ABOVE)) == decide(breakout(ABOVE))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"OPEN_ANALYSIS_MINUTES": "30", "OPEN_BREAKOUT_MINUTES": "30"}, "OPEN_BREAKOUT_MINUTES"),
        ({"OPEN_EXIT_MINUTES": "100"}, "OPEN_EXIT_MINUTES"),
        ({"OPEN_RANGE_MIN": "0.05"}, "OPEN_RANGE_MAX"),
        ({"OPEN_REWARD_RISK": "0"}, "OPEN_REWARD_RISK"),
        ({"OPEN_SHORT_TYPE": "sideways"}, "OPEN_SHORT_TYPE"),
    ],
)
def test_contradictions_and_bounds_are_named(changes: dict[str, str], field: str) -> None:
    parsed, wrong = validate(OpenParameters, changes)
    assert parsed is None
    assert list(wrong) == [field]


def test_every_parameter_of_every_strategy_says_what_it_is_for() -> None:
    for strategy in STRATEGIES:
        fields = describe(strategy.parameters)
        assert {field.name for field in fields} == set(strategy.parameters.model_fields)
        assert all(field.help and field.title and field.allowed for field in fields)


def test_parameters_are_read_by_strategy() -> None:
    parsed = parse_parameters({"open": {"OPEN_REWARD_RISK": "3"}})
    assert parsed["open"] == params(OPEN_REWARD_RISK="3")
    assert parse_parameters({})["open"] == DEFAULTS


def test_wrong_parameters_are_all_named() -> None:
    with pytest.raises(StrategySettingsError, match="no strategy named later; OPEN_REWARD_RISK: Target must be"):
        parse_parameters({"open": {"OPEN_REWARD_RISK": "many"}, "later": {}})
