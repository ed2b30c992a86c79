"""Each fault does what it says, at its opportunity and no other, and a scenario can be played again."""

from datetime import timedelta

import pytest

from tbot_bot.domain.broker import (
    BarClosed,
    BrokerUnavailableError,
    Executed,
    GapDetected,
    OrderChanged,
    OrderRefusedError,
)
from tbot_bot.domain.orders import OrderStatus
from tbot_bot.venue.core import Market
from tbot_bot.venue.faults import Fault, FaultKind, Faults, Scenario, scenario_errors
from tbot_bot.venue.journal import Journal
from tbot_bot.venue.synthetic import SyntheticFeed
from tbot_bot.venue.venue import Venue
from tests.unit.venue.stage import CASH, OPEN, buy, market, minute, sell, sessions

FLAT = "\n".join(["10 10 10 10 40000"] * 20)


def opened(*faults, seed=0, **texts):
    broker = market(faults=faults, seed=seed, **(texts or {"ABC": FLAT}))
    broker.venue.advance_to(OPEN)
    return broker


def reports(broker):
    """Ids of what was told: sequences of fills, statuses of orders."""
    told = []
    for event in broker.events(0):
        if isinstance(event, Executed):
            told.append(event.execution.sequence)
        elif isinstance(event, OrderChanged):
            told.append(event.order.status.value)
    return told


def test_without_a_scenario_nothing_is_counted():
    faults = Faults()
    assert [faults.due(kind, OPEN) for kind in FaultKind] == [None] * len(FaultKind)
    assert faults.take_state() is None


def test_the_nth_opportunity_of_call_symbol_and_time():
    fault = Fault(FaultKind.LOST_REPLY, call="submit", symbol="ABC", start_at=minute(1), end_at=minute(3), nth=2)
    faults = Faults(Scenario(1, (fault,)))
    asked = [
        (minute(0), "submit", "ABC"),
        (minute(1), "submit", "XYZ"),
        (minute(1), "cancel", "ABC"),
        (minute(1), "submit", "ABC"),
        (minute(2), "submit", "ABC"),
        (minute(2), "submit", "ABC"),
        (minute(3), "submit", "ABC"),
    ]
    found = [faults.due(FaultKind.LOST_REPLY, at, call=call, symbol=symbol) for at, call, symbol in asked]
    assert found == [None] * 4 + [fault] + [None] * 2


def test_chance_is_decided_by_the_seed_and_goes_on_after_a_restart():
    scenario = Scenario(7, (Fault(FaultKind.LOST_REPLY, chance_per_mille=300),))

    def drawn(faults, count):
        return [faults.due(FaultKind.LOST_REPLY, OPEN) is not None for _ in range(count)]

    whole = drawn(Faults(scenario), 400)
    assert 80 < sum(whole) < 160
    assert drawn(Faults(Scenario(8, scenario.faults)), 400) != whole
    first = Faults(scenario)
    begun = drawn(first, 150)
    assert begun + drawn(Faults(scenario, first.take_state()), 250) == whole


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(FaultKind.HALT, chance_per_mille=1001), "between 0 and 1000"),
        (Fault(FaultKind.HALT, nth=0), "counted from 1"),
        (Fault(FaultKind.LATENCY, seconds=-1), "only a clock"),
        (Fault(FaultKind.REFUSAL), "has a reason"),
        (Fault(FaultKind.RESTRICTION), "has a reason"),
    ],
)
def test_a_scenario_that_makes_no_sense(fault, words):
    (error,) = scenario_errors(Scenario(0, (fault,)))
    assert words in error
    assert scenario_errors(Scenario(0, (Fault(FaultKind.CLOCK_SKEW, seconds=-300),))) == []


# at the market


def test_orders_rest_through_a_halt_and_fill_after_it():
    broker = opened(Fault(FaultKind.HALT, symbol="ABC", nth=2, seconds=120))
    broker.advance_to(minute(1))
    broker.submit(buy("S-a-1", 10))
    broker.advance_to(minute(2, 45))
    assert broker.order("S-a-1").status is OrderStatus.ACCEPTED
    broker.advance_to(minute(3))
    assert broker.order("S-a-1").status is OrderStatus.FILLED


def test_orders_are_refused_in_a_halt_with_a_reason():
    broker = opened(Fault(FaultKind.HALT, nth=1, seconds=60, reason="ABC is halted"))
    with pytest.raises(OrderRefusedError, match="halted"):
        broker.submit(buy("S-a-1", 10))
    assert broker.order("S-a-1") is None
    broker.advance_to(minute(1))
    broker.submit(buy("S-a-1", 10))


def test_a_restricted_account_may_close_and_nothing_else():
    broker = opened(Fault(FaultKind.RESTRICTION, nth=3, seconds=120, reason="day trading"))
    assert broker.account().restricted is None
    broker.submit(buy("c1", 10))
    broker.venue.advance_to(minute(2))
    assert broker.account().restricted == "day trading"
    for opening in (buy("c2", 1), sell("c3", 11), sell("c4", 1, symbol="XYZ")):
        with pytest.raises(OrderRefusedError):
            broker.submit(opening)
    broker.submit(sell("c5", 10))
    broker.venue.advance_to(minute(3))
    assert broker.positions() == []
    broker.venue.advance_to(minute(4))
    assert broker.account().restricted is None
    broker.submit(buy("c6", 1))


def test_a_symbol_that_was_delisted_is_gone_also_after_a_restart(tmp_path):
    first, second = sessions(2, 30)
    gone = SyntheticFeed(5, sessions(2, 30)).instruments[0].symbol
    scenario = Scenario(1, (Fault(FaultKind.DELISTING, symbol=gone, start_at=second.open_at),))
    for moment in (first.open_at, second.open_at, second.open_at + timedelta(minutes=2)):
        journal = Journal(tmp_path / "venue.db", {}, CASH)
        at_market = Market(SyntheticFeed(5, sessions(2, 30)), journal.snapshot(), journal.faults(scenario))
        told = []
        venue = Venue(at_market, journal, told.extend)
        venue.advance_to(moment)
        listed = {one.symbol for one in at_market.listed()}
        assert (gone in listed) is (moment == first.open_at)
        assert len(listed) >= len(at_market.instruments) - 1
        if moment != first.open_at:
            with pytest.raises(OrderRefusedError, match="no longer listed"):
                venue.submit(buy("S-a-1", 1, symbol=gone))
        journal.close()
    assert [one for one in told if isinstance(one, BarClosed)]
    assert gone not in {one.bar.symbol for one in told if isinstance(one, BarClosed)}


def test_a_refusal_is_proved_and_said():
    broker = opened(Fault(FaultKind.REFUSAL, nth=1, reason="too many requests"))
    with pytest.raises(OrderRefusedError, match="too many requests"):
        broker.submit(buy("S-a-1", 10))
    assert broker.order("S-a-1") is None
    assert broker.submit(buy("S-a-2", 10)).status is OrderStatus.ACCEPTED


def test_an_order_fills_in_many_pieces():
    broker = opened(Fault(FaultKind.PIECES))
    broker.submit(buy("S-a-1", 80))
    broker.advance_to(minute(5))
    assert [str(one.quantity) for one in broker.executions(0)] == ["10"] * 8
    assert broker.order("S-a-1").status is OrderStatus.FILLED


def test_half_is_filled_before_a_late_cancel():
    broker = opened(Fault(FaultKind.CANCEL_RACE, nth=1))
    broker.submit(buy("S-a-1", 11))
    broker.cancel("S-a-1")
    order = broker.order("S-a-1")
    assert (order.status, str(order.filled)) == (OrderStatus.CANCELLED, "5")
    assert [str(one.quantity) for one in broker.positions()] == ["5"]
    broker.submit(buy("S-a-2", 11))
    broker.cancel("S-a-2")
    assert not broker.order("S-a-2").filled


def test_a_cancel_wins_where_nothing_could_be_filled():
    broker = opened(Fault(FaultKind.CANCEL_RACE), Fault(FaultKind.HALT, start_at=minute(1), nth=1, seconds=600))
    broker.submit(buy("S-a-1", 10, limit="9"))
    broker.cancel("S-a-1")
    broker.advance_to(minute(1))
    broker.submit(buy("S-a-2", 10))
    broker.cancel("S-a-2")
    broker.submit(buy("S-a-3", 1))
    broker.cancel("S-a-3")
    assert list(broker.executions(0)) == []


def test_a_bust_gives_back_position_cash_and_fee():
    broker = opened(Fault(FaultKind.BUST, nth=2, seconds=30))
    broker.submit(buy("S-a-1", 10))
    broker.advance_to(minute(1))
    broker.submit(sell("S-a-2", 10))
    broker.advance_to(minute(1, 15))
    before = broker.account().cash
    broker.advance_to(minute(2))
    first, second, bust = broker.executions(0)
    assert (bust.busts, bust.client_order_id, bust.sequence) == (second.execution_id, "S-a-2", 3)
    assert (bust.side, bust.quantity, bust.price, bust.fee) == (first.side, second.quantity, second.price, -second.fee)
    assert broker.account().cash == before - second.price * second.quantity + second.fee
    assert [str(one.quantity) for one in broker.positions()] == ["10"]
    assert broker.order("S-a-2").status is OrderStatus.FILLED


def test_legs_end_with_the_fill_that_they_protect():
    exits = [sell("S-a-1-S", 10, stop="5"), sell("S-a-1-T", 10, limit="20")]
    broker = opened(Fault(FaultKind.BUST, nth=1, seconds=60))
    broker.submit(buy("S-a-1", 10, bracket=exits))
    broker.advance_to(minute(1))
    assert len(broker.open_orders()) == 2
    broker.advance_to(minute(2))
    assert broker.positions() == broker.open_orders() == []
    assert broker.account().cash == CASH


# on the way of events


def test_reports_come_twice_late_or_swapped_and_the_truth_stays():
    told = {}
    for kind in (None, FaultKind.DUPLICATE_REPORT, FaultKind.LATE_REPORT, FaultKind.OUT_OF_ORDER):
        faults = [] if kind is None else [Fault(kind, start_at=minute(0, 1), nth=1, seconds=60)]
        broker = opened(*faults)
        broker.submit(buy("S-a-1", 10))
        broker.events(0)
        broker.advance_to(minute(0, 15))
        first = reports(broker)
        broker.advance_to(minute(2))
        told[kind] = (first, reports(broker))
        assert [one.sequence for one in broker.executions(0)] == [1]
    assert told == {
        None: ([1, "filled"], []),
        FaultKind.DUPLICATE_REPORT: ([1, 1, "filled"], []),
        FaultKind.LATE_REPORT: (["filled"], [1]),
        FaultKind.OUT_OF_ORDER: (["filled", 1], []),
    }


# on the line


@pytest.mark.parametrize(
    ("kind", "is_taken"), [(FaultKind.LOST_REQUEST, False), (FaultKind.LOST_REPLY, True), (FaultKind.DISCONNECT, True)]
)
def test_a_call_without_an_answer(kind, is_taken):
    broker = opened(Fault(kind, call="submit", nth=1))
    with pytest.raises(BrokerUnavailableError, match="no answer"):
        broker.submit(buy("S-a-1", 10))
    assert (broker.order("S-a-1") is not None) is is_taken
    assert GapDetected("the answer to submit was lost") in broker.events(0)
    assert broker.submit(buy("S-a-1", 10)).status is OrderStatus.ACCEPTED


def test_a_refusal_can_be_lost_too():
    broker = opened(Fault(FaultKind.LOST_REPLY, nth=1))
    with pytest.raises(BrokerUnavailableError):
        broker.submit(buy("S-a-1", 0))


def test_an_empty_reply_is_an_empty_list_or_none_at_all():
    broker = opened(Fault(FaultKind.EMPTY_REPLY, start_at=minute(1)))
    broker.submit(buy("S-a-1", 10))
    broker.advance_to(minute(1))
    assert broker.positions() == broker.executions(0) == []
    for call in (broker.account, lambda: broker.order("S-a-1"), lambda: broker.submit(buy("S-a-2", 1))):
        with pytest.raises(BrokerUnavailableError):
            call()
    assert broker.venue.order("S-a-2") is not None


def test_a_stale_reply_is_no_answer():
    broker = opened(Fault(FaultKind.STALE_REPLY, call="positions", nth=3, seconds=30))
    broker.submit(buy("S-a-1", 10))
    assert broker.positions() == []
    broker.advance_to(minute(0, 15))
    assert len(broker.positions()) == 1  # which is what will be told again
    broker.advance_to(minute(1))
    broker.account()
    with pytest.raises(BrokerUnavailableError, match="older than one before it"):
        broker.positions()
    assert len(broker.positions()) == 1


def test_what_is_not_old_enough_is_no_stale_reply():
    broker = opened(Fault(FaultKind.STALE_REPLY, seconds=30))
    assert broker.account() == broker.account()
    assert broker.clock() == broker.clock()


def test_the_market_goes_on_while_an_answer_takes_its_time():
    broker = opened(Fault(FaultKind.LATENCY, call="order", nth=1, seconds=30))
    broker.submit(buy("S-a-1", 10))
    assert broker.order("S-a-1").status is OrderStatus.FILLED
    assert broker.clock().now == minute(0, 30)


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_clock_is_off_and_comes_back(seconds):
    broker = opened(Fault(FaultKind.CLOCK_SKEW, start_at=minute(1), end_at=minute(2), seconds=seconds))
    off = []
    for number in range(3):
        broker.advance_to(minute(number))
        off.append(broker.clock().now - minute(number))
    assert off == [timedelta(0), timedelta(seconds=seconds), timedelta(0)]


# the same again


BAD_DAY = (
    Fault(FaultKind.HALT, chance_per_mille=50, seconds=90),
    Fault(FaultKind.PIECES, chance_per_mille=500),
    Fault(FaultKind.BUST, chance_per_mille=300, seconds=45),
    Fault(FaultKind.CANCEL_RACE, chance_per_mille=500),
    Fault(FaultKind.REFUSAL, chance_per_mille=100, reason="not now"),
)


def played(folder, seed, *, restarts=False):
    """A few orders through a bad day; the venue is opened anew every other minute if it restarts."""
    feed, days, scenario = SyntheticFeed(5, sessions(1, 20)), sessions(1, 20), Scenario(seed, BAD_DAY)
    folder.mkdir()

    def start():
        journal = Journal(folder / "venue.db", {}, CASH)
        return journal, Venue(Market(feed, journal.snapshot(), journal.faults(scenario)), journal, lambda _told: None)

    journal, venue = start()
    for number in range(20):
        venue.advance_to(days[0].open_at + timedelta(minutes=number))
        if number % 3 == 0:
            try:
                venue.submit(buy(f"S-a-{number}", 30, symbol="MKT"))
            except OrderRefusedError:
                continue
        if number % 3 == 1 and venue.order(f"S-a-{number - 1}") is not None:
            venue.cancel(f"S-a-{number - 1}")
        if restarts and number % 2:
            journal.close()
            journal, venue = start()
    venue.advance_to(days[0].close_at)
    found = [
        (one.sequence, one.client_order_id, one.side, one.quantity, one.busts and one.busts.rpartition("-")[2])
        for one in venue.executions(0)
    ]
    cash = venue.market.account().cash
    journal.close()
    return found, cash


def test_a_bad_day_is_the_same_again_even_with_restarts(tmp_path):
    first = played(tmp_path / "first", 3)
    assert any(busts for *_, busts in first[0])
    assert played(tmp_path / "second", 3) == first
    assert played(tmp_path / "third", 3, restarts=True) == first
    assert played(tmp_path / "fourth", 4) != first


def test_a_restarted_market_goes_on_with_its_scenario(tmp_path):
    scenario = Scenario(1, (Fault(FaultKind.HALT, nth=1, seconds=300), Fault(FaultKind.BUST, nth=1, seconds=600)))
    journal = Journal(tmp_path / "venue.db", {}, CASH)
    faults = journal.faults(scenario)
    venue = Venue(Market(SyntheticFeed(5, sessions(1, 30)), journal.snapshot(), faults), journal, lambda _told: None)
    (first,) = sessions(1, 30)
    venue.advance_to(first.open_at)
    symbol, other, *_ = venue.market.instruments
    assert faults.halt(symbol, first.open_at) is not None
    venue.submit(buy("S-a-1", 10, symbol=other))
    venue.advance_to(first.open_at + timedelta(minutes=1))
    journal.close()
    journal = Journal(tmp_path / "venue.db", {}, CASH)
    again = journal.faults(scenario)
    assert again.halt(symbol, first.open_at + timedelta(minutes=4)) is not None
    venue = Venue(Market(SyntheticFeed(5, sessions(1, 30)), journal.snapshot(), again), journal, lambda _told: None)
    venue.advance_to(first.open_at + timedelta(minutes=15))
    assert [one.busts is not None for one in venue.executions(0)] == [False, True]
    assert venue.market.account().cash == CASH
    assert journal.faults(Scenario(2, scenario.faults)).halt(symbol, first.open_at) is None
    journal.close()
