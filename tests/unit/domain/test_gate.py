"""Each rule of the gate refuses what it is for, and lets the rest pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.gate import (
    GateConditions,
    GateFacts,
    RiskLimits,
    WorkingOrder,
    judge_closing,
    judge_intent,
)
from tbot_bot.domain.intents import OrderIntent
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.market import Instrument
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Book, OrderRole, OrderType, Side

DAY = date(2013, 10, 4)
TRADING = {State.IDLE, State.ANALYZING, State.TRADING, State.MONITORING}

CONDITIONS = GateConditions(
    state=State.TRADING,
    armed=True,
    killed=False,
    paused=False,
    market_day=DAY,
    instruments={
        "SPY": Instrument("SPY", "Index", Price.of("0.01")),
        "QQQ": Instrument("QQQ", "Other", Price.of("0.01"), shortable=False),
    },
    marks={"SPY": Price.of(100), "QQQ": Price.of(50)},
    limits=RiskLimits(max_open_positions=2, max_trades=3),
    float_allocation=Money.of(10000),
)


def facts(
    *,
    strategy: Mapping[str, str] | None = None,
    holdings: Mapping[str, str] | None = None,
    working: Sequence[WorkingOrder] = (),
    trades_today: int = 0,
    **conditions: object,
) -> GateFacts:
    positions = {
        Book.STRATEGY: {symbol: Quantity.of(text) for symbol, text in (strategy or {}).items()},
        Book.HOLDINGS: {symbol: Quantity.of(text) for symbol, text in (holdings or {}).items()},
    }
    changed = replace(CONDITIONS, **conditions)  # type: ignore[arg-type]  # a test names what it changes
    return GateFacts(changed, positions, working, trades_today)


def working(
    role: OrderRole,
    side: str,
    quantity: str,
    *,
    symbol: str = "SPY",
    price: str | None = None,
    group: str = "a",
    book: Book = Book.STRATEGY,
) -> WorkingOrder:
    own = None if price is None else Price.of(price)
    return WorkingOrder(book, symbol, Side(side), role, Quantity.of(quantity), own, group)


def entry(side: str = "buy", quantity: str = "50", symbol: str = "SPY", **changes: object) -> OrderIntent:
    made = OrderIntent(
        book=Book.STRATEGY,
        strategy="open",
        symbol=symbol,
        side=Side(side),
        quantity=Quantity.of(quantity),
        role=OrderRole.ENTRY,
        type=OrderType.MARKET,
        session_day=DAY,
        number=1,
        reason="breakout",
        decided_at=datetime(2013, 10, 4, 14, 0, tzinfo=UTC),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # a test names what it changes


def leave(side: str = "sell", quantity: str = "50", symbol: str = "SPY", **changes: object) -> OrderIntent:
    return entry(side, quantity, symbol, role=OrderRole.EXIT, **changes)


LONG = {"SPY": "50"}


def test_an_entry_and_an_exit_pass() -> None:
    assert judge_intent(entry(), facts()) is None
    assert judge_intent(entry("sell"), facts()) is None
    assert judge_intent(leave(), facts(strategy=LONG)) is None
    assert judge_intent(leave("buy"), facts(strategy={"SPY": "-50"})) is None


@pytest.mark.parametrize("state", State)
def test_orders_are_sent_in_trading_states_only(state: State) -> None:
    assert (judge_intent(entry(), facts(state=state)) is None) == (state in TRADING)
    assert (judge_intent(leave(), facts(strategy=LONG, state=state)) is None) == (state in TRADING)
    holdings = judge_intent(entry(book=Book.HOLDINGS), facts(state=state))
    assert (holdings is None) == (state in TRADING | {State.STOPPED})


@pytest.mark.parametrize(
    ("intent", "seen", "words"),
    [
        (entry(), facts(killed=True), "kill switch is triggered"),
        (leave(), facts(strategy=LONG, killed=True), "kill switch is triggered"),
        (entry(), facts(armed=False), "not armed"),
        (leave(), facts(strategy=LONG, armed=False), "not armed"),
        (entry(quantity="0"), facts(), "no quantity"),
        (entry(quantity="-5"), facts(), "no quantity"),
        (entry(role=OrderRole.STOP_LOSS), facts(), "leg of an entry"),
        (entry(), facts(paused=True), "paused"),
        (entry(), facts(market_day=None), "day is unknown"),
        (entry(), facts(market_day=date(2013, 10, 7)), "session 2013-10-04"),
        (entry(symbol="XYZ"), facts(), "not among the broker's instruments"),
        (entry("sell", symbol="QQQ"), facts(), "cannot be sold short"),
        (entry("sell"), facts(holdings={"SPY": "5"}), "holdings book has 5 SPY"),
        (entry(book=Book.HOLDINGS), facts(strategy={"SPY": "-5"}), "strategy book has -5 SPY"),
        (entry(), facts(strategy={"SPY": "5"}), "open already"),
        (entry(), facts(working=[working(OrderRole.ENTRY, "buy", "5")]), "open already"),
        (entry(), facts(strategy={"AAA": "1", "BBB": "1"}), "2 of 2 positions"),
        (
            entry(),
            facts(strategy={"AAA": "1"}, working=[working(OrderRole.ENTRY, "buy", "5", symbol="BBB")]),
            "2 of 2 positions",
        ),
        (entry(), facts(trades_today=3), "3 of 3 trades"),
        (entry(), facts(float_allocation=None), "float is unknown"),
        (entry(), facts(marks={}), "price of SPY is unknown"),
        (entry(), facts(strategy={"AAA": "1"}), "price of AAA is unknown"),
        (entry(quantity="101"), facts(), "10100 would be deployed"),
        (entry(quantity="51"), facts(strategy={"QQQ": "-100"}), "10100 would be deployed"),
        (
            entry(quantity="51"),
            facts(working=[working(OrderRole.ENTRY, "buy", "10", symbol="QQQ", price="490.01")]),
            "10000.1 would be deployed",
        ),
        (entry(quantity="50", limit_price=Price.of(201), type=OrderType.LIMIT), facts(), "10050 would be deployed"),
        (leave(), facts(), "nothing in SPY that a sell would close"),
        (leave("buy"), facts(strategy=LONG), "nothing in SPY that a buy would close"),
        (leave(quantity="51"), facts(strategy=LONG), "more than the 50 open"),
        (leave(), facts(holdings=LONG), "nothing in SPY"),
        (
            leave(quantity="1"),
            facts(strategy=LONG, working=[working(OrderRole.STOP_LOSS, "sell", "50")]),
            "with 50 already being closed",
        ),
    ],
)
def test_a_rule_refuses(intent: OrderIntent, seen: GateFacts, words: str) -> None:
    refusal = judge_intent(intent, seen)
    assert refusal is not None
    assert words in refusal.reason


@pytest.mark.parametrize(
    ("intent", "seen"),
    [
        (leave(), facts(strategy=LONG, paused=True, trades_today=9, float_allocation=None, market_day=None)),
        (entry(quantity="100"), facts()),
        (entry("buy"), facts(holdings={"SPY": "5"})),
        (entry(), facts(strategy={"QQQ": "1"}, trades_today=2)),
        (entry(), facts(working=[working(OrderRole.EXIT, "sell", "5", symbol="QQQ")])),
        (entry(), facts(working=[working(OrderRole.ENTRY, "buy", "5", book=Book.HOLDINGS)])),
        (entry(quantity="900", book=Book.HOLDINGS), facts(trades_today=9)),
        (leave(quantity="20"), facts(strategy=LONG, working=[working(OrderRole.EXIT, "sell", "30")])),
        (leave(), facts(strategy=LONG, working=[working(OrderRole.ENTRY, "buy", "30")])),
        (leave(), facts(strategy=LONG, working=[working(OrderRole.EXIT, "sell", "30", symbol="QQQ")])),
        (leave(), facts(strategy=LONG, working=[working(OrderRole.EXIT, "sell", "30", book=Book.HOLDINGS)])),
        (leave(quantity="5", book=Book.HOLDINGS), facts(holdings=LONG)),
    ],
)
def test_a_rule_lets_pass(intent: OrderIntent, seen: GateFacts) -> None:
    assert judge_intent(intent, seen) is None


def test_legs_of_one_bracket_count_once() -> None:
    legs = [
        working(OrderRole.STOP_LOSS, "sell", "20", group="first"),
        working(OrderRole.TAKE_PROFIT, "sell", "20", group="first"),
        working(OrderRole.STOP_LOSS, "sell", "10", group="second"),
    ]
    assert facts(working=legs).closing_quantity(Book.STRATEGY, "SPY", Side.SELL) == Quantity.of(30)


@pytest.mark.parametrize("state", [State.GRACEFUL, State.EMERGENCY])
def test_a_closing_exit_passes_whatever_stands_but_never_for_more_than_is_open(state: State) -> None:
    seen = facts(strategy=LONG, state=state, armed=False, killed=True, paused=True, marks={}, market_day=None)
    assert judge_closing(leave(), seen) is None
    assert "more than the 50 open" in str(judge_closing(leave(quantity="51"), seen))
    assert "no quantity" in str(judge_closing(leave(quantity="0"), seen))
    assert str(judge_closing(entry(), seen)) == "closing sends exits only"


@settings(deadline=None)
@given(
    open_units=st.integers(-1000, 1000),
    wanted=st.integers(1, 1000),
    legs=st.lists(st.tuples(st.integers(1, 1000), st.sampled_from("ab")), max_size=4),
)
def test_what_passes_can_never_turn_a_position_round(open_units: int, wanted: int, legs: list[tuple[int, str]]) -> None:
    side = "sell" if open_units > 0 else "buy"
    orders = [working(OrderRole.STOP_LOSS, side, str(quantity), group=group) for quantity, group in legs]
    seen = facts(strategy={"SPY": str(open_units)}, working=orders)
    if judge_intent(leave(side, str(wanted)), seen) is None:
        worst = sum(max((quantity for quantity, group in legs if group == name), default=0) for name in "ab")
        assert wanted + worst <= abs(open_units)
