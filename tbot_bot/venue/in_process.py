"""The simulated market behind the broker port without a process: for tests, backtests and benchmarks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar, cast

from tbot_bot.domain.broker import BrokerEvent, BrokerUnavailableError, GapDetected, OrderRefusedError
from tbot_bot.domain.market import Bar, Instrument, MarketClock, Quote
from tbot_bot.domain.money import Money, Price
from tbot_bot.domain.orders import BrokerAccount, BrokerPosition, Execution, Order, OrderRequest
from tbot_bot.venue.core import Market
from tbot_bot.venue.faults import CALM, FaultKind, Faults, Scenario
from tbot_bot.venue.feed import Feed
from tbot_bot.venue.line import LISTS, UNANSWERED, Line
from tbot_bot.venue.records import MemoryRecords, Snapshot
from tbot_bot.venue.venue import Venue

T = TypeVar("T")


class InProcessBroker:
    """A broker whose market time is moved by hand; what it knows ends with the process.

    A `scenario` makes market and line fail as it says; a call that gets no answer leaves a gap in the events.
    """

    code = "SIM"

    def __init__(self, feed: Feed, starting_cash: Money, *, account_id: str = "SIM", scenario: Scenario = CALM) -> None:
        self._events: deque[BrokerEvent] = deque()
        faults = Faults(scenario)
        market = Market(feed, Snapshot(account_id=account_id, cash=starting_cash), faults)
        self._venue = Venue(market, MemoryRecords(), self._events.extend)
        self._line = Line(faults)
        self._newest = market.now

    @property
    def venue(self) -> Venue:
        """The market itself, without a line in between: what is true."""
        return self._venue

    def advance_to(self, moment: datetime) -> None:
        """Let the market run up to and including `moment` (UTC); a moment in its past changes nothing."""
        self._venue.advance_to(moment)

    def clock(self) -> MarketClock:
        return self._call("clock", (), lambda: self._venue.market.clock(running=True))

    def account(self) -> BrokerAccount:
        return self._call("account", (), self._venue.market.account)

    def instruments(self) -> Sequence[Instrument]:
        return self._call("instruments", (), lambda: tuple(self._venue.market.listed()))

    def positions(self) -> Sequence[BrokerPosition]:
        return self._call("positions", (), self._venue.market.positions)

    def quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        return self._call("quotes", symbols, lambda: self._venue.market.quotes(symbols))

    def bars(self, symbol: str, start_at: datetime, end_at: datetime) -> Sequence[Bar]:
        return self._call("bars", symbol, lambda: self._venue.market.bars(symbol, start_at, end_at))

    def open_orders(self) -> Sequence[Order]:
        return self._call("open_orders", (), self._venue.market.open_orders)

    def order(self, client_order_id: str) -> Order | None:
        return self._call("order", client_order_id, lambda: self._venue.order(client_order_id))

    def executions(self, after_sequence: int) -> Sequence[Execution]:
        return self._call("executions", after_sequence, lambda: self._venue.executions(after_sequence))

    def submit(self, request: OrderRequest) -> Order:
        return self._call("submit", request, lambda: self._venue.submit(request))

    def cancel(self, client_order_id: str) -> None:
        self._call("cancel", client_order_id, lambda: self._venue.cancel(client_order_id))

    def replace_stop(self, client_order_id: str, stop_price: Price) -> Order:
        arguments = (client_order_id, stop_price)
        return self._call("replace_stop", arguments, lambda: self._venue.replace_stop(*arguments))

    def events(self, timeout_s: float) -> Sequence[BrokerEvent]:  # noqa: ARG002  the port's name; nothing to wait for
        """Return at once what happened since the last call: time passes only in `advance_to`."""
        return self._call("events", (), self._take_events)

    def close(self) -> None:
        """Nothing is held open."""

    def _take_events(self) -> Sequence[BrokerEvent]:
        happened = tuple(self._events)
        self._events.clear()
        return happened

    def _call(self, call: str, arguments: object, make: Callable[[], T]) -> T:
        """Carry one call over the line; an answer older than one that was seen before is no answer."""
        market = self._venue.market
        waits = self._line.delay(call, market.now)
        if waits is not None:
            self._venue.advance_to(market.now + waits.delay)
        reply = self._line.carry(call, arguments, market.now, make)
        self._venue.settle()  # what the line did belongs to the scenario's state
        if reply.fault in UNANSWERED or (reply.fault is FaultKind.EMPTY_REPLY and call not in LISTS):
            self._events.append(GapDetected(f"the answer to {call} was lost"))
            raise BrokerUnavailableError(f"lost the simulated market: no answer to {call}")
        if reply.as_of < self._newest:
            raise BrokerUnavailableError(f"the simulated market's answer to {call} is older than one before it")
        self._newest = reply.as_of
        if reply.refused is not None:
            raise OrderRefusedError(reply.refused)
        return cast("T", reply.result)
