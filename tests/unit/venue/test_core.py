"""Market time, events, history, the account, and determinism."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.broker import BarClosed, Executed, FeedEnded, OrderRefusedError, SessionClosed, SessionOpened
from tbot_bot.domain.market import Instrument, Session
from tbot_bot.domain.money import Money, Quantity, total
from tbot_bot.domain.orders import OrderStatus, Side
from tbot_bot.venue.account import cash_effect
from tbot_bot.venue.core import Market
from tbot_bot.venue.feed import BarFeed, FeedError
from tbot_bot.venue.in_process import InProcessBroker
from tbot_bot.venue.records import Snapshot
from tbot_bot.venue.synthetic import SyntheticFeed
from tests.unit.venue.stage import CASH, DAY, OPEN, TICK, bars, buy, market, minute, order, sell, session, sessions

FLAT = "10.00 10.00 10.00 10.00 100000"


def test_the_clock_starts_before_the_open_and_stands_after_the_end():
    broker = market(ABC=FLAT)
    assert broker.clock().now == OPEN - timedelta(minutes=2)
    assert not broker.clock().is_open
    broker.advance_to(OPEN)
    assert broker.clock().is_open
    broker.advance_to(minute(500))
    ended = broker.clock()
    assert (ended.now, ended.is_open, ended.session) == (minute(1), False, None)
    assert ended.ended_reason == f"no bars were given after {DAY}"


def test_time_never_runs_backwards():
    broker = market(ABC=f"{FLAT}\n{FLAT}")
    broker.advance_to(minute(1, 20))
    broker.advance_to(minute(0))
    assert broker.clock().now == minute(1, 20)


def test_events_tell_the_day_in_order():
    broker = market(ABC=f"{FLAT}\n-", XYZ=f"{FLAT}\n{FLAT}")
    broker.advance_to(minute(2))
    events = broker.events(0)
    kinds = [type(event) for event in events]
    assert kinds == [SessionOpened, BarClosed, BarClosed, BarClosed, SessionClosed, FeedEnded]
    assert [event.bar.symbol for event in events if isinstance(event, BarClosed)] == ["ABC", "XYZ", "XYZ"]
    assert broker.events(0) == ()


def test_bars_are_known_only_once_they_are_over():
    broker = market(ABC="\n".join([FLAT] * 4))
    broker.advance_to(minute(2, 59))
    assert [bar.start_at for bar in broker.bars("ABC", OPEN, minute(9))] == [minute(0), minute(1)]
    assert [bar.start_at for bar in broker.bars("ABC", minute(1), minute(2))] == [minute(1)]
    assert broker.bars("XYZ", OPEN, minute(9)) == []


def test_bars_reach_over_sessions():
    broker = InProcessBroker(SyntheticFeed(7, sessions(12, 5)), CASH)
    broker.advance_to(sessions(12, 5)[-1].close_at)
    found = broker.bars("MKT", OPEN, OPEN + timedelta(days=99))
    assert len(found) == 60
    assert found == sorted(found, key=lambda bar: bar.start_at)


def test_cash_and_equity_follow_the_fills():
    broker = market(ABC=f"{FLAT}\n11.00 11.00 11.00 11.00 100000")
    broker.advance_to(OPEN)
    broker.submit(buy("b", 100))
    broker.advance_to(minute(0, 45))
    assert broker.account().cash == Money.of("98998")  # 100 000 - 100 x 10.01 - 1
    assert broker.account().equity == Money.of("99998")
    assert broker.account().buying_power == Money.of("198996")


def test_cash_and_equity_follow_the_fills_of_a_short():
    broker = market(ABC=f"{FLAT}\n11.00 11.00 11.00 11.00 100000")
    broker.advance_to(OPEN)
    broker.submit(sell("s", 100))
    broker.advance_to(minute(1))
    account = broker.account()
    assert account.cash == Money.of("100998.97")  # + 100 x 10.00 - 1 - 0.03 regulatory
    assert account.equity == Money.of("99898.97")  # - 100 x 11.00
    assert account.buying_power == Money.of("198697.94")
    assert [(one.symbol, str(one.quantity), str(one.mark)) for one in broker.positions()] == [("ABC", "-100", "11")]


def test_a_position_without_any_price_is_an_error_and_not_worth_nothing():
    feed = BarFeed([Instrument("ABC", "ABC", TICK)], [session(1)], bars("ABC", FLAT))
    held = Market(feed, Snapshot("SIM", CASH, positions={"ABC": Quantity.of(1)}))
    with pytest.raises(LookupError, match="no price of ABC"):
        held.account()


def test_executions_come_in_pages_without_a_hole():
    broker = market(ABC="\n".join([FLAT] * 30))
    for number in range(30):
        broker.advance_to(minute(number))
        for part in range(40):
            broker.submit(buy(f"b{number}-{part}", 1))
    broker.advance_to(minute(30))
    seen, after = [], 0
    while page := broker.executions(after):
        seen += page
        after = page[-1].sequence
    assert [one.sequence for one in seen] == list(range(1, 1201))
    assert len({one.execution_id for one in seen}) == 1200


@pytest.mark.parametrize(
    ("given_sessions", "reason"),
    [
        ([], "at least one session"),
        ([session(0)], "whole number of minutes"),
        ([session(5), session(5)], "before the one before it is over"),
        ([Session(DAY, OPEN.replace(second=1), minute(1, 1))], "open on a whole minute"),
    ],
)
def test_sessions_that_make_no_sense_are_refused(given_sessions, reason):
    with pytest.raises(FeedError, match=reason):
        BarFeed([], given_sessions, [])


def test_bars_outside_their_session_are_refused():
    with pytest.raises(FeedError, match="outside every session"):
        BarFeed([Instrument("ABC", "ABC", TICK)], [session(1)], bars("ABC", f"{FLAT}\n{FLAT}"))
    twice = BarFeed([Instrument("ABC", "ABC", TICK)], [session(1)], bars("ABC", FLAT) * 2)
    with pytest.raises(FeedError, match="does not follow"):
        InProcessBroker(twice, CASH).advance_to(OPEN)


# a plan is what a trader does: at a minute, an order of a kind, or the cancelling of the one before
PLANS = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.sampled_from(["market", "limit", "stop", "bracket", "cancel"]),
        st.sampled_from(Side),
        st.integers(1, 4000),
        st.sampled_from(["MKT", "ARDN", "ESKA"]),
    ),
    max_size=25,
).map(lambda plan: sorted(plan, key=lambda step: step[0]))


def play(plan, seed=3):
    """Trade a plan over one session of 45 minutes; return the broker after its close."""
    day = session(45)
    broker = InProcessBroker(SyntheticFeed(seed, [day]), CASH)
    for number, (at, kind, side, quantity, symbol) in enumerate(plan):
        broker.advance_to(day.open_at + timedelta(minutes=at, seconds=7))
        try:
            carry_out(broker, number, kind, side, quantity, symbol)
        except OrderRefusedError:
            continue
    broker.advance_to(day.close_at)
    return broker


def carry_out(broker, number, kind, side, quantity, symbol):
    quote = broker.quotes([symbol])[0]
    down, up = str(quote.bid), str(quote.ask)
    name = f"o{number}"
    if kind == "cancel":
        broker.cancel(f"o{number - 1}")
    elif kind == "bracket":
        below, above = str(quote.bid - TICK * 6), str(quote.ask + TICK * 6)
        stop, target = (below, above) if side is Side.BUY else (above, below)
        legs = [
            order(f"{name}-s", side.opposite, quantity, stop=stop, symbol=symbol),
            order(f"{name}-t", side.opposite, quantity, limit=target, symbol=symbol),
        ]
        broker.submit(order(name, side, quantity, symbol=symbol, bracket=legs))
    else:
        price = {"market": {}, "limit": {"limit": down}, "stop": {"stop": up}}[kind]
        broker.submit(order(name, side, quantity, symbol=symbol, **price))


@settings(deadline=None, max_examples=40)
@given(PLANS)
def test_cash_positions_and_orders_tie_to_the_executions(plan):
    broker = play(plan)
    executions = broker.executions(0)
    assert broker.account().cash == CASH + total(cash_effect(one) for one in executions)
    held = {}
    for one in executions:
        held[one.symbol] = held.get(one.symbol, Quantity.zero()) + one.quantity * one.side.sign
    assert {one.symbol: one.quantity for one in broker.positions()} == {key: sum_ for key, sum_ in held.items() if sum_}
    assert len({one.execution_id for one in executions}) == len(executions)
    day = session(45)
    assert all(day.open_at <= one.at < day.close_at for one in executions)


@settings(deadline=None, max_examples=40)
@given(PLANS)
def test_an_orders_fills_add_up_and_never_exceed_it(plan):
    broker = play(plan)
    assert broker.open_orders() == []
    filled = {}
    for one in broker.executions(0):
        filled[one.client_order_id] = filled.get(one.client_order_id, Quantity.zero()) + one.quantity
    for number in range(len(plan)):
        for name in (f"o{number}", f"o{number}-s", f"o{number}-t"):
            found = broker.order(name)
            if found is not None:
                assert found.filled == filled.get(name, Quantity.zero())
                assert found.filled <= found.quantity
                assert found.status.is_final
                assert (found.status is OrderStatus.FILLED) == (found.filled == found.quantity)
        entry = filled.get(f"o{number}", Quantity.zero())
        exits = filled.get(f"o{number}-s", Quantity.zero()) + filled.get(f"o{number}-t", Quantity.zero())
        assert exits <= entry


@settings(deadline=None, max_examples=25)
@given(PLANS)
def test_limits_are_kept_and_volume_is_shared(plan):
    broker = play(plan)
    day = session(45)
    taken = {}
    for one in broker.executions(0):
        limit = broker.order(one.client_order_id).limit_price
        if limit is not None:
            assert one.price <= limit if one.side is Side.BUY else one.price >= limit
        minute_at = one.at.replace(second=0)
        taken[one.symbol, minute_at] = taken.get((one.symbol, minute_at), Quantity.zero()) + one.quantity
    for (symbol, minute_at), quantity in taken.items():
        (bar,) = broker.bars(symbol, minute_at, minute_at + timedelta(minutes=1))
        assert quantity * 10 <= bar.volume
        assert day.open_at <= minute_at < day.close_at


@settings(deadline=None, max_examples=25)
@given(PLANS, st.integers(0, 5))
def test_the_same_seed_and_commands_give_the_same_executions_to_the_byte(plan, seed):
    assert repr(play(plan, seed).executions(0)) == repr(play(plan, seed).executions(0))


def test_every_execution_is_announced_once():
    broker = play([(1, "bracket", Side.BUY, 100, "MKT"), (3, "market", Side.SELL, 50, "ESKA")])
    announced = [event.execution for event in broker.events(0) if isinstance(event, Executed)]
    assert announced == list(broker.executions(0))
    assert announced
