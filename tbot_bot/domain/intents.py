"""What a strategy wants, and the order it becomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.domain.orders import Book, OrderRequest, OrderRole, OrderType, Side, client_order_id


class Window(StrEnum):
    """Which part of its day a strategy is in."""

    IDLE = "idle"
    ANALYZING = "analyzing"
    TRADING = "trading"
    MONITORING = "monitoring"


@dataclass(frozen=True, slots=True)
class Enter:
    """A wish to open a trade with protective stop and, if any, target; the quantity is risk's to say."""

    symbol: str
    side: Side
    reference_price: Price
    stop_price: Price
    target_price: Price | None
    reason: str


@dataclass(frozen=True, slots=True)
class Exit:
    """A wish to close the open trade in `symbol`."""

    symbol: str
    reason: str
    cause: CloseReason


@dataclass(frozen=True, slots=True)
class Tighten:
    """A wish to move the protective stop of the open trade in `symbol` closer to the market."""

    symbol: str
    stop_price: Price
    reason: str


class Stage(StrEnum):
    """Where on its way to an order a trade was stopped: first the symbol is chosen, last the broker is asked."""

    FILTER = "filter"
    SIGNAL = "signal"
    RISK = "risk"
    GATE = "gate"
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class NoTrade:
    """Why a symbol is not traded: at which stage, by which check there, and the figures behind it."""

    symbol: str
    stage: Stage
    check: str
    reason: str


@dataclass(frozen=True, slots=True)
class GateRefusal:
    """Why an order may not be sent: the rule against it, by its name, and its sentence."""

    check: str
    reason: str

    def __str__(self) -> str:
        return self.reason


Wish = Enter | Exit | Tighten | NoTrade


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """One order as it is recorded, durably, before anything is sent.

    `number` counts the trade of this strategy and symbol on `session_day` from 1; `attempt` counts exits of one
    trade from 1. Entries and exits are market or limit orders; `stop_price` and
    `target_price` of an entry become its bracket legs. An exit that `joins` the entry of that client order id leaves
    its bracket standing for what it does not close.
    `cause` is what an exit makes of the trade that it ends, `asked_price` the price on which it was decided, if known.
    """

    book: Book
    strategy: str
    symbol: str
    side: Side
    quantity: Quantity
    role: OrderRole
    type: OrderType
    session_day: date
    number: int
    reason: str
    decided_at: datetime
    limit_price: Price | None = None
    stop_price: Price | None = None
    target_price: Price | None = None
    attempt: int = 1
    trade_id: str | None = field(default=None)
    joins: str | None = None
    cause: CloseReason | None = None
    asked_price: Price | None = None

    @property
    def client_order_id(self) -> str:
        """The id that this intent, and no other, always has."""
        base = client_order_id(self.book, self.strategy, self.symbol, self.session_day, self.number, self.role)
        return base if self.attempt == 1 else f"{base}{self.attempt}"

    def to_request(self) -> OrderRequest:
        """The order to submit, bracket legs included."""
        return OrderRequest(
            client_order_id=self.client_order_id,
            book=self.book,
            symbol=self.symbol,
            side=self.side,
            quantity=self.quantity,
            type=self.type,
            limit_price=self.limit_price,
            bracket=self._bracket() if self.role is OrderRole.ENTRY else (),
            joins=self.joins,
        )

    def _leg(self, role: OrderRole, order_type: OrderType, price: Price) -> OrderRequest:
        return OrderRequest(
            client_order_id=client_order_id(self.book, self.strategy, self.symbol, self.session_day, self.number, role),
            book=self.book,
            symbol=self.symbol,
            side=self.side.opposite,
            quantity=self.quantity,
            type=order_type,
            limit_price=price if order_type is OrderType.LIMIT else None,
            stop_price=price if order_type is OrderType.STOP else None,
        )

    def _bracket(self) -> tuple[OrderRequest, ...]:
        legs = []
        if self.stop_price is not None:
            legs.append(self._leg(OrderRole.STOP_LOSS, OrderType.STOP, self.stop_price))
        if self.target_price is not None:
            legs.append(self._leg(OrderRole.TAKE_PROFIT, OrderType.LIMIT, self.target_price))
        return tuple(legs)
