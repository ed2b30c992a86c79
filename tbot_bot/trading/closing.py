"""Stop and Kill: cancel what works, close the strategy book, ask the broker again, and say what is left.

Everything a closing knows is in the books and at the broker, so a new `Closing` over the same store goes on where a
crash left the last one: what is recorded is asked after and never sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count

from tbot_bot.api.control import ClosingReport, ClosingStep, PreviewLine
from tbot_bot.domain.broker import Broker, BrokerUnavailableError, OrderRefusedError
from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.intents import OrderIntent
from tbot_bot.domain.market import MarketClock
from tbot_bot.domain.money import Price, Quantity
from tbot_bot.domain.orders import Book, Order, OrderRole, OrderStatus, OrderType, book_of, role_of
from tbot_bot.domain.reconcile import CASH, TieOut
from tbot_bot.domain.time import Clock, to_rfc3339
from tbot_bot.domain.trades import Trade
from tbot_bot.trading.adoption import adopt_exits
from tbot_bot.trading.order_service import OrderService
from tbot_bot.trading.preview import position_line
from tbot_bot.trading.reconciliation import LedgerFigures, PullReport, pull, tie_out

#: How long to leave the broker alone between two looks; doubled with each failure in a row or refused exit.
POLL = timedelta(seconds=1)
PAUSE_MAX = timedelta(seconds=30)
#: An exit that the broker refused this often is left to a person.
REFUSALS_MAX = 5
#: The broker says so often that it has no such position before we believe it: one empty answer proves nothing.
ABSENT_ANSWERS = 3
#: A difference is looked into this often before it is left to a person.
LOOKS = 3


class ClosingKind(StrEnum):
    """Which act closes. Stop leaves a closed market alone until it opens; Kill stays until the book is flat."""

    STOP = "stop"
    KILL = "kill"


_CAUSES = {ClosingKind.STOP: CloseReason.STOP_ACT, ClosingKind.KILL: CloseReason.KILL}


class ClosingOutcome(StrEnum):
    """How a closing ended. RESIDUALS need an admin's signature; SCHEDULED is to be begun again at the open."""

    FLAT = "flat"
    RESIDUALS = "residuals"
    SCHEDULED = "scheduled"


class StepStatus(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"


@dataclass(slots=True)
class _Step:
    """A step, what does it (True when it is over), and how it went."""

    name: str
    work: Callable[[], bool]
    detail: str = ""
    began_at: datetime | None = None
    ended_at: datetime | None = None


class Closing:
    """One Stop or Kill under way; entries are blocked by the caller before it is made.

    Call `advance` again and again; it waits for nothing but the broker's answers. `clock` is the wall's.
    """

    def __init__(
        self,
        kind: ClosingKind,
        broker: Broker,
        orders: OrderService,
        ledger: LedgerFigures,
        clock: Clock,
        *,
        started_at: datetime,
    ) -> None:
        self.kind = kind
        self.outcome: ClosingOutcome | None = None
        self._broker = broker
        self._orders = orders
        self._ledger = ledger
        self._clock = clock
        self._started_at = started_at
        self._ended_at: datetime | None = None
        self._next_look_at = started_at
        self._failures = 0
        self._refusals: dict[str, int] = {}
        self._absences: dict[str, int] = {}
        self._looks = 0
        self._last_exit: dict[str, str] = {}
        self._marks: dict[str, Price] = {}
        self._left: dict[str, str] = {}
        self._differences: tuple[PreviewLine, ...] = ()
        self._steps = (
            _Step("Cancel working orders", self._cancel),
            _Step("Wait until none is working", self._wait),
            _Step("Close open positions", self._flatten),
            _Step("Ask the broker again", self._confirm),
            _Step("Compare broker, books and ledger", self._tie_out),
        )
        self._at = 0

    def advance(self) -> bool:
        """Do what can be done now; True once it is over, and `outcome` then says how.

        A broker that does not answer is asked again later, with growing pauses; the report says so meanwhile.
        """
        now = self._clock.now()
        if self.outcome is not None or now < self._next_look_at:
            return self.outcome is not None
        try:
            self._work()
        except BrokerUnavailableError as error:
            self._failures += 1
            self._next_look_at = now + _pause(self._failures)
            self._tell(f"the broker does not answer ({error}); asking again")
        else:
            self._failures = 0
            self._next_look_at = now + _pause(max(self._refusals.values(), default=0))
        return self.outcome is not None

    def report(self) -> ClosingReport:
        """The steps so far with the time each took, and what is still open."""
        return ClosingReport(
            kind=self.kind,
            started_at=to_rfc3339(self._started_at),
            ended_at=None if self._ended_at is None else to_rfc3339(self._ended_at),
            steps=[self._step_line(number, step) for number, step in enumerate(self._steps)],
            residuals=[
                *(position_line(trade, self._marks) for trade in self._orders.records.open_trades()),
                *self._differences,
            ],
        )

    # the machine

    def _work(self) -> None:
        while self.outcome is None:
            step = self._steps[self._at]
            step.began_at = step.began_at or self._clock.now()
            if not step.work():
                return
            step.ended_at = self._clock.now()
            self._at += 1
            if self._at == len(self._steps):
                left = self._orders.records.open_trades() or self._differences
                self._end(ClosingOutcome.RESIDUALS if left else ClosingOutcome.FLAT)

    def _end(self, outcome: ClosingOutcome) -> None:
        self.outcome = outcome
        self._ended_at = self._clock.now()

    def _tell(self, detail: str) -> None:
        self._steps[self._at].detail = detail

    # the steps

    def _cancel(self) -> bool:
        cancelled = self._cancel_working(self._pull())
        self._tell(f"{cancelled} asked to be cancelled" if cancelled else "none was working")
        return True

    def _wait(self) -> bool:
        pulled = self._pull()
        self._cancel_working(pulled)
        working = self._working(pulled)
        self._tell(f"not final yet: {_names(working)}" if working else "all are final, their fills are booked")
        return not working

    def _flatten(self) -> bool:
        working = self._working(self._pull())
        if any(role_of(order.client_order_id) is not OrderRole.EXIT for order in working):
            return self._begin_again()
        trades = self._orders.records.open_trades()
        busy = {order.symbol for order in working}
        free = [trade for trade in trades if trade.symbol not in busy]
        if free:
            market = self._broker.clock()
            if not market.is_open:
                return self._market_closed(market)
            return self._send_exits(free, market.now) and not working
        self._tell(f"working: {_names(working)}" if working else "the strategy book is flat")
        return not working

    def _confirm(self) -> bool:
        if self._working(self._pull()) or self._found_more():
            return self._begin_again()
        self._tell("no order of the strategy book is left")
        return True

    def _tie_out(self) -> bool:
        tie = tie_out(self._broker, self._orders, self._ledger, self._clock)
        if tie.failure is not None:
            raise BrokerUnavailableError(tie.failure)
        self._tell("; ".join(row.sentence for row in tie.differences) or "all agree")
        if tie.differences:  # a fill that was passed over, perhaps: read them all
            self._looks += 1
            self._pull(after_sequence=0)
        if self._found_more() or self._is_there_after_all(tie):
            return self._begin_again()
        if tie.differences and self._looks < LOOKS:
            return False
        self._differences = tuple(
            PreviewLine(what="difference", symbol=row.name, quantity=str(row.difference), value=None)
            for row in tie.differences
            if row.name != CASH
        )
        return True

    # what the steps do

    def _pull(self, after_sequence: int | None = None) -> PullReport:
        pulled = pull(self._broker, self._orders, self._clock, after_sequence=after_sequence)
        if pulled.failure is not None:
            raise BrokerUnavailableError(pulled.failure)
        if adopt_exits(self._broker, self._orders, self._clock, pulled.external, self.kind):
            return self._pull(after_sequence=0)
        return pulled

    def _found_more(self) -> bool:
        """Whether a trade is open that was not given up."""
        return any(trade.trade_id not in self._left for trade in self._orders.records.open_trades())

    def _is_there_after_all(self, tie: TieOut) -> bool:
        """Whether a trade was given up for want of a position that the broker now has."""
        absent = {trade_id for trade_id, count in self._absences.items() if count >= ABSENT_ANSWERS}
        held = {row.name for row in tie.rows if row.agrees}
        wrong = [one for one in self._orders.records.open_trades() if one.trade_id in absent and one.symbol in held]
        for trade in wrong:
            del self._absences[trade.trade_id]
        return bool(wrong)

    def _begin_again(self) -> bool:
        """More was found than was known: go through all steps once more."""
        self._tell("more was found to close; beginning again")
        self._at = self._looks = 0
        for step in self._steps:
            step.ended_at = None
        return False

    def _working(self, pulled: PullReport) -> list[Order]:
        """Orders of the strategy book that may still fill: ours, and those at the broker that only bear our name."""
        ours = [record.order for record in self._orders.records.open_orders() if record.book is Book.STRATEGY]
        strange = [order for order in pulled.external if book_of(order.client_order_id) is Book.STRATEGY]
        return [*ours, *strange]

    def _cancel_working(self, pulled: PullReport) -> int:
        """Ask to cancel what the broker has, entries before the legs that protect what they filled."""
        on_their_way = {record.order.client_order_id for record in pulled.unsettled}
        names = {order.client_order_id for order in self._working(pulled)} - on_their_way
        for name in sorted(names, key=lambda name: (role_of(name) is not OrderRole.ENTRY, name)):
            self._broker.cancel(name)
        return len(names)

    def _market_closed(self, market: MarketClock) -> bool:
        if market.session is None:
            reason = f"the market does not open again ({market.ended_reason})"
            self._left = {trade.trade_id: reason for trade in self._orders.records.open_trades()}
            self._tell(reason)
            return True
        self._tell(f"the market is closed; it opens at {to_rfc3339(market.session.open_at)}")
        if self.kind is ClosingKind.STOP:
            self._end(ClosingOutcome.SCHEDULED)
        return False

    def _send_exits(self, trades: Sequence[Trade], market_time: datetime) -> bool:
        """Send an exit for each trade that can be closed; True when none is left that can."""
        positions = self._broker.positions()
        at_broker = {position.symbol: position.quantity for position in positions}
        self._marks = {position.symbol: position.mark for position in positions}
        books = self._orders.records.book_positions()
        self._left = {}
        worked = []
        for trade in trades:
            reason = self._send_exit(trade, closable(trade, at_broker, books), market_time)
            if reason is None:
                worked.append(trade.symbol)
            else:
                self._left[trade.trade_id] = f"{trade.symbol}: {reason}"
        told = ([f"closing {', '.join(worked)}"] if worked else []) + list(self._left.values())
        self._tell("; ".join(told))
        return not worked

    def _send_exit(self, trade: Trade, quantity: Quantity, market_time: datetime) -> str | None:
        """Send an exit of `quantity`, once; None if it was tried or will be, else why not."""
        self._count_rejection(trade)
        if self._refusals.get(trade.trade_id, 0) >= REFUSALS_MAX:
            return "the broker refuses every exit"
        if not quantity:
            self._absences[trade.trade_id] = self._absences.get(trade.trade_id, 0) + 1
            return "the broker has no such position" if self._absences[trade.trade_id] >= ABSENT_ANSWERS else None
        intent = exit_intent(self._orders, trade, quantity, market_time, self.kind, _CAUSES[self.kind])
        refused = self._orders.accept_closing(intent)
        if refused is not None:
            return refused
        self._last_exit[trade.trade_id] = intent.client_order_id
        try:
            order = self._broker.submit(intent.to_request())
        except OrderRefusedError as error:
            self._refusals[trade.trade_id] = self._refusals.get(trade.trade_id, 0) + 1
            self._orders.submission(intent.client_order_id, refused=str(error))
        except BrokerUnavailableError:
            self._orders.submission(intent.client_order_id)
            raise
        else:
            self._orders.submission(intent.client_order_id, order=order)
        return None

    def _count_rejection(self, trade: Trade) -> None:
        """Count the last exit as refused if the broker took it first and rejected it afterwards."""
        last = self._last_exit.pop(trade.trade_id, None)
        record = None if last is None else self._orders.records.order(last)
        if record is not None and record.order.status is OrderStatus.REJECTED and record.order.broker_order_id:
            self._refusals[trade.trade_id] = self._refusals.get(trade.trade_id, 0) + 1

    # the report

    def _step_line(self, number: int, step: _Step) -> ClosingStep:
        if number < self._at:
            status = StepStatus.DONE
        elif self.outcome is not None:
            status = StepStatus.SKIPPED
        else:
            status = StepStatus.PENDING if step.began_at is None else StepStatus.RUNNING
        until = step.ended_at or self._clock.now()
        seconds = None if step.began_at is None else (until - step.began_at).total_seconds()
        return ClosingStep(name=step.name, status=status, detail=step.detail, seconds=seconds)


def _names(orders: Sequence[Order]) -> str:
    return ", ".join(order.client_order_id for order in orders)


def _pause(failures: int) -> timedelta:
    return min(POLL * (1 << min(failures, 10)), PAUSE_MAX)


def exit_intent(
    orders: OrderService, trade: Trade, quantity: Quantity, market_time: datetime, reason: str, cause: CloseReason
) -> OrderIntent:
    """The next exit of a trade at the market, under an id that is not on record yet."""
    first = OrderIntent(
        book=Book.STRATEGY,
        strategy=trade.strategy,
        symbol=trade.symbol,
        side=trade.side.opposite,
        quantity=quantity,
        role=OrderRole.EXIT,
        type=OrderType.MARKET,
        session_day=trade.session_day,
        number=orders.number_of(trade) or 1,
        reason=reason,
        cause=cause,
        decided_at=market_time,
        trade_id=trade.trade_id,
    )
    attempts = (replace(first, attempt=attempt) for attempt in count(1))
    return next(intent for intent in attempts if orders.records.order(intent.client_order_id) is None)


def closable(trade: Trade, at_broker: Mapping[str, Quantity], books: Mapping[tuple[Book, str], Quantity]) -> Quantity:
    """How much of the trade the broker's position, less what the holdings book has of it, lets us close."""
    none = Quantity.zero()
    ours = at_broker.get(trade.symbol, none) - books.get((Book.HOLDINGS, trade.symbol), none)
    return min(abs(ours), trade.quantity) if ours.sign == trade.side.sign else none
