"""Markets written as text: one line a minute, `open high low close volume`, `-` for a minute without trades."""

from datetime import UTC, date, datetime, timedelta

from tbot_bot.domain.broker import OrderChanged
from tbot_bot.domain.market import Bar, Instrument, Session
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Book, OrderRequest, OrderType, Side
from tbot_bot.venue.faults import Scenario
from tbot_bot.venue.feed import BarFeed
from tbot_bot.venue.in_process import InProcessBroker

DAY = date(2010, 1, 4)
OPEN = datetime(2010, 1, 4, 14, 30, tzinfo=UTC)
TICK = Price.of("0.01")
CASH = Money.of(100_000)


def minute(number, seconds=0):
    return OPEN + timedelta(minutes=number, seconds=seconds)


def session(minutes, day=DAY):
    open_at = datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)
    return Session(day, open_at, open_at + timedelta(minutes=minutes))


def sessions(count, minutes=390):
    days = [DAY + timedelta(days=number) for number in range(2 * count + 3)]
    return [session(minutes, day) for day in days if day.weekday() < 5][:count]


def bars(symbol, text, open_at=OPEN):
    found = []
    for number, line in enumerate(text.strip().splitlines()):
        if line.strip() != "-":
            *prices, volume = line.split()
            start_at = open_at + timedelta(minutes=number)
            found.append(Bar(symbol, start_at, *map(Price.of, prices), Quantity.of(volume)))
    return found


def market(cash=CASH, shortable=True, minutes=None, faults=(), seed=0, **texts):
    """A broker over one session; each keyword is a symbol with its minutes, and `faults` what goes wrong."""
    length = minutes or max(len(text.strip().splitlines()) for text in texts.values())
    instruments = [Instrument(symbol, symbol, TICK, shortable=shortable) for symbol in texts]
    all_bars = [bar for symbol, text in texts.items() for bar in bars(symbol, text)]
    feed = BarFeed(instruments, [session(length)], all_bars)
    return InProcessBroker(feed, cash, scenario=Scenario(seed, tuple(faults)))


def order(client_id, side, quantity, *, limit=None, stop=None, symbol="ABC", bracket=(), joins=None):
    kind = OrderType.LIMIT if limit else OrderType.STOP if stop else OrderType.MARKET
    return OrderRequest(
        client_id,
        Book.STRATEGY,
        symbol,
        side,
        Quantity.of(quantity),
        kind,
        None if limit is None else Price.of(limit),
        None if stop is None else Price.of(stop),
        tuple(bracket),
        joins,
    )


def buy(client_id, quantity, **kinds):
    return order(client_id, Side.BUY, quantity, **kinds)


def sell(client_id, quantity, **kinds):
    return order(client_id, Side.SELL, quantity, **kinds)


def fills(broker):
    """Every execution as text: id of the order, side, quantity at price, second of the session."""
    return [
        f"{one.client_order_id} {one.side} {one.quantity} @ {one.price} t{int((one.at - OPEN).total_seconds())}"
        for one in broker.executions(0)
    ]


def state(broker, client_id):
    found = broker.order(client_id)
    return f"{found.status} {found.filled}/{found.quantity}"


def history(broker, client_id):
    """Every reported status of an order, in order."""
    return [
        f"{event.order.status} {event.order.filled}/{event.order.quantity}"
        for event in broker.events(0)
        if isinstance(event, OrderChanged) and event.order.client_order_id == client_id
    ]
