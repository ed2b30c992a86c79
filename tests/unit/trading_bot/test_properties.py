"""What holds of every strategy on any day: its window, its risk, its stops, flat at the end, the same again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.intents import Window
from tbot_bot.domain.market import Bar, Session
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import OrderRole, Side, role_of
from tbot_bot.domain.slippage import SlippageLimits, is_worse
from tbot_bot.strategies.registry import STRATEGIES, parse_parameters
from tbot_bot.venue.feed import BarFeed
from tbot_bot.venue.in_process import InProcessBroker
from tests.unit.trading_bot.direct import ALL, Day
from tests.unit.trading_bot.scene import DAY, FLOAT, OPEN_AT, SLIPPAGE, instrument, minute

SYMBOLS = ("AAA", "BBB")
TRAILING = {f"{name.upper()}_TRAIL": "range" for name in ALL}
days = st.tuples(
    st.integers(0, 10**6),  # the walk
    st.sampled_from([150, 210, 390]),  # minutes of the session
    st.sampled_from([-2, 0, 2]),  # cents that a minute drifts
    st.sampled_from([{}, TRAILING]),
)
Case = tuple[int, int, int, dict[str, str]]


def walk(seed: int, session: Session, drift: int) -> list[Bar]:
    """A day of whole cents: each minute a few steps from the one before, some minutes without trades."""
    found = []
    for symbol in SYMBOLS:
        random = Random(f"{seed}/{symbol}")
        last = random.randrange(2_000, 20_000)
        for number in range((session.close_at - session.open_at) // timedelta(minutes=1)):
            if random.random() < 0.03:
                continue
            steps = [last]
            for _ in range(4):
                steps.append(max(600, steps[-1] + round(random.gauss(drift / 4, last / 4000))))
            cents = (steps[1], max(steps[1:]), min(steps[1:]), steps[4])
            prices = [Price.of(Decimal(price).scaleb(-2)) for price in cents]
            volume = Quantity.of(random.randrange(2_000, 60_000))
            found.append(Bar(symbol, minute(number, session), *prices, volume))
            last = steps[4]
    return found


def played(case: Case, slippage: SlippageLimits = SLIPPAGE) -> Day:
    seed, minutes, drift, chosen = case
    session = Session(DAY, OPEN_AT, OPEN_AT + timedelta(minutes=minutes))
    feed = BarFeed([instrument(symbol) for symbol in SYMBOLS], [session], walk(seed, session, drift))
    day = Day(InProcessBroker(feed, Money.of(100_000)), chosen, slippage=slippage)
    day.play(session)
    return day


@settings(max_examples=12, deadline=None)
@given(days)
def test_any_day_keeps_to_windows_and_risk_and_ends_flat(case: Case) -> None:
    day = played(case)
    session = Session(DAY, OPEN_AT, OPEN_AT + timedelta(minutes=case[1]))
    strategies, params = {one.name: one for one in STRATEGIES}, parse_parameters({})
    for entry in day.books.entries:
        strategy = strategies[entry.strategy]
        assert strategy.window_at(session, entry.decided_at, params[strategy.name]) is Window.TRADING
        last = max(
            (bar for bar in day.market.bars(entry.symbol, OPEN_AT, entry.decided_at)), key=lambda bar: bar.start_at
        )
        stop, target = entry.stop_price, entry.target_price
        assert stop is not None
        assert target is not None
        sides = (stop, last.close, target) if entry.side is Side.BUY else (target, last.close, stop)
        assert sides[0] < sides[1] < sides[2]
        assert abs(last.close - stop) * entry.quantity <= FLOAT * Decimal("0.01")
        assert last.close * entry.quantity <= FLOAT * Decimal("0.2")
    assert day.market.positions() == []
    assert day.books.trades() == []
    assert day.market.open_orders() == []


@settings(max_examples=3, deadline=None)
@given(days)
def test_the_same_day_is_traded_the_same_way(case: Case) -> None:
    first, second = played(case), played(case)
    assert first.books.fills() == second.books.fills()
    assert first.books.reasons == second.books.reasons


def test_the_days_are_worth_asking_about() -> None:
    days = [played((seed, 390, drift, TRAILING)) for seed, drift in ((1, 2), (2, 0), (3, -2))]
    assert {entry.strategy for day in days for entry in day.books.entries} == set(ALL)
    stops = [
        (order.client_order_id, order.stop_price)
        for day in days
        for order in day.books.orders.values()
        if role_of(order.client_order_id) is OrderRole.STOP_LOSS
    ]
    first = {f"{entry.client_order_id[:-1]}S": entry.stop_price for day in days for entry in day.books.entries}
    assert any(stop != first[client_order_id] for client_order_id, stop in stops), "no stop trailed"


@settings(max_examples=8, deadline=None)
@given(days, st.sampled_from([2, 3, 5]))
def test_a_capped_entry_is_never_filled_beyond_its_limit_nor_left_working(case: Case, limit_bps: int) -> None:
    day = played(case, SlippageLimits(limit_bps, capped=True))
    fills = [fill for fill in day.books.executions.values() if role_of(fill.client_order_id) is OrderRole.ENTRY]
    for fill in fills:
        entry = day.books.intents[fill.client_order_id]
        assert entry.limit_price is not None
        assert entry.asked_price is not None
        assert not is_worse(entry.side, fill.price, entry.limit_price)
        assert (fill.price.units - entry.asked_price.units) * entry.side.sign * 10_000 <= (
            entry.asked_price.units * limit_bps
        )
        assert fill.at - entry.decided_at <= timedelta(minutes=2)
    assert day.market.positions() == []
    assert day.market.open_orders() == []
