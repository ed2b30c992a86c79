"""A kill while nothing can be recorded: the strategy book is closed at the broker first, and booked afterwards.

The disk is full or the ledger is held by someone else, but it can still be read. Ids are those that the record would
have given, and the broker is asked for each before it is used, so that no exit is sent twice. The closing that follows
takes them onto the record (`adoption.adopt_exits`), and their fills are booked by the broker's execution ids.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from tbot_bot.domain.broker import Broker, BrokerUnavailableError, OrderRefusedError
from tbot_bot.domain.money import Quantity
from tbot_bot.domain.orders import (
    Book,
    Execution,
    Order,
    OrderRequest,
    OrderRole,
    OrderType,
    Side,
    book_of,
    client_order_id,
    role_of,
)
from tbot_bot.domain.time import Clock
from tbot_bot.trading.closing import POLL
from tbot_bot.trading.order_service import OrderService
from tbot_bot.trading.reconciliation import SUBMIT_GRACE

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Books:
    """What each book has with the fills that are not booked yet, and the entry of each symbol's trade."""

    held: dict[tuple[Book | None, str], Quantity] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)

    def of(self, book: Book, symbol: str) -> Quantity:
        return self.held.get((book, symbol), Quantity.zero())

    def add(self, fill: Execution) -> None:
        side = fill.side if fill.busts is None else fill.side.opposite
        key = (book_of(fill.client_order_id), fill.symbol)
        self.held[key] = self.held.get(key, Quantity.zero()) + fill.quantity * side.sign
        if role_of(fill.client_order_id) is OrderRole.ENTRY and key[0] is Book.STRATEGY:
            self.entries[fill.symbol] = fill.client_order_id


class UnrecordedClosing:
    """Closes the strategy book at the broker alone; call `advance` as long as nothing can be recorded."""

    def __init__(self, broker: Broker, orders: OrderService, clock: Clock) -> None:
        self._broker = broker
        self._orders = orders
        self._clock = clock
        self._sent: dict[str, datetime] = {}
        self._next_at: datetime | None = None

    def advance(self) -> None:
        """Take the next step: cancel what works, then send an exit for each position that nothing closes yet."""
        now = self._clock.now()
        if self._next_at is not None and now < self._next_at:
            return
        self._next_at = now + POLL
        try:
            if not self._cancel() and self._broker.clock().is_open:
                self._send_exits(now)
        except BrokerUnavailableError as error:
            _log.warning("nothing can be recorded, and the broker does not answer (%s); asking again", error)

    def _cancel(self) -> bool:
        """Cancel all but exits, entries first; whether there was anything to cancel."""
        names = [order.client_order_id for order in self._working() if role_of(order.client_order_id) != OrderRole.EXIT]
        for name in sorted(names, key=lambda name: (role_of(name) is not OrderRole.ENTRY, name)):
            self._broker.cancel(name)
        return bool(names)

    def _working(self) -> list[Order]:
        return [order for order in self._broker.open_orders() if book_of(order.client_order_id) is Book.STRATEGY]

    def _send_exits(self, now: datetime) -> None:
        busy = {order.symbol for order in self._working()} | self._in_doubt(now)
        at_broker = {position.symbol: position.quantity for position in self._broker.positions()}
        books = self._read_books()
        for symbol, entry in books.entries.items():
            quantity = _closable(symbol, books, at_broker)
            if quantity and symbol not in busy:
                self._send(entry, symbol, quantity, now)

    def _in_doubt(self, now: datetime) -> set[str]:
        """Symbols with an exit on record that the broker does not know, but that may still be on its way."""
        recorded = (record for record in self._orders.records.open_orders() if record.role is OrderRole.EXIT)
        young = (record.order for record in recorded if now - record.recorded_at < SUBMIT_GRACE)
        return {order.symbol for order in young if self._broker.order(order.client_order_id) is None}

    def _read_books(self) -> _Books:
        records = self._orders.records
        books = _Books(dict(records.book_positions().items()))
        for trade in records.open_trades():
            number = self._orders.number_of(trade) or 1
            books.entries[trade.symbol] = client_order_id(
                Book.STRATEGY, trade.strategy, trade.symbol, trade.session_day, number, OrderRole.ENTRY
            )
        for fill in self._not_booked():
            books.add(fill)
        return books

    def _not_booked(self) -> Iterator[Execution]:
        cursor = self._orders.records.execution_cursor()
        while fresh := self._broker.executions(cursor):
            yield from fresh
            cursor = fresh[-1].sequence

    def _send(self, entry: str, symbol: str, quantity: Quantity, now: datetime) -> None:
        name = self._free_name(entry, now)
        if name is None:
            return
        side = Side.SELL if quantity.sign > 0 else Side.BUY
        self._sent[name] = now
        _log.critical("nothing can be recorded; exit %s is sent all the same and booked later", name)
        try:
            self._broker.submit(
                OrderRequest(
                    client_order_id=name,
                    book=Book.STRATEGY,
                    symbol=symbol,
                    side=side,
                    quantity=abs(quantity),
                    type=OrderType.MARKET,
                )
            )
        except OrderRefusedError as error:
            del self._sent[name]
            _log.error("the broker refuses exit %s: %s", name, error)

    def _free_name(self, entry: str, now: datetime) -> str | None:
        """The id of the trade's next exit; None while one works or may still be on its way."""
        names = (f"{entry.removesuffix('E')}X{attempt if attempt > 1 else ''}" for attempt in count(1))
        name = next(one for one in names if self._orders.records.order(one) is None and not self._is_over(one))
        sent_at = self._sent.get(name)
        if self._broker.order(name) is None and (sent_at is None or now - sent_at >= SUBMIT_GRACE):
            return name
        return None

    def _is_over(self, name: str) -> bool:
        order = self._broker.order(name)
        return order is not None and order.status.is_final


def _closable(symbol: str, books: _Books, at_broker: Mapping[str, Quantity]) -> Quantity:
    """The signed quantity of the strategy book, as far as the broker has it beyond the holdings book."""
    ours = books.of(Book.STRATEGY, symbol)
    there = at_broker.get(symbol, Quantity.zero()) - books.of(Book.HOLDINGS, symbol)
    if ours.sign != there.sign:
        return Quantity.zero()
    return min(ours, there, key=abs)
