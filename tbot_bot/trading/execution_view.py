"""What the bot believes of its orders and trades; the runner's answers and the broker's word make it, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from tbot_bot.domain.broker import Broker
from tbot_bot.domain.money import Quantity
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.domain.orders import Book, Execution, Order, OrderRole, book_of, role_of
from tbot_bot.trading.execution_port import Runner


class OrderView:
    """Orders as the broker last reported them, open trades as the books have them.

    Every report and fill is told to the runner before it counts here. `cursor` is the last broker sequence up to
    which every execution was told.
    """

    def __init__(self, broker: Broker, runner: Runner, cursor: int) -> None:
        self._broker = broker
        self._runner = runner
        self._cursor = cursor
        self._booked: dict[str, Quantity] = {}
        self._seen: set[str] = set()
        self.orders: dict[str, Order] = {}
        self.trades: dict[str, OpenTrade] = {}

    def take_over(self, trades: Sequence[OpenTrade]) -> None:
        """Believe these open trades and no others."""
        self.trades = {trade.trade_id: trade for trade in trades}

    def note_order(self, order: Order) -> Order:
        """Tell a report that says something new, and return the order as it stands with it."""
        known = self.orders.get(order.client_order_id)
        if known is None and order.filled:
            # filled before we knew of it, in an earlier process perhaps: after a pull the books have those fills
            self.pull_executions()
            booked = self._booked.get(order.client_order_id, Quantity.zero())
            self._booked[order.client_order_id] = max(booked, order.filled)
        current = order if known is None else known.advance(order)
        if current != known:
            self._runner.tell_order(current)
            self.orders[order.client_order_id] = current
        return current

    def adopt(self, order: Order) -> None:
        """Know an order that the runner was told of by other means."""
        known = self.orders.get(order.client_order_id)
        self.orders[order.client_order_id] = order if known is None else known.advance(order)

    def note_execution(self, execution: Execution) -> None:
        """Tell a fill; the answer says which trades are open with it."""
        self.take_over(self._runner.tell_execution(execution))
        if execution.execution_id not in self._seen:
            self._seen.add(execution.execution_id)
            self._count(execution)
        if execution.sequence == self._cursor + 1:
            self._cursor = execution.sequence

    def _count(self, execution: Execution) -> None:
        """Count what is booked of an order; a bust changes nothing of what it reported as filled."""
        if execution.busts is None:
            booked = self._booked.get(execution.client_order_id, Quantity.zero())
            self._booked[execution.client_order_id] = booked + execution.quantity

    def pull_executions(self) -> None:
        """Tell every fill after the cursor, so that the books know all that the broker knows."""
        while executions := self._broker.executions(self._cursor):
            for execution in executions:
                self.note_execution(execution)
            self._cursor = max(self._cursor, executions[-1].sequence)

    def catch_up(self) -> None:
        """Read again what may have been missed: orders at the broker, and every fill since the cursor."""
        at_broker = {order.client_order_id: order for order in self._broker.open_orders()}
        for client_order_id, known in list(self.orders.items()):
            if not known.status.is_final and client_order_id not in at_broker:
                order = self._broker.order(client_order_id)
                if order is None:
                    del self.orders[client_order_id]
                else:
                    at_broker[client_order_id] = order
        self.pull_executions()
        for client_order_id, order in at_broker.items():
            booked = self._booked.get(client_order_id, Quantity.zero())
            self._booked[client_order_id] = max(booked, order.filled)  # fills up to that report were just pulled
            self.note_order(order)

    def unbooked(self, order: Order) -> Quantity:
        """What the order has filled, or still may, that the books do not have yet."""
        most = order.filled if order.status.is_final else order.quantity
        return most - self._booked.get(order.client_order_id, Quantity.zero())

    def pending_entries(self) -> list[Order]:
        """Strategy entries that may still add to a trade."""
        return [
            order
            for order in self.orders.values()
            if is_strategy_entry(order.client_order_id) and self.unbooked(order).sign > 0
        ]

    def forget_finished(self) -> None:
        """Let go of orders that are final and booked."""
        self.orders = {
            client_order_id: order
            for client_order_id, order in self.orders.items()
            if not order.status.is_final or self.unbooked(order)
        }
        self._booked = {key: booked for key, booked in self._booked.items() if key in self.orders}
        self._seen = set()


@lru_cache(maxsize=4096)
def is_strategy_entry(client_order_id: str) -> bool:
    """Whether the id is that of an entry in the strategy book."""
    return book_of(client_order_id) is Book.STRATEGY and role_of(client_order_id) is OrderRole.ENTRY
