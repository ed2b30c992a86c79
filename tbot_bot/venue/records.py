"""What the simulated market must never forget, and who remembers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from tbot_bot.domain.broker import BrokerEvent
from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.orders import Execution, Order
from tbot_bot.venue.faults import FaultState

EXECUTIONS_PER_CALL = 1000


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order with what only the venue knows of it.

    `number` counts orders as they came. `released` is how much may fill: the whole of a plain order; of a bracket
    leg what its entry filled less what the other leg did; of an exit that joined a bracket what was asked for less what
    the legs did. `triggered`: the stop was touched. `rested`: the order
    stood through a tick, so the market comes to its price instead of it coming to the market's.
    """

    order: Order
    number: int
    released: Quantity
    triggered: bool = False
    rested: bool = False

    @property
    def is_leg(self) -> bool:
        """Whether it belongs to a bracket."""
        return self.order.parent_client_order_id is not None

    @property
    def can_fill(self) -> bool:
        """Whether anything may still fill."""
        return self.released > self.order.filled

    @property
    def remaining(self) -> Quantity:
        """What may still fill."""
        return self.released - self.order.filled


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since the last time it was asked for: to be made durable before any of it is announced.

    `faults` is how far a scenario of faults has come, None if no further.
    """

    now: datetime
    orders: tuple[OrderRecord, ...]
    executions: tuple[Execution, ...]
    events: tuple[BrokerEvent, ...]
    faults: FaultState | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a market stands; `now` is None before its first step.

    `taken` is what the fills of the running minute took of its volume, by symbol.
    """

    account_id: str
    cash: Money
    now: datetime | None = None
    positions: Mapping[str, Quantity] = field(default_factory=dict)
    open_orders: Sequence[OrderRecord] = ()
    last_order_number: int = 0
    last_sequence: int = 0
    taken: Mapping[str, Quantity] = field(default_factory=dict)


class Records(Protocol):
    """Remembers every order and fill for ever."""

    def save(self, changes: Changes) -> None:
        """Remember all of `changes` or nothing; they are durable when this returns."""
        ...

    def order(self, client_order_id: str) -> Order | None:
        """Return the order with this client id as last saved."""
        ...

    def executions(self, after_sequence: int) -> Sequence[Execution]:
        """Return the next executions after a sequence, oldest first, at most EXECUTIONS_PER_CALL."""
        ...


class MemoryRecords:
    """Remembers for as long as the process lives: for tests and backtests."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._executions: list[Execution] = []

    def save(self, changes: Changes) -> None:
        self._orders.update({record.order.client_order_id: record.order for record in changes.orders})
        self._executions += changes.executions

    def order(self, client_order_id: str) -> Order | None:
        return self._orders.get(client_order_id)

    def executions(self, after_sequence: int) -> Sequence[Execution]:
        start = max(after_sequence, 0)  # sequences count from 1 without a hole
        return self._executions[start : start + EXECUTIONS_PER_CALL]
