"""The market together with its memory: nothing is answered or announced before it is remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from tbot_bot.domain.broker import BrokerEvent, OrderRefusedError
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import Execution, Order, OrderRequest
from tbot_bot.venue.core import Market
from tbot_bot.venue.records import Records
from tbot_bot.venue.reports import Reports


class Venue:
    """Commands and questions about orders that outlive the book. One caller at a time; `announce` gets the events."""

    def __init__(self, market: Market, records: Records, announce: Callable[[Sequence[BrokerEvent]], None]) -> None:
        self.market = market
        self._records = records
        self._announce = announce
        self._reports = Reports(market.faults)
        self._saved_minute = market.now

    def advance_to(self, moment: datetime) -> None:
        """Advance the market; fills and order changes are saved at once, the bare clock each market minute."""
        self.market.advance_to(moment)
        self.settle()

    def submit(self, request: OrderRequest) -> Order:
        """Take an order once: a client id seen before returns that order unchanged."""
        known = self.order(request.client_order_id)
        if known is not None:
            return known
        for leg in request.bracket:
            if self.order(leg.client_order_id) is not None:
                raise OrderRefusedError(f"the client order id {leg.client_order_id} of a bracket leg was used before")
        order = self.market.submit(request)
        self.settle()
        return order

    def cancel(self, client_order_id: str) -> None:
        """Cancel an open order; a final one is left alone, an unknown one is refused."""
        if self.order(client_order_id) is None:
            raise OrderRefusedError(f"there is no order {client_order_id} to cancel")
        self.market.cancel(client_order_id)
        self.settle()

    def replace_stop(self, client_order_id: str, stop_price: Price) -> Order:
        """Move a working stop; one that is not working is refused."""
        if self.order(client_order_id) is None:
            raise OrderRefusedError(f"there is no order {client_order_id} to change")
        order = self.market.replace_stop(client_order_id, stop_price)
        self.settle()
        return order

    def order(self, client_order_id: str) -> Order | None:
        """Return the order with this client id, open or final."""
        return self.market.open_order(client_order_id) or self._records.order(client_order_id)

    def executions(self, after_sequence: int) -> Sequence[Execution]:
        """Return the next executions after a sequence, oldest first."""
        return self._records.executions(after_sequence)

    def settle(self) -> None:
        """Save what happened, then announce it."""
        changes = self.market.take_changes()
        minute = changes.now.replace(second=0, microsecond=0)
        is_news = changes.orders or changes.executions or changes.events or changes.faults
        if is_news or minute != self._saved_minute:
            self._records.save(changes)
            self._saved_minute = minute
        told = self._reports.deliver(changes.events, changes.now)
        if told:
            self._announce(told)
