"""Orders against a market written minute by minute. Flat minutes at 10.00 quote 10.00 / 10.01."""

from tests.unit.venue.stage import buy, fills, history, market, minute, sell, state

FLAT = "10.00 10.00 10.00 10.00 100000"


def test_a_market_order_buys_at_the_ask_of_the_next_tick():
    broker = market(ABC=f"{FLAT}\n{FLAT}")
    broker.advance_to(minute(0))
    broker.submit(buy("b", 10))
    assert fills(broker) == []
    broker.advance_to(minute(0, 15))
    assert fills(broker) == ["b buy 10 @ 10.01 t15"]


def test_a_market_order_sells_at_the_bid():
    broker = market(ABC=FLAT)
    broker.advance_to(minute(0))
    broker.submit(sell("s", 10))
    broker.advance_to(minute(0, 15))
    assert fills(broker) == ["s sell 10 @ 10 t15"]


def test_a_rising_minute_visits_its_low_first_and_a_falling_one_its_high():
    broker = market(ABC="10.00 10.50 9.50 10.10 100000\n10.10 10.60 9.60 10.00 100000")
    lasts = []
    for seconds in range(0, 120, 15):
        broker.advance_to(minute(0, seconds))
        lasts.append(str(broker.positions() or broker.quotes(["ABC"])[0].bid))
    assert lasts == ["9.98", "9.48", "10.48", "10.08", "10.08", "10.58", "9.58", "9.98"]


def test_a_marketable_limit_takes_the_quote():
    broker = market(ABC=FLAT)
    broker.advance_to(minute(0))
    broker.submit(buy("b", 10, limit="10.50"))
    broker.advance_to(minute(0, 15))
    assert fills(broker) == ["b buy 10 @ 10.01 t15"]


def test_a_resting_limit_fills_at_its_own_price_when_the_market_comes_through():
    broker = market(ABC=f"{FLAT}\n10.00 10.00 9.00 9.50 100000")
    broker.advance_to(minute(0))
    broker.submit(buy("b", 10, limit="9.80"))
    broker.advance_to(minute(2))
    assert fills(broker) == ["b buy 10 @ 9.8 t90"]


def test_a_limit_is_not_filled_by_the_bid_alone():
    broker = market(ABC=f"{FLAT}\n{FLAT}")
    broker.advance_to(minute(0))
    broker.submit(buy("b", 10, limit="10.00"))
    broker.advance_to(minute(1, 45))
    assert fills(broker) == []


def test_a_stop_waits_for_its_price_then_pays_the_market():
    broker = market(ABC=f"{FLAT}\n10.00 10.00 9.00 9.50 100000")
    broker.advance_to(minute(0))
    broker.submit(sell("s", 10, stop="9.80"))
    broker.advance_to(minute(1, 15))
    assert fills(broker) == []
    broker.advance_to(minute(2))
    assert fills(broker) == ["s sell 10 @ 8.98 t90"]


def test_a_triggered_stop_stays_triggered_while_it_waits_for_volume():
    broker = market(ABC=f"{FLAT}\n10.00 10.00 9.70 10.00 1600\n{FLAT}")
    broker.advance_to(minute(1))
    broker.submit(sell("s", 150, stop="9.80"))
    broker.advance_to(minute(1, 15))
    assert state(broker, "s") == "partially_filled 80/150"
    broker.advance_to(minute(2))
    assert state(broker, "s") == "filled 150/150"


def test_fills_take_at_most_a_tenth_of_the_minutes_volume_and_share_it():
    broker = market(ABC="10 10 10 10 1000\n10 10 10 10 1000\n10 10 10 10 1000")
    broker.advance_to(minute(0, 45))
    broker.submit(buy("one", 150))
    broker.submit(buy("two", 150))
    broker.advance_to(minute(1, 45))
    assert state(broker, "one") == "partially_filled 100/150"
    assert state(broker, "two") == "accepted 0/150"
    broker.advance_to(minute(2, 45))
    assert state(broker, "one") == "filled 150/150"
    assert state(broker, "two") == "partially_filled 50/150"
    assert history(broker, "two") == ["accepted 0/150", "partially_filled 25/150", "partially_filled 50/150"]


def test_nothing_fills_in_a_minute_without_trades():
    broker = market(ABC=f"{FLAT}\n-\n{FLAT}")
    broker.advance_to(minute(0, 45))
    broker.submit(buy("b", 10))
    broker.advance_to(minute(1, 45))
    assert fills(broker) == []
    broker.advance_to(minute(2))
    assert fills(broker) == ["b buy 10 @ 10.01 t120"]


def test_too_little_volume_for_a_share_fills_nothing():
    broker = market(ABC="10 10 10 10 9\n10 10 10 10 9")
    broker.advance_to(minute(0))
    broker.submit(buy("b", 1))
    broker.advance_to(minute(1, 45))
    assert fills(broker) == []


def test_a_fraction_of_a_share_fills():
    broker = market(ABC=FLAT)
    broker.advance_to(minute(0))
    broker.submit(buy("b", "0.5"))
    broker.advance_to(minute(0, 15))
    assert fills(broker) == ["b buy 0.5 @ 10.01 t15"]
