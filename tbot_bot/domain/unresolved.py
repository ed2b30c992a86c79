"""Orders of which it is not known what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tbot_bot.domain.trades import OrderRecord


class Doubt(StrEnum):
    """Why an order is unresolved. UNKNOWN: sent, and no answer. LOST: taken once, and now unknown to the broker."""

    UNKNOWN = "unknown"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class UnresolvedOrder:
    """An order in doubt, as it is on record; it was `asked` after so often without the answer that settles it."""

    record: OrderRecord
    doubt: Doubt
    since: datetime
    asked: int
    asked_at: datetime | None

    @property
    def is_settled(self) -> bool:
        """Whether the broker has spoken since: then it is in doubt no more."""
        order = self.record.order
        return self.doubt is Doubt.UNKNOWN and (order.status.is_final or bool(order.broker_order_id))
