"""Trading records: orders as we keep them, round trips, and the results they add up to.

TradingRecordError
+-- IntentRefusedError       the request's id does not say what the request is
+-- IntentConflictError      the client order id was used before for another request
+-- UnknownOrderError        no such order was recorded
+-- ExecutionConflictError   the execution id was applied before with other content
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.money import Money, Price, Quantity, round_half_even
from tbot_bot.domain.orders import Book, Execution, Order, OrderRequest, OrderRole, OrderStatus, Side

_NO_MONEY = Money.zero()
_NO_UNITS = Quantity.zero()


class TradingRecordError(Exception):
    """A trading record that does not fit what is known; the message is for a person."""


class IntentRefusedError(TradingRecordError):
    """A request whose client order id does not name its own book and role; nothing was written."""


class IntentConflictError(TradingRecordError):
    """The client order id was used before for another request; the first stands."""

    def __init__(self, client_order_id: str) -> None:
        super().__init__(
            f"order {client_order_id} was recorded before with other content; the first stands. "
            "Count the number in the id on for a new order."
        )
        self.client_order_id = client_order_id


class UnknownOrderError(TradingRecordError):
    """A report about an order that was never recorded here; reconcile before relying on it."""

    def __init__(self, client_order_id: str) -> None:
        super().__init__(f"order {client_order_id} is not one of ours: reconcile with the broker.")
        self.client_order_id = client_order_id


class ExecutionConflictError(TradingRecordError):
    """The broker's execution id came again with other content; what was booked first stands."""

    def __init__(self, execution_id: str) -> None:
        super().__init__(
            f"execution {execution_id} was booked before with other content. What was booked first stands; "
            "compare with the broker's statement and reconcile."
        )
        self.execution_id = execution_id


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order as we keep it: what was asked, the broker's latest word, and what we booked.

    `order.filled` is what the broker says was filled; `executed` is the sum of the executions booked here. They
    differ only while a fill is on its way. `trade_id` is the trade of its latest fill, `why` what
    the strategy said when it wanted the order, `request_id` that of the person who asked for it, if one did;
    `cause` is what an exit makes of the trade that it ends, `asked_price` the price at which it was decided, if known;
    `defense` says that defense mode stood then.
    """

    request: OrderRequest
    order: Order
    strategy: str
    role: OrderRole
    executed: Quantity
    trade_id: str | None
    recorded_at: datetime
    why: str = ""
    request_id: str | None = None
    cause: CloseReason | None = None
    asked_price: Price | None = None
    defense: bool = False

    @property
    def book(self) -> Book:
        """Whose order it is."""
        return self.request.book


@dataclass(frozen=True, slots=True)
class RecordedIntent:
    """The order on record; `is_new` is False when it was there before: then ask the broker, do not send."""

    record: OrderRecord
    is_new: bool


def order_of(request: OrderRequest, at: datetime, parent_client_order_id: str | None = None) -> Order:
    """Return the order that a request is before the broker has said anything; `at` is market time."""
    return Order(
        client_order_id=request.client_order_id,
        broker_order_id="",
        symbol=request.symbol,
        side=request.side,
        quantity=request.quantity,
        type=request.type,
        status=OrderStatus.PENDING,
        filled=Quantity.zero(),
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        updated_at=at,
        parent_client_order_id=parent_client_order_id,
    )


def with_execution(record: OrderRecord, execution: Execution, trade_id: str | None) -> OrderRecord:
    """Return the order after one more booked fill; a final status stays as it is.

    A bust takes away from what is booked; what the broker reported as filled stands. FILLED is concluded only from the
    whole of what was asked for: the quantity that was last reported of a bracket leg may be an old one.
    """
    if execution.busts is not None:
        return replace(record, executed=record.executed - execution.quantity, trade_id=trade_id or record.trade_id)
    executed = record.executed + execution.quantity
    filled = max(record.order.filled, executed)
    status = record.order.status
    if not status.is_final:
        status = OrderStatus.FILLED if filled >= record.request.quantity else OrderStatus.PARTIALLY_FILLED
    order = replace(record.order, filled=filled, status=status, updated_at=max(record.order.updated_at, execution.at))
    return replace(record, order=order, executed=executed, trade_id=trade_id or record.trade_id)


class TradeState(StrEnum):
    """Whether a round trip is over."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Trade:
    """A round trip of the strategy book in one symbol: from flat to flat.

    Quantities and values are unsigned. `realised` is before fees; fees count when incurred. `session_day` is the
    day it opened, `closed_by` what ended it, `close_reason` that in words, `closed_day` the session
    that its result's win or loss belongs to. Times are market time.
    """

    trade_id: str
    session_day: date
    symbol: str
    strategy: str
    side: Side
    opened_at: datetime
    entry_quantity: Quantity = _NO_UNITS
    entry_value: Money = _NO_MONEY
    exit_quantity: Quantity = _NO_UNITS
    exit_value: Money = _NO_MONEY
    realised: Money = _NO_MONEY
    fees: Money = _NO_MONEY
    stop_price: Price | None = None
    target_price: Price | None = None
    closed_at: datetime | None = None
    closed_day: date | None = None
    close_reason: str | None = None
    closed_by: CloseReason | None = None

    @property
    def state(self) -> TradeState:
        return TradeState.OPEN if self.closed_at is None else TradeState.CLOSED

    @property
    def quantity(self) -> Quantity:
        """Units still open."""
        return self.entry_quantity - self.exit_quantity

    @property
    def entry_price(self) -> Price:
        """Average price of the entry fills."""
        return self.entry_value / self.entry_quantity

    @property
    def exit_price(self) -> Price | None:
        """Average price of the exit fills; None while there are none."""
        return self.exit_value / self.exit_quantity if self.exit_quantity else None

    @property
    def realised_pnl(self) -> Money:
        """Realised result net of the fees so far."""
        return self.realised - self.fees

    @property
    def is_win(self) -> bool:
        """Over, and better than break-even net of fees."""
        return self.state is TradeState.CLOSED and self.realised_pnl.sign > 0


def trade_id_of(session_day: date, number: int) -> str:
    """Name the trade that was the `number`th to open on that session day, e.g. `T-20131004-0001`."""
    return f"T-{session_day:%Y%m%d}-{number:04d}"


@dataclass(frozen=True, slots=True)
class Result:
    """What the strategy book achieved: realised before fees, fees, round trips closed, wins among them."""

    realised: Money = _NO_MONEY
    fees: Money = _NO_MONEY
    trades_closed: int = 0
    wins: int = 0

    @property
    def pnl(self) -> Money:
        """Realised net of fees."""
        return self.realised - self.fees

    @property
    def win_rate_pct(self) -> Decimal | None:
        """Wins in a hundred closed trades, two decimals; None while no trade has closed."""
        if not self.trades_closed:
            return None
        return round_half_even(Decimal(100 * self.wins) / Decimal(self.trades_closed), 2)

    def __add__(self, other: Result) -> Result:
        return Result(
            self.realised + other.realised,
            self.fees + other.fees,
            self.trades_closed + other.trades_closed,
            self.wins + other.wins,
        )


@dataclass(frozen=True, slots=True)
class SessionResult:
    """One exchange session of the strategy book; None is unknown, not zero."""

    day: date
    result: Result
    float_at_open: Money | None = None
    equity_at_open: Money | None = None
    equity_at_close: Money | None = None


@dataclass(frozen=True, slots=True)
class LifetimeResult:
    """The same counters over every session since inception, and how many sessions are on record."""

    result: Result
    sessions: int


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """Cash plus positions at their marks, at a market time."""

    at: datetime
    equity: Money


class Outcome(StrEnum):
    """What became of a fill."""

    APPLIED = "applied"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class AppliedExecution:
    """What became of a fill; a repeat returns an equal value with `is_repeat` set.

    `event_seq`, and for the strategy book `trade_id` (the trade it last touched) and `closed_trade_id`, name what was
    written; all None for a fill in quarantine. `realised` is before the fill's own fee.
    """

    execution: Execution
    outcome: Outcome
    session_day: date
    event_seq: int | None = None
    realised: Money = _NO_MONEY
    trade_id: str | None = None
    closed_trade_id: str | None = None
    is_repeat: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One comparison of broker, books and ledger; `document` is its JSON with every difference.

    An unclean one blocks trading until an admin signs it.
    """

    seq: int
    session_day: date
    at: datetime
    recorded_at: datetime
    trigger: str
    is_clean: bool
    document: str
    signed_by: str | None = None
    signed_at: datetime | None = None
    signed_reason: str | None = None
