"""Orders and fills as every broker reports them, and the moves an order may make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from tbot_bot.domain.money import Money, Price, Quantity


class Book(StrEnum):
    """Whose order, lot or entry it is; Stop and Kill concern the strategy book alone."""

    STRATEGY = "strategy"
    HOLDINGS = "holdings"


class Side(StrEnum):
    """Direction of an order or fill."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        """The direction that undoes this one."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """1 to buy, -1 to sell."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """How an order may be filled."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


class OrderRole(StrEnum):
    """What an order is for; the last letter of its client order id."""

    ENTRY = "entry"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    EXIT = "exit"


class OrderStatus(StrEnum):
    """What the broker says of an order. PENDING: sent or about to be, no word yet: unknown, never assumed failed."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Nothing more can happen to the order."""
        return self in _FINAL


_FINAL = frozenset({OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED})
_P = OrderStatus
ORDER_MOVES: dict[OrderStatus, frozenset[OrderStatus]] = {
    _P.PENDING: frozenset(_P) - {_P.PENDING},
    _P.ACCEPTED: frozenset({_P.PARTIALLY_FILLED, _P.FILLED, _P.CANCELLED, _P.REJECTED, _P.EXPIRED}),
    _P.PARTIALLY_FILLED: frozenset({_P.PARTIALLY_FILLED, _P.FILLED, _P.CANCELLED, _P.EXPIRED}),
    _P.FILLED: frozenset(),
    _P.CANCELLED: frozenset(),
    _P.REJECTED: frozenset(),
    _P.EXPIRED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One order to submit; day orders only.

    `bracket` legs, if any, wait at the broker until this order fills and then cancel each other (one cancels the
    other). A leg names the same symbol and book and the opposite side; its quantity follows what the parent filled.

    `joins` names the entry whose working bracket this order belongs to from now on, beside its legs: what it fills the
    legs shrink by, and what they fill it shrinks by, so that all together close no more than the entry opened. What
    the entry has not filled yet ends with it. One for more than the legs stand for is refused.
    """

    client_order_id: str
    book: Book
    symbol: str
    side: Side
    quantity: Quantity
    type: OrderType
    limit_price: Price | None = None
    stop_price: Price | None = None
    bracket: tuple[OrderRequest, ...] = ()
    joins: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the broker reports it now; `reason` is its word on a rejection or expiry."""

    client_order_id: str
    broker_order_id: str
    symbol: str
    side: Side
    quantity: Quantity
    type: OrderType
    status: OrderStatus
    filled: Quantity
    limit_price: Price | None
    stop_price: Price | None
    updated_at: datetime
    parent_client_order_id: str | None = None
    reason: str | None = None

    def advance(self, update: Order) -> Order:
        """Return the order after `update`; a stale or repeated report leaves it as it is.

        Filled quantity never falls and a final status never changes: late or out-of-order reports change nothing.
        A stop only ever moves closer to the market, so of two reports the closer one is the newer.
        """
        moved = update.status in ORDER_MOVES[self.status]
        stop, at = self._closer_stop(update), max(self.updated_at, update.updated_at)
        if moved and update.filled >= self.filled:
            return replace(update, stop_price=stop, updated_at=at)
        quantity = self._newer_quantity(update)
        if (stop, quantity) == (self.stop_price, self.quantity) or self.status.is_final:
            return self
        return replace(self, stop_price=stop, quantity=quantity, updated_at=at)

    def _newer_quantity(self, update: Order) -> Quantity:
        """A leg follows what its entry filled and what other exits closed: the later report of it counts."""
        is_later = update.status is self.status and update.updated_at >= self.updated_at
        return update.quantity if is_later and update.filled >= self.filled else self.quantity

    def _closer_stop(self, update: Order) -> Price | None:
        if self.stop_price is None or update.stop_price is None:
            return update.stop_price
        closer = max if self.side is Side.SELL else min
        return closer(self.stop_price, update.stop_price)


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill, once: `execution_id` is the broker's and never repeats. `sequence` orders executions at the broker.

    A bust names in `busts` the fill of the same order that it undoes: its side is the opposite, its quantity and price
    are the same, its fee gives back what that one took.
    """

    execution_id: str
    sequence: int
    client_order_id: str
    symbol: str
    side: Side
    quantity: Quantity
    price: Price
    fee: Money
    at: datetime
    busts: str | None = None


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """Net holding of `symbol` at the broker, all books together; negative is short."""

    symbol: str
    quantity: Quantity
    mark: Price


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """Cash and worth as the broker reports them; `equity` is cash plus positions at their marks.

    `restricted` is why the broker lets the account do less than usual; None if it does not.
    """

    cash: Money
    equity: Money
    buying_power: Money
    restricted: str | None = None


_ROLE_LETTER = {OrderRole.ENTRY: "E", OrderRole.STOP_LOSS: "S", OrderRole.TAKE_PROFIT: "T", OrderRole.EXIT: "X"}
_BOOK_LETTER = {Book.STRATEGY: "S", Book.HOLDINGS: "H"}
_BOOK_OF_LETTER = {letter: book for book, letter in _BOOK_LETTER.items()}
_ROLE_OF_LETTER = {letter: role for role, letter in _ROLE_LETTER.items()}


def client_order_id(book: Book, strategy: str, symbol: str, day: date, number: int, role: OrderRole) -> str:
    """Derive the id under which an order is known at the broker, e.g. `S-open-SPY-20131004-1-E`.

    The same intent always has the same id, so a retry can be asked after and never doubles. `number` counts the
    trade of that strategy and symbol on that day from 1; an exit retried after a final failure counts on.
    """
    return f"{_BOOK_LETTER[book]}-{strategy}-{symbol}-{day:%Y%m%d}-{number}-{_ROLE_LETTER[role]}"


def book_of(client_id: str) -> Book | None:
    """Read the book out of a client order id; None for an order that is not ours."""
    letter, dash, _ = client_id.partition("-")
    return _BOOK_OF_LETTER.get(letter) if dash else None


def role_of(client_id: str) -> OrderRole | None:
    """Read the role out of a client order id, whatever the attempt; None for an order that is not ours."""
    _, dash, letter = client_id.rpartition("-")
    return _ROLE_OF_LETTER.get(letter.rstrip("0123456789")) if dash else None
