"""A trade that is still open, as the books have it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Book, OrderRole, Side, client_order_id


@dataclass(frozen=True, slots=True)
class OpenTrade:
    """A round trip under way in the strategy book; `quantity` is what is still open and positive, `side` its direction.

    `number` counts the trade of this strategy and symbol on `session_day` from 1, so the ids of its orders follow.
    """

    trade_id: str
    symbol: str
    strategy: str
    side: Side
    quantity: Quantity
    entry_price: Price
    stop_price: Price | None
    target_price: Price | None
    number: int
    session_day: date
    opened_at: datetime

    @property
    def notional(self) -> Money:
        """What was paid, or received, for the quantity still open."""
        return self.entry_price * self.quantity

    def order_id(self, role: OrderRole, attempt: int = 1) -> str:
        """The client order id of this trade's order in `role`; `attempt` counts its exits from 1."""
        base = client_order_id(Book.STRATEGY, self.strategy, self.symbol, self.session_day, self.number, role)
        return base if attempt == 1 else f"{base}{attempt}"
