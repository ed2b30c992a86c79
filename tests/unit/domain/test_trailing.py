from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbot_bot.domain.market import Bar
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.domain.orders import Side
from tbot_bot.domain.trailing import Trail, TrailBy, is_tighter, trailed_stop

AT = datetime(2024, 5, 7, 14, 0, tzinfo=UTC)
CENT = Price.of("0.01")
#: A long from 100 that risks 2, and a short from 100 that risks 2.
LONG = OpenTrade(
    trade_id="T-1",
    symbol="SPY",
    strategy="open",
    side=Side.BUY,
    quantity=Quantity.of(5),
    entry_price=Price.of(100),
    stop_price=Price.of(98),
    target_price=None,
    number=1,
    session_day=date(2024, 5, 7),
    opened_at=AT,
)
SHORT = replace(LONG, side=Side.SELL, stop_price=Price.of(102))
BY_RANGE = Trail(TrailBy.RANGE, Decimal(1), Decimal(3))
BY_PERCENT = Trail(TrailBy.PERCENT, Decimal(1), Decimal("0.5"))


def bar(high: str, low: str, close: str) -> Bar:
    prices = [Price.of(price) for price in (close, high, low, close)]
    return Bar("SPY", AT, *prices, Quantity.of(1000))


def stop_after(trade: OpenTrade, after: Bar, trail: Trail, minute_range: str = "0.2") -> str | None:
    stop = trailed_stop(trade, after, Price.of(minute_range), CENT, trail)
    return None if stop is None else str(stop)


@pytest.mark.parametrize(
    ("high", "close", "trail", "expected"),
    [
        ("101.99", "101.90", BY_RANGE, None),  # has not gained its risk of 2
        ("102.00", "101.90", BY_RANGE, "101.4"),  # 102.00 - 3 x 0.20
        ("102.00", "101.90", BY_PERCENT, "101.49"),  # 102.00 - 0.51
        ("103.00", "102.10", BY_RANGE, "102.09"),  # would stand above the close: a tick below it
        ("103.00", "97.90", BY_RANGE, None),  # the close is below the first stop: nothing to tighten
        ("102.00", "101.90", replace(BY_RANGE, after_r=Decimal(2)), None),
        ("102.00", "101.90", replace(BY_RANGE, distance=Decimal(20)), None),  # 98.00 is no tighter
        ("105.00", "104.90", replace(BY_RANGE, by=TrailBy.OFF), None),
    ],
)
def test_the_stop_of_a_long_follows_its_high(high: str, close: str, trail: Trail, expected: str | None) -> None:
    assert stop_after(LONG, bar(high, "97.00", close), trail) == expected


def test_the_stop_of_a_short_follows_its_low() -> None:
    assert stop_after(SHORT, bar("101", "98.01", "98.10"), BY_RANGE) is None
    assert stop_after(SHORT, bar("101", "98.00", "98.10"), BY_RANGE) == "98.6"
    assert stop_after(SHORT, bar("101", "97.00", "97.90"), BY_RANGE) == "97.91"


def test_what_risked_nothing_or_has_no_stop_does_not_trail() -> None:
    for stop in (None, Price.of(100), Price.of(101)):
        assert stop_after(replace(LONG, stop_price=stop), bar("110", "109", "110"), BY_RANGE) is None


@given(
    st.sampled_from([LONG, SHORT]),
    st.lists(st.tuples(st.decimals("90", "110", places=2), st.decimals(0, 2, places=2)), max_size=30),
    st.sampled_from(list(TrailBy)),
    st.decimals(0, 3, places=1),
    st.decimals("0.1", 9, places=1),
)
def test_a_stop_only_tightens_and_stays_on_its_side(
    trade: OpenTrade, moves: list[tuple[Decimal, Decimal]], by: TrailBy, after_r: Decimal, distance: Decimal
) -> None:
    stop = trade.stop_price
    assert stop is not None
    for close, wick in moves:
        after = bar(str(close + wick), str(close - wick), str(close))
        asked = trailed_stop(trade, after, Price.of("0.25"), CENT, Trail(by, after_r, distance))
        if asked is None:
            continue
        assert asked.units % CENT.units == 0
        assert is_tighter(trade.side, asked, trade.stop_price or stop)
        assert is_tighter(trade.side, after.close, asked)  # the market is on the other side of it
        if is_tighter(trade.side, asked, stop):
            stop = asked
    assert stop == trade.stop_price or is_tighter(trade.side, stop, trade.stop_price or stop)
