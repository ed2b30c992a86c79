"""What crosses the simulated market's socket comes back as it was."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbot_bot.brokers.sim.wire import WireError, decode, decode_event, encode, encode_event, from_line, to_line
from tbot_bot.domain import broker, market, orders
from tbot_bot.domain.money import Money, Price, Quantity

NOW = datetime(2010, 1, 4, 14, 30, 15, 250, tzinfo=UTC)
SESSION = market.Session(date(2010, 1, 4), NOW, NOW)
ORDER = orders.Order(
    "c", "b", "MKT", orders.Side.BUY, Quantity.of("1.5"), orders.OrderType.LIMIT, orders.OrderStatus.PARTIALLY_FILLED,
    Quantity.of(1), Price.of("10.01"), None, NOW, None, "why",
)  # fmt: skip
EXECUTION = orders.Execution("x", 1, "c", "MKT", orders.Side.SELL, Quantity.of(1), Price.of(2), Money.of("0.01"), NOW)
BAR = market.Bar("MKT", NOW, *(Price.of(text) for text in ("1", "2", "0.5", "1.25")), Quantity.of(100))
LEG = orders.OrderRequest(
    "l", orders.Book.STRATEGY, "MKT", orders.Side.SELL, Quantity.of(1), orders.OrderType.STOP, None, Price.of(1)
)

VALUES = [
    ORDER,
    EXECUTION,
    BAR,
    SESSION,
    LEG,
    replace(LEG, bracket=(LEG, replace(LEG, client_order_id="m"))),
    market.MarketClock(NOW, is_open=True, session=SESSION),
    market.MarketClock(NOW, is_open=False, session=None, running=False, ended_reason="over"),
    market.Instrument("MKT", "Märkte", Price.of("0.01"), shortable=False, inverse_of="X"),
    orders.BrokerAccount(Money.of("-0.00000001"), Money.of(1), Money.of(2)),
]
EVENTS = [
    broker.BarClosed(BAR),
    broker.OrderChanged(ORDER),
    broker.Executed(EXECUTION),
    broker.SessionOpened(SESSION),
    broker.SessionClosed(SESSION),
    broker.FeedEnded(NOW, "no more"),
    broker.GapDetected("lost"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_survive_the_way_through_json(value):
    line = to_line({"value": encode(value)})
    assert line.count(b"\n") == 1
    assert decode(type(value), from_line(line)["value"]) == value


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events_survive_with_their_kind(event):
    assert decode_event(from_line(to_line(encode_event(event)))) == event


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_amounts_survive_to_the_last_unit(units):
    for amount in (Money(units), Price(units), Quantity(units)):
        assert decode(type(amount), encode(amount)) == amount


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Money, 1.5),
        (Money, 1),
        (Money, "much"),
        (datetime, "2010-01-04T14:30:00"),
        (datetime, 5),
        (date, "tomorrow"),
        (int, True),
        (orders.Side, "hold"),
        (market.Session, {"day": "2010-01-04"}),
        (market.Session, []),
        (orders.Order, encode(ORDER) | {"extra": 1}),
        (orders.OrderRequest, encode(LEG) | {"bracket": {}}),
    ],
)
def test_what_is_not_of_the_type_is_refused(kind, data):
    with pytest.raises(WireError):
        decode(kind, data)


def test_what_the_wire_does_not_carry_is_refused():
    for value in (1.5, Decimal(1), object, {"a": 1}):
        with pytest.raises(WireError, match="does not cross"):
            encode(value)
    with pytest.raises(WireError, match="unknown event"):
        decode_event({"kind": "Rumour", "event": {}})


@pytest.mark.parametrize("line", [b"", b"nonsense\n", b"[1]\n", b"\xff\n"])
def test_a_line_that_is_no_object_is_refused(line):
    with pytest.raises(WireError):
        from_line(line)
