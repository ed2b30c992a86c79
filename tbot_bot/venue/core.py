"""The simulated market itself: market time goes in, order changes and fills come out. No IO, no clock, no threads.

A minute bar trades in four ticks, 15 seconds apart. An order is first tried at the tick after it came. The same feed
and the same commands at the same market times give the same executions, to the byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain

from tbot_bot.domain.broker import (
    BarClosed,
    BrokerEvent,
    Executed,
    FeedEnded,
    OrderChanged,
    OrderRefusedError,
    SessionClosed,
    SessionOpened,
)
from tbot_bot.domain.market import Bar, Instrument, MarketClock, Quote, Session
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import BrokerAccount, BrokerPosition, Execution, Order, OrderRequest, OrderStatus, Side
from tbot_bot.venue.account import LEVERAGE, Account, reach
from tbot_bot.venue.admission import Desk, refusal, replacement_refusal
from tbot_bot.venue.book import OrderBook
from tbot_bot.venue.faults import FaultKind, Faults
from tbot_bot.venue.feed import LEAD_IN, TICK_LENGTH, TICKS_PER_BAR, Feed, FeedBar, require_sessions
from tbot_bot.venue.fees import fill_fee
from tbot_bot.venue.matching import liquidity, match
from tbot_bot.venue.records import Changes, OrderRecord, Snapshot
from tbot_bot.venue.tape import Tape

_EXPIRED = "a day order ends with the session"
_SHARE = Quantity.of(1)


class Market:
    """One account at one market, advanced by market time."""

    def __init__(self, feed: Feed, snapshot: Snapshot, faults: Faults | None = None) -> None:
        """`faults` is what goes wrong; without it nothing does."""
        self.faults = faults or Faults()
        self._sessions = require_sessions(feed.sessions)
        self._ended_reason = feed.ended_reason
        self.instruments = {instrument.symbol: instrument for instrument in feed.instruments}
        self._tape = Tape(feed, self.instruments)
        self._account_id = snapshot.account_id
        self._account = Account(snapshot.cash, dict(snapshot.positions))
        self._book = OrderBook(snapshot.open_orders)
        self._last_order_number = snapshot.last_order_number
        self._last_sequence = snapshot.last_sequence
        self._taken = dict(snapshot.taken)
        self._events: list[BrokerEvent] = []
        self._executions: list[Execution] = []
        self.now = self._sessions[0].open_at - LEAD_IN if snapshot.now is None else snapshot.now
        self._index = sum(session.close_at <= self.now for session in self._sessions)
        self._step = self._steps_done()
        self._tape.recall(self._sessions, self.now)

    # time
    @property
    def session(self) -> Session | None:
        """The session running or coming next, None after the last."""
        return self._sessions[self._index] if self._index < len(self._sessions) else None

    @property
    def is_open(self) -> bool:
        """Whether regular trading goes on."""
        return self.session is not None and self.session.open_at <= self.now

    @property
    def is_near_session(self) -> bool:
        """Whether a session is on or about to begin."""
        return self.session is not None and self.now >= self.session.open_at - LEAD_IN

    def clock(self, *, running: bool) -> MarketClock:
        """Return market time and session."""
        ended = None if self.session else self._ended_reason
        skew = self.faults.due(FaultKind.CLOCK_SKEW, self.now)
        now = self.now if skew is None else self.now + skew.delay
        return MarketClock(now, self.is_open, self.session, running=running, ended_reason=ended)

    @property
    def next_step_at(self) -> datetime | None:
        """When something can happen next, None after the last session."""
        return None if self.session is None else self.session.open_at + self._step * TICK_LENGTH

    def advance_to(self, moment: datetime) -> None:
        """Let everything up to and including `moment` happen; the clock stops for good at the end of the feed."""
        while (at := self.next_step_at) is not None and at <= moment:
            self.now = at
            self._do_step(self._sessions[self._index])
        if self.session is not None:
            self.now = max(self.now, moment)

    # the account's view
    def account(self) -> BrokerAccount:
        """Return cash, equity and what is left of twice the equity."""
        equity = self._account.equity(self._mark)
        reached = reach(self._account, self._plain_orders(), self._tape.mark)
        free = max(equity * LEVERAGE - reached, Money.zero())
        return BrokerAccount(self._account.cash, equity, free, self.faults.restriction(self.now))

    def listed(self) -> list[Instrument]:
        """Return what can be traded."""
        return [one for symbol, one in self.instruments.items() if not self.faults.is_delisted(symbol)]

    def positions(self) -> list[BrokerPosition]:
        """Return the non-zero positions by symbol."""
        held = sorted(self._account.positions.items())
        return [BrokerPosition(symbol, quantity, self._mark(symbol)) for symbol, quantity in held]

    def quotes(self, symbols: Sequence[str]) -> list[Quote]:
        """Return the latest quote of each symbol that has traded."""
        return [quote for symbol in symbols if (quote := self._tape.quote(symbol)) is not None]

    def bars(self, symbol: str, start_at: datetime, end_at: datetime) -> list[Bar]:
        """Return the finished bars of `symbol` that begin in [start_at, end_at)."""
        if symbol not in self.instruments:
            return []
        days = [one for one in self._sessions if one.close_at > start_at and one.open_at < min(end_at, self.now)]
        found = chain.from_iterable(self._tape.bars(session, symbol) for session in days)
        return [bar for bar in found if start_at <= bar.start_at < end_at and bar.end_at <= self.now]

    def open_orders(self) -> list[Order]:
        """Return the orders that are not final, in the order they came."""
        return [record.order for record in self._book]

    def open_order(self, client_order_id: str) -> Order | None:
        """Return an order that is not final."""
        record = self._book.get(client_order_id)
        return None if record is None else record.order

    # commands
    def submit(self, request: OrderRequest) -> Order:
        """Take an order whose client ids are new, or raise OrderRefusedError with the reason."""
        number = self._last_order_number + 1
        entry = self._record(request, number, request.joins)
        reason = refusal(request, self._desk(request, entry)) or self._mishap(request)
        if reason is not None:
            raise OrderRefusedError(reason)
        if request.joins is not None:
            self._book.end_entry(request.joins, self.now)
        self._book.put(entry)
        for place, leg in enumerate(request.bracket, start=1):
            self._book.put(self._record(leg, number + place, request.client_order_id))
        self._last_order_number = number + len(request.bracket)
        self._report()
        return entry.order

    def cancel(self, client_order_id: str) -> None:
        """Cancel an open order; legs of an entry that filled in part stay for that part."""
        record = self._book.get(client_order_id)
        if record is not None and self.faults.due(FaultKind.CANCEL_RACE, self.now, symbol=record.order.symbol):
            self._fill_half(record)
            record = self._book.get(client_order_id)
        if record is not None:
            self._book.finish(record, OrderStatus.CANCELLED, "cancelled on request", self.now)
            self._report()

    def replace_stop(self, client_order_id: str, stop_price: Price) -> Order:
        """Move the price of a stop that was not touched yet, or raise OrderRefusedError; the old price then stands."""
        record = self._book.get(client_order_id)
        if record is None:
            raise OrderRefusedError(f"order {client_order_id} is final and cannot be changed")
        reason = replacement_refusal(record, stop_price, self.instruments[record.order.symbol].tick)
        if reason is not None:
            raise OrderRefusedError(reason)
        order = replace(record.order, stop_price=stop_price, updated_at=self.now)
        if stop_price != record.order.stop_price:
            self._book.put(replace(record, order=order))
            self._report()
            return order
        return record.order

    def take_changes(self) -> Changes:
        """Return what happened since the last call."""
        changes = Changes(
            self.now, self._book.take(), tuple(self._executions), tuple(self._events), self.faults.take_state()
        )
        self._executions, self._events = [], []
        return changes

    # steps
    def _steps_done(self) -> int:
        """How many steps of the current session lie at or before the present."""
        if self.session is None or self.now < self.session.open_at:
            return 0
        return (self.now - self.session.open_at) // TICK_LENGTH + 1

    def _do_step(self, session: Session) -> None:
        """One step: close the minute that is over, then open or close the session, then trade one tick."""
        minute, tick_number = divmod(self._step, TICKS_PER_BAR)
        if tick_number == 0:
            if minute:
                bars = self._tape.bars_of_minute(session, minute - 1)
                left = [bar.bar for bar in bars.values() if not self.faults.is_delisted(bar.bar.symbol)]
                self._events += [BarClosed(bar) for bar in left]
            self._taken = {}
            if self.now == session.close_at:
                self._close(session)
                return
            if minute == 0:
                self.faults.begin_session(self.instruments, self.now)
                self._events.append(SessionOpened(session))
            self.faults.begin_minute(self.instruments, self.now)
        for execution in self.faults.take_busts(self.now):
            self._bust(execution)
        bars = self._tape.bars_of_minute(session, minute)
        self._tape.see(bars, tick_number)
        self._trade(bars, tick_number)
        self._step += 1

    def _close(self, session: Session) -> None:
        for record in self._book:
            if self._book.get(record.order.client_order_id) is not None:  # not ended with its entry
                self._book.finish(record, OrderStatus.EXPIRED, _EXPIRED, self.now)
        self._report()
        self._events.append(SessionClosed(session))
        self._index += 1
        self._step = 0
        if self.session is None:
            self._events.append(FeedEnded(self.now, self._ended_reason))

    def _trade(self, bars: dict[str, FeedBar], tick_number: int) -> None:
        """Try every order that can fill now: exits of brackets, then the others, each in the order they came.

        Exits go first, so what an entry releases at this tick waits for the next.
        """
        ready = [record for record in self._book if record.can_fill and self._is_traded(record.order.symbol, bars)]
        ticks = {
            symbol: bars[symbol].tick(tick_number, self.instruments[symbol].tick)
            for symbol in {record.order.symbol for record in ready}
        }
        for before in sorted(ready, key=lambda record: not record.is_leg):
            record = self._book.get(before.order.client_order_id)
            if record is None or not record.can_fill:
                continue
            symbol = record.order.symbol
            price = match(record, ticks[symbol])
            if price is not None:
                available = liquidity(bars[symbol].bar, tick_number, self._taken_of(symbol))
                quantity = min(record.remaining, available)
                if self.faults.due(FaultKind.PIECES, self.now, symbol=symbol):
                    quantity = min(quantity, max(_SHARE, _whole(record.order.quantity, 8)))
                self._fill(replace(record, triggered=record.order.stop_price is not None), quantity, price)
            elif not record.rested:
                self._book.note(replace(record, rested=True))

    def _fill(self, record: OrderRecord, quantity: Quantity, price: Price) -> None:
        """Fill what the volume allows; an order that gets nothing keeps its place."""
        if not quantity:
            self._book.note(record)
            return
        symbol = record.order.symbol
        self._taken[symbol] = self._taken_of(symbol) + quantity
        self._execute(record, quantity, price)

    def _taken_of(self, symbol: str) -> Quantity:
        return self._taken.get(symbol, Quantity.zero())

    def _execute(self, record: OrderRecord, quantity: Quantity, price: Price) -> None:
        order = record.order
        execution = Execution(
            execution_id=f"{self._account_id}-X{self._last_sequence + 1}",
            sequence=self._last_sequence + 1,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            price=price,
            fee=fill_fee(order.side, order.filled, quantity, price),
            at=self.now,
        )
        self._apply(execution)
        self._book.fill(record, quantity, self.now)
        self._report()
        self.faults.filled(execution)

    def _apply(self, execution: Execution) -> None:
        self._last_sequence = execution.sequence
        self._account.apply(execution)
        self._executions.append(execution)
        self._events.append(Executed(execution))

    # faults
    def _mishap(self, request: OrderRequest) -> str | None:
        """Why an order that nothing speaks against is refused all the same."""
        halt = self.faults.halt(request.symbol, self.now)
        if halt is not None and halt.reason is not None:
            return halt.reason
        restricted = self.faults.restriction(self.now)
        if restricted is not None and not self._closes(request):
            return f"the account is restricted: {restricted}"
        fault = self.faults.due(FaultKind.REFUSAL, self.now, symbol=request.symbol)
        return None if fault is None else fault.reason

    def _closes(self, request: OrderRequest) -> bool:
        held = self._account.positions.get(request.symbol, Quantity.zero())
        return held.sign * request.side.sign < 0 and request.quantity <= abs(held)

    def _is_traded(self, symbol: str, bars: dict[str, FeedBar]) -> bool:
        return symbol in bars and self.faults.halt(symbol, self.now) is None

    def _fill_half(self, record: OrderRecord) -> None:
        """Fill half of what is left, in whole shares, if the last tick would fill it."""
        symbol = record.order.symbol
        tick = self._tape.tick(symbol)
        half = _whole(record.remaining, 2)
        if tick is None or not half or not self.is_open or self.faults.halt(symbol, self.now) is not None:
            return
        price = match(record, tick)
        if price is not None:
            self._execute(replace(record, triggered=record.order.stop_price is not None), half, price)

    def _bust(self, execution: Execution) -> None:
        """Undo a fill by another that names it."""
        self._apply(
            replace(
                execution,
                execution_id=f"{self._account_id}-X{self._last_sequence + 1}",
                sequence=self._last_sequence + 1,
                side=execution.side.opposite,
                fee=-execution.fee,
                at=self.now,
                busts=execution.execution_id,
            )
        )
        self._book.bust(execution, self.now)
        self._report()

    # helpers
    def _record(self, request: OrderRequest, number: int, parent: str | None) -> OrderRecord:
        order = Order(
            client_order_id=request.client_order_id,
            broker_order_id=f"{self._account_id}-O{number}",
            symbol=request.symbol,
            side=request.side,
            quantity=request.quantity,
            type=request.type,
            status=OrderStatus.ACCEPTED,
            filled=Quantity.zero(),
            limit_price=request.limit_price,
            stop_price=request.stop_price,
            updated_at=self.now,
            parent_client_order_id=parent,
        )
        released = Quantity.zero() if parent and parent != request.joins else request.quantity
        return OrderRecord(order, number, released)

    def _desk(self, request: OrderRequest, entry: OrderRecord) -> Desk:
        """Collect what the rules of admission look at."""
        orders = self._plain_orders()
        same = [*orders.get(request.symbol, []), entry]
        before = reach(self._account, orders, self._tape.mark)
        sells = [record.remaining for record in same if record.order.side is Side.SELL]
        return Desk(
            joined=[] if request.joins is None else self._book.bracket_of(request.joins),
            instruments=self.instruments,
            is_open=self.is_open,
            ended=self.session is None,
            tick=self._tape.tick(request.symbol),
            short_after=sum((-sell for sell in sells), self._account.held(request.symbol)),
            reach_before=before,
            reach_after=lambda: reach(self._account, {**orders, request.symbol: same}, self._tape.mark),
            reach_limit=self._account.equity(self._mark) * LEVERAGE,
        )

    def _plain_orders(self) -> dict[str, list[OrderRecord]]:
        plain: dict[str, list[OrderRecord]] = {}
        for record in self._book:
            if not record.is_leg:
                plain.setdefault(record.order.symbol, []).append(record)
        return plain

    def _report(self) -> None:
        self._events += [OrderChanged(order) for order in self._book.take_reports()]

    def _mark(self, symbol: str) -> Price:
        """The last price of something held: it has traded, or it could not have been bought."""
        mark = self._tape.mark(symbol)
        if mark is None:
            raise LookupError(f"the feed has no price of {symbol}, which the account holds")
        return mark


def _whole(quantity: Quantity, parts: int) -> Quantity:
    """One of `parts` equal parts, in whole shares."""
    return Quantity(quantity.units // (parts * _SHARE.units) * _SHARE.units)
