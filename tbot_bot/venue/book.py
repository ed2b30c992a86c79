"""The order book of our own account: open orders, and what binds the orders of a bracket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from tbot_bot.domain.money import Quantity
from tbot_bot.domain.orders import Execution, Order, OrderStatus
from tbot_bot.venue.records import OrderRecord

_ENTRY_GONE = "its entry did not fill"
_EXIT_TRADED = "an exit of its bracket traded"
_EXIT_JOINED = "an exit joined its bracket"
_OTHER_LEG = "the other leg of its bracket filled"


class OrderBook:
    """Open orders in the order they came; finished ones leave it, every change is kept until taken."""

    def __init__(self, records: Iterable[OrderRecord]) -> None:
        self._open = {record.order.client_order_id: record for record in records}
        self._changed: dict[str, OrderRecord] = {}
        self._reported: list[Order] = []

    def __iter__(self) -> Iterator[OrderRecord]:
        return iter(tuple(self._open.values()))

    def get(self, client_order_id: str) -> OrderRecord | None:
        """Return the open order with this client id."""
        return self._open.get(client_order_id)

    def put(self, record: OrderRecord) -> None:
        """Take a new order, or the new form of one; the public change is reported."""
        self.note(record)
        self._reported.append(record.order)
        if record.order.status.is_final:
            del self._open[record.order.client_order_id]

    def note(self, record: OrderRecord) -> None:
        """Keep what only the venue sees of an order."""
        self._open[record.order.client_order_id] = record
        self._changed[record.order.client_order_id] = record

    def fill(self, record: OrderRecord, quantity: Quantity, now: datetime) -> None:
        """Count a fill and let it release, shrink or end the orders bound to it."""
        order = record.order
        filled = order.filled + quantity
        status = OrderStatus.FILLED if filled == record.released else OrderStatus.PARTIALLY_FILLED
        self.put(replace(record, order=replace(order, filled=filled, status=status, updated_at=now)))
        for leg in self._legs_of(order.client_order_id):
            self._release(leg, quantity, now)
        if order.parent_client_order_id is not None:
            entry = self.get(order.parent_client_order_id)
            if entry is not None:
                self.finish(entry, OrderStatus.CANCELLED, _EXIT_TRADED, now)
            for leg in self._legs_of(order.parent_client_order_id):
                if leg.order.client_order_id != order.client_order_id:
                    self._release(leg, -quantity, now)

    def bracket_of(self, client_order_id: str) -> list[OrderRecord]:
        """Return the open orders of an entry's bracket, the entry among them while it is open."""
        entry = self.get(client_order_id)
        return [*([] if entry is None else [entry]), *self._legs_of(client_order_id)]

    def end_entry(self, client_order_id: str, now: datetime) -> None:
        """End what an entry has not filled yet; its legs stand for what it has."""
        entry = self.get(client_order_id)
        if entry is not None:
            self.finish(entry, OrderStatus.CANCELLED, _EXIT_JOINED, now)

    def bust(self, execution: Execution, now: datetime) -> None:
        """Shrink the legs of an entry by a fill of it that was undone; what the orders report as filled stands."""
        for leg in self._legs_of(execution.client_order_id):
            self._release(leg, -execution.quantity, now)

    def finish(self, record: OrderRecord, status: OrderStatus, reason: str, now: datetime) -> None:
        """End an order unfilled or partly filled; the legs of an entry that never filled end with it."""
        self.put(replace(record, order=replace(record.order, status=status, reason=reason, updated_at=now)))
        if not record.order.filled:
            for leg in self._legs_of(record.order.client_order_id):
                self.finish(leg, status, _ENTRY_GONE, now)

    def take(self) -> tuple[OrderRecord, ...]:
        """Return every order changed since the last call."""
        changed = tuple(self._changed.values())
        self._changed = {}
        return changed

    def take_reports(self) -> list[Order]:
        """Return every public change since the last call, oldest first."""
        reported, self._reported = self._reported, []
        return reported

    def _legs_of(self, client_order_id: str) -> list[OrderRecord]:
        return [record for record in self._open.values() if record.order.parent_client_order_id == client_order_id]

    def _release(self, leg: OrderRecord, change: Quantity, now: datetime) -> None:
        """Let a leg follow its entry's fill (up) or its sibling's (down); with nothing left to do it ends."""
        released = max(leg.released + change, leg.order.filled)
        order = replace(leg.order, quantity=released, updated_at=now)
        if released > order.filled:
            self.put(replace(leg, order=order, released=released))
        elif order.filled:
            self.put(replace(leg, order=replace(order, status=OrderStatus.FILLED), released=released))
        else:
            cancelled = replace(leg.order, status=OrderStatus.CANCELLED, reason=_OTHER_LEG, updated_at=now)
            self.put(replace(leg, order=cancelled, released=released))
