"""Entries with a stop and a target: what one order's fill does to the others."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.broker import OrderRefusedError
from tbot_bot.domain.money import Quantity
from tbot_bot.venue.faults import Fault, FaultKind
from tests.unit.venue.stage import buy, fills, history, market, minute, sell, state

FLAT = "10.00 10.00 10.00 10.00 100000"
THIN = "10.00 10.00 10.00 10.00 1000"
DROP = "10.00 10.00 9.00 9.50 100000"
RISE = "10.00 11.00 10.00 10.50 100000"


def bracket(quantity, **entry):
    legs = (sell("stop", quantity, stop="9.50"), sell("target", quantity, limit="10.80"))
    return buy("entry", quantity, bracket=legs, **entry)


def started(*minutes):
    broker = market(ABC="\n".join(minutes))
    broker.advance_to(minute(0))
    return broker


def test_legs_wait_until_the_entry_fills():
    broker = started(FLAT, DROP)
    broker.submit(bracket(10, limit="8.00"))
    broker.advance_to(minute(1, 45))
    assert fills(broker) == []
    assert [one.client_order_id for one in broker.open_orders()] == ["entry", "stop", "target"]
    assert broker.order("stop").parent_client_order_id == "entry"


def test_the_stop_ends_the_target():
    broker = started(FLAT, DROP)
    broker.submit(bracket(10))
    broker.advance_to(minute(1, 45))
    assert fills(broker) == ["entry buy 10 @ 10.01 t15", "stop sell 10 @ 8.98 t90"]
    assert state(broker, "target") == "cancelled 0/10"
    assert broker.open_orders() == []
    assert broker.positions() == []


def test_the_target_ends_the_stop():
    broker = started(FLAT, RISE)
    broker.submit(bracket(10))
    broker.advance_to(minute(1, 45))
    assert fills(broker) == ["entry buy 10 @ 10.01 t15", "target sell 10 @ 10.8 t90"]
    assert state(broker, "stop") == "cancelled 0/10"
    assert "other leg" in broker.order("stop").reason


def test_legs_never_trade_in_the_tick_that_released_them():
    broker = started(FLAT, DROP)
    broker.submit(sell("short", 1))
    broker.submit(buy("entry", 10, stop="10.00", bracket=[sell("stop", 10, stop="10.00")]))
    broker.advance_to(minute(0, 30))
    assert fills(broker)[1:] == ["entry buy 10 @ 10.01 t15", "stop sell 10 @ 10 t30"]


def test_legs_follow_what_the_entry_filled_and_an_exit_ends_the_entry():
    broker = started(THIN, "10.00 10.00 9.00 9.50 1000", FLAT)
    broker.advance_to(minute(0, 30))
    broker.submit(bracket(300))
    broker.advance_to(minute(0, 45))
    assert state(broker, "entry") == "partially_filled 100/300"
    assert state(broker, "stop") == "accepted 0/100"
    broker.advance_to(minute(1, 30))
    assert fills(broker)[-1] == "stop sell 25 @ 8.98 t90"
    assert state(broker, "entry") == "cancelled 150/300"
    assert "exit" in broker.order("entry").reason
    broker.advance_to(minute(2, 45))
    assert state(broker, "stop") == "filled 150/150"
    assert broker.positions() == []


def test_a_partly_filled_leg_shrinks_the_other_and_both_end_together():
    broker = started(FLAT, "10.00 11.00 10.00 10.50 400", DROP)
    broker.submit(bracket(100))
    broker.advance_to(minute(1, 45))
    assert state(broker, "target") == "partially_filled 30/100"
    assert state(broker, "stop") == "accepted 0/70"
    broker.advance_to(minute(2, 45))
    assert state(broker, "stop") == "filled 70/70"
    assert state(broker, "target") == "filled 30/30"
    assert broker.positions() == []


def test_cancelling_an_unfilled_entry_ends_its_legs():
    broker = started(FLAT)
    broker.submit(bracket(10, limit="8.00"))
    broker.cancel("entry")
    assert [state(broker, one) for one in ("entry", "stop", "target")] == ["cancelled 0/10"] * 3


def test_cancelling_a_partly_filled_entry_leaves_its_legs_in_place():
    broker = started(THIN, FLAT)
    broker.submit(bracket(300))
    broker.advance_to(minute(0, 15))
    broker.cancel("entry")
    assert state(broker, "entry") == "cancelled 50/300"
    assert state(broker, "stop") == "accepted 0/50"
    assert state(broker, "target") == "accepted 0/50"


def test_cancelling_one_leg_leaves_the_other():
    broker = started(FLAT)
    broker.submit(bracket(10))
    broker.advance_to(minute(0, 15))
    broker.cancel("target")
    assert [one.client_order_id for one in broker.open_orders()] == ["stop"]


def test_everything_expires_at_the_close():
    broker = started(FLAT)
    broker.submit(bracket(10))
    broker.submit(buy("far", 10, limit="5.00", bracket=[sell("far-stop", 10, stop="4.00")]))
    broker.advance_to(minute(1))
    assert broker.open_orders() == []
    assert state(broker, "entry") == "filled 10/10"
    assert [broker.order(one).status for one in ("stop", "target", "far", "far-stop")] == ["expired"] * 4
    assert history(broker, "far-stop") == ["accepted 0/10", "expired 0/10"]


def test_an_exit_that_joins_leaves_the_legs_for_the_rest():
    broker = started(FLAT, FLAT, DROP)
    broker.submit(bracket(10))
    broker.advance_to(minute(0, 30))
    broker.submit(sell("exit", 4, joins="entry"))
    broker.advance_to(minute(0, 45))
    assert fills(broker)[-1] == "exit sell 4 @ 10 t45"
    assert (state(broker, "stop"), state(broker, "target")) == ("accepted 0/6", "accepted 0/6")
    broker.advance_to(minute(2, 45))
    assert fills(broker)[-1].startswith("stop sell 6 @")
    assert broker.positions() == []


def test_what_the_legs_fill_an_exit_that_joined_does_not():
    broker = started(FLAT, DROP, RISE)
    broker.submit(bracket(10))
    broker.advance_to(minute(0, 30))
    broker.submit(sell("exit", 4, limit="10.50", joins="entry"))
    broker.advance_to(minute(2, 45))
    assert [one.split()[0] for one in fills(broker)] == ["entry", "stop"]
    assert state(broker, "exit") == "cancelled 0/4"
    assert broker.positions() == []


def test_an_exit_that_joins_ends_what_its_entry_has_not_filled():
    broker = started(THIN, FLAT)
    broker.submit(bracket(300))
    broker.advance_to(minute(0, 15))
    before = broker.positions()[0].quantity
    broker.submit(sell("exit", 10, limit="12.00", joins="entry"))
    broker.advance_to(minute(1, 45))
    assert broker.order("entry").status == "cancelled"
    assert broker.positions()[0].quantity == before
    assert broker.order("exit").quantity == Quantity.of(10)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (buy("exit", 4, joins="entry"), "the side of its legs"),
        (sell("exit", 4, stop="9.00", joins="entry"), "a market or limit order"),
        (sell("exit", 4, joins="waiting"), "has not filled"),
        (sell("exit", 11, joins="entry"), "closes 10 at most"),
        (sell("exit", 1, joins="gone"), "closes 0 at most"),
    ],
)
def test_what_cannot_join_is_refused(wrong, why):
    broker = started(FLAT)
    broker.submit(bracket(10))
    broker.submit(buy("waiting", 5, limit="8.00"))
    broker.advance_to(minute(0, 30))
    with pytest.raises(OrderRefusedError, match=why):
        broker.submit(wrong)
    assert broker.order("exit") is None


@settings(deadline=None, max_examples=60)
@given(
    exits=st.lists(
        st.tuples(st.integers(1, 30), st.sampled_from([None, "9.90", "10.40"]), st.integers(0, 90)), max_size=4
    ),
    minutes=st.lists(st.sampled_from([FLAT, THIN, DROP, RISE]), min_size=2, max_size=5),
    in_pieces=st.booleans(),
)
def test_exits_and_legs_together_never_close_more_than_is_open(exits, minutes, in_pieces):
    pieces = [Fault(FaultKind.PIECES, chance_per_mille=700)] if in_pieces else []
    broker = market(faults=pieces, ABC="\n".join([FLAT, *minutes]))
    broker.advance_to(minute(0))
    broker.submit(bracket(30))
    for number, (quantity, limit, seconds) in enumerate(sorted(exits, key=lambda one: one[2])):
        broker.advance_to(minute(0, 15 + seconds))
        with suppress(OrderRefusedError):  # what is open may be gone by now
            broker.submit(sell(f"exit{number}", quantity, limit=limit, joins="entry"))
    broker.advance_to(minute(len(minutes) + 1))
    held = 0
    for one in broker.executions(0):
        held += one.quantity.units * one.side.sign
        assert held >= 0
    for record in broker.open_orders():
        assert record.quantity >= record.filled
