"""The simulated market behind the broker port without a process: for tests, backtests and benchmarks."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime

from tbot_bot.domain.broker import BrokerEvent
from tbot_bot.domain.market import Bar, Instrument, MarketClock, Quote
from tbot_bot.domain.money import Money, Price
from tbot_bot.domain.orders import BrokerAccount, BrokerPosition, Execution, Order, OrderRequest
from tbot_bot.venue.core import Market
from tbot_bot.venue.feed import Feed
from tbot_bot.venue.records import MemoryRecords, Snapshot
from tbot_bot.venue.venue import Venue


class InProcessBroker:
    """A broker whose market time is moved by hand; what it knows ends with the process."""

    code = "SIM"

    def __init__(self, feed: Feed, starting_cash: Money, *, account_id: str = "SIM") -> None:
        self._events: deque[BrokerEvent] = deque()
        market = Market(feed, Snapshot(account_id=account_id, cash=starting_cash))
        self._venue = Venue(market, MemoryRecords(), self._events.extend)

    def advance_to(self, moment: datetime) -> None:
        """Let the market run up to and including `moment` (UTC); a moment in its past changes nothing."""
        self._venue.advance_to(moment)

    def clock(self) -> MarketClock:
        return self._venue.market.clock(running=True)

    def account(self) -> BrokerAccount:
        return self._venue.market.account()

    def instruments(self) -> Sequence[Instrument]:
        return tuple(self._venue.market.instruments.values())

    def positions(self) -> Sequence[BrokerPosition]:
        return self._venue.market.positions()

    def quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        return self._venue.market.quotes(symbols)

    def bars(self, symbol: str, start_at: datetime, end_at: datetime) -> Sequence[Bar]:
        return self._venue.market.bars(symbol, start_at, end_at)

    def open_orders(self) -> Sequence[Order]:
        return self._venue.market.open_orders()

    def order(self, client_order_id: str) -> Order | None:
        return self._venue.order(client_order_id)

    def executions(self, after_sequence: int) -> Sequence[Execution]:
        return self._venue.executions(after_sequence)

    def submit(self, request: OrderRequest) -> Order:
        return self._venue.submit(request)

    def cancel(self, client_order_id: str) -> None:
        self._venue.cancel(client_order_id)

    def replace_stop(self, client_order_id: str, stop_price: Price) -> Order:
        return self._venue.replace_stop(client_order_id, stop_price)

    def events(self, timeout_s: float) -> Sequence[BrokerEvent]:  # noqa: ARG002  the port's name; nothing to wait for
        """Return at once what happened since the last call: time passes only in `advance_to`."""
        happened = tuple(self._events)
        self._events.clear()
        return happened

    def close(self) -> None:
        """Nothing is held open."""
