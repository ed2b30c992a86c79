"""What the market refuses, and that a refusal leaves nothing behind."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.domain.broker import OrderRefusedError
from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.orders import Book, OrderType, Side
from tests.unit.venue.stage import buy, fills, market, minute, order, sell, state

FLAT = "10.00 10.00 10.00 10.00 1000000"


def opened(**kinds):
    broker = market(ABC=f"{FLAT}\n{FLAT}", **kinds)
    broker.advance_to(minute(0))
    return broker


def leg(client_id="leg", quantity=10, **kinds):
    return sell(client_id, quantity, **(kinds or {"stop": "9.00"}))


REFUSED = {
    "unknown symbol": (buy("x", 10, symbol="XYZ"), "not traded"),
    "no quantity": (buy("x", 0), "positive"),
    "negative quantity": (buy("x", -5), "positive"),
    "off the tick": (buy("x", 10, limit="9.995"), "tick"),
    "price of zero": (replace(buy("x", 10, limit="9.99"), limit_price=buy("x", 1, limit="0.00").limit_price), "price"),
    "negative price": (buy("x", 10, limit="-1.00"), "tick"),
    "limit without a price": (replace(buy("x", 10), type=OrderType.LIMIT), "price of its kind"),
    "market with a price": (replace(buy("x", 10, limit="9.00"), type=OrderType.MARKET), "price of its kind"),
    "two stops": (buy("x", 10, bracket=[leg("a"), leg("b")]), "one limit and one stop"),
    "leg named like its entry": (buy("x", 10, bracket=[leg("x")]), "id of its own"),
    "market leg": (buy("x", 10, bracket=[sell("leg", 10)]), "limit or a stop"),
    "leg with legs": (buy("x", 10, bracket=[replace(leg(), bracket=(leg("a"),))]), "limit or a stop"),
    "leg on the same side": (buy("x", 10, bracket=[buy("leg", 10, stop="9.00")]), "opposite side"),
    "leg of another book": (buy("x", 10, bracket=[replace(leg(), book=Book.HOLDINGS)]), "same symbol and book"),
    "leg of another size": (buy("x", 10, bracket=[leg(quantity=9)]), "quantity of its entry"),
    "leg off the tick": (buy("x", 10, bracket=[leg(stop="9.001")]), "tick"),
    "too large": (buy("x", 20_001), "buying power"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_reason_and_forgotten(name):
    request, reason = REFUSED[name]
    broker = opened()
    with pytest.raises(OrderRefusedError, match=reason):
        broker.submit(request)
    assert broker.order("x") is None
    assert broker.open_orders() == []


@pytest.mark.parametrize("request_", [buy("x", 1), buy("x", 1, stop="10.50")], ids=["market", "stop"])
def test_a_closed_market_takes_limit_orders_only(request_):
    broker = market(ABC=FLAT)
    with pytest.raises(OrderRefusedError, match="closed"):
        broker.submit(request_)
    broker.submit(buy("limit", 1, limit="10.05"))
    broker.advance_to(minute(0))
    assert fills(broker) == ["limit buy 1 @ 10.01 t0"]


def test_after_the_last_session_nothing_is_taken():
    broker = opened()
    broker.advance_to(minute(2))
    with pytest.raises(OrderRefusedError, match="no further session"):
        broker.submit(buy("x", 1, limit="10.00"))


def test_a_symbol_that_has_not_traded_has_no_price_for_a_market_order():
    broker = market(ABC=FLAT, NEW=f"-\n{FLAT}")
    broker.advance_to(minute(0))
    with pytest.raises(OrderRefusedError, match="has not traded yet"):
        broker.submit(buy("x", 1, symbol="NEW"))
    broker.submit(buy("limit", 1, limit="9.00", symbol="NEW"))


def test_the_same_client_id_returns_the_same_order_and_trades_once():
    broker = opened()
    first = broker.submit(buy("b", 10))
    assert broker.submit(buy("b", 10)) == first
    broker.advance_to(minute(1))
    filled = broker.submit(buy("b", 99, limit="1.00"))
    assert (filled.status, filled.quantity) == ("filled", Quantity.of(10))
    assert fills(broker) == ["b buy 10 @ 10.01 t15"]


def test_a_legs_client_id_may_not_have_been_used_before():
    broker = opened()
    broker.submit(sell("leg", 1))
    broker.advance_to(minute(1))
    with pytest.raises(OrderRefusedError, match="used before"):
        broker.submit(buy("x", 10, bracket=[leg()]))


def test_shorting_needs_a_shortable_instrument():
    opened().submit(sell("s", 10))
    broker = opened(shortable=False)
    with pytest.raises(OrderRefusedError, match="sold short"):
        broker.submit(sell("s", 10))
    broker.submit(buy("b", 10))
    broker.advance_to(minute(0, 15))
    broker.submit(sell("s1", 6))
    with pytest.raises(OrderRefusedError, match="sold short"):
        broker.submit(sell("s2", 5))
    broker.submit(sell("s3", 4))


def test_orders_that_wait_use_up_buying_power():
    broker = opened()
    broker.submit(buy("one", 15_000, limit="10.00"))
    assert broker.account().buying_power == Money.of(50_000)
    with pytest.raises(OrderRefusedError, match="60000 needed, 50000 free"):
        broker.submit(buy("two", 6_000, limit="10.00"))
    broker.cancel("one")
    broker.submit(buy("two", 6_000, limit="10.00"))


def test_closing_is_always_allowed_even_beyond_the_limit():
    broker = market(ABC=f"{FLAT}\n6.00 6.00 6.00 6.00 1000000\n6.00 6.00 6.00 6.00 1000000")
    broker.advance_to(minute(0))
    broker.submit(buy("b", 19_900))
    broker.advance_to(minute(1))
    assert broker.account().buying_power == Money.zero()
    with pytest.raises(OrderRefusedError, match="buying power"):
        broker.submit(buy("more", 10))
    broker.submit(sell("out", 19_900))
    broker.advance_to(minute(1, 45))
    assert state(broker, "out") == "filled 19900/19900"


def test_cancelling_what_is_unknown_is_refused_and_what_is_final_is_left_alone():
    broker = opened()
    with pytest.raises(OrderRefusedError, match="no order"):
        broker.cancel("nobody")
    broker.submit(buy("b", 10))
    broker.advance_to(minute(1))
    broker.cancel("b")
    assert state(broker, "b") == "filled 10/10"


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 30_000)), max_size=8))
def test_positions_and_waiting_orders_never_reach_beyond_twice_the_equity(wishes):
    broker = opened()
    for number, (side, quantity) in enumerate(wishes):
        limit = "9.00" if side is Side.BUY else "11.00"
        try:
            broker.submit(order(f"o{number}", side, quantity, limit=limit))
        except OrderRefusedError:
            continue
    longs = sum(int(one.quantity.decimal) for one in broker.open_orders() if one.side is Side.BUY)
    shorts = sum(int(one.quantity.decimal) for one in broker.open_orders() if one.side is Side.SELL)
    assert max(longs, shorts) * 10 <= 200_000
    assert broker.account().buying_power >= Money.zero()
