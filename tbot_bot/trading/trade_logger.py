"""The trading records and every figure that is read from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.entries import Draft, Page
from tbot_bot.domain.fills import NO_TRADE, TradeEffects, fill_event, fill_posting, new_trade, trade_effects
from tbot_bot.domain.intents import NoTrade, Stage
from tbot_bot.domain.market import Session
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Book, Execution, Order, OrderRequest, OrderRole, OrderStatus, book_of, role_of
from tbot_bot.domain.positions import FillError, Match, Position, match_fill
from tbot_bot.domain.strategy_results import NoTradeFilter, NoTradeRecord, StrategyResult, r_multiple
from tbot_bot.domain.trades import (
    AppliedExecution,
    EquityPoint,
    ExecutionConflictError,
    IntentConflictError,
    IntentRefusedError,
    LifetimeResult,
    OrderRecord,
    Outcome,
    Reconciliation,
    RecordedIntent,
    Result,
    SessionResult,
    Trade,
    UnknownOrderError,
    order_of,
    trade_id_of,
    with_execution,
)
from tbot_bot.domain.trading_port import TradingStore, TradingUnit

BUSTED = "its fill was undone by the broker"


class TradeLogger:
    """Records orders and fills, and answers with figures; every change is durable when the call returns."""

    def __init__(self, store: TradingStore) -> None:
        self._store = store

    # orders

    def record_intent(
        self,
        request: OrderRequest,
        *,
        strategy: str,
        at: datetime,
        recorded_at: datetime,
        why: str = "",
        request_id: str | None = None,
        cause: CloseReason | None = None,
        asked_price: Price | None = None,
        defense: bool = False,
    ) -> RecordedIntent:
        """Put an order and its bracket legs on record before it is sent; `at` is market time.

        `request_id` is that of the person who asks for it, if one does; `cause`, `asked_price` and
        `defense` are as in OrderRecord.
        A repeat of the same request returns the record with `is_new` False: ask the broker, do not send again.
        Raises IntentRefusedError, IntentConflictError.
        """
        with self._store.transaction() as unit:
            known = unit.orders.order(request.client_order_id)
            if known is not None:
                if known.request != request or known.strategy != strategy:
                    raise IntentConflictError(request.client_order_id)
                return RecordedIntent(known, is_new=False)
            record = _new_record(request, request.joins, strategy, at, recorded_at, why)
            record = replace(record, request_id=request_id, cause=cause, asked_price=asked_price, defense=defense)
            unit.orders.add_order(record)
            for leg in request.bracket:
                unit.orders.add_order(_new_record(leg, request.client_order_id, strategy, at, recorded_at, why))
            return RecordedIntent(record, is_new=True)

    def record_order(self, order: Order) -> OrderRecord:
        """Record the broker's word on an order of ours; stale and repeated reports change nothing.

        When an order ends without any fill, its legs that never reached the broker end with it.
        Raises UnknownOrderError.
        """
        with self._store.transaction() as unit:
            record = _known(unit, order.client_order_id)
            updated = replace(record, order=_advance(record, order))
            if updated != record:
                unit.orders.update_order(updated)
            if updated.order.status.is_final and not updated.order.filled:
                _end_legs(unit, updated.order)
            return updated

    def order(self, client_order_id: str) -> OrderRecord | None:
        """Return one order, None if it was never recorded here."""
        with self._store.snapshot() as unit:
            return unit.orders.order(client_order_id)

    def order_asked_by(self, request_id: str) -> OrderRecord | None:
        """Return the order that a person asked for under this request id, None if none was."""
        with self._store.snapshot() as unit:
            return unit.orders.order_asked_by(request_id)

    def open_orders(self) -> tuple[OrderRecord, ...]:
        """Return every order that is not final, oldest first."""
        with self._store.snapshot() as unit:
            return tuple(unit.orders.open_orders())

    # fills

    def apply_execution(self, execution: Execution, *, session_day: date, recorded_at: datetime) -> AppliedExecution:
        """Book a fill once: order, lots, trade, ledger and results in one transaction.

        A repeat changes nothing and returns the first result. A fill of an order we do not know goes to quarantine
        and is not posted; it is booked when it comes again after the order became known. A trade that the
        fill ends keeps why the order was wanted, or the role of a bracket leg. A bust is booked like a fill the other
        way at the same price, and waits in quarantine as long as what it undoes is not booked.
        Raises ExecutionConflictError, FillError.
        """
        with self._store.transaction() as unit:
            known = unit.orders.execution(execution.execution_id)
            waiting = None if known else unit.orders.quarantined(execution.execution_id)
            first = known or waiting
            if first is not None and first.execution != execution:
                raise ExecutionConflictError(execution.execution_id)
            record = None if known else unit.orders.order(execution.client_order_id)
            is_waiting = record is None or not _is_booked(unit, execution.busts)
            if first is not None and is_waiting:
                return replace(first, is_repeat=True)
            if record is None or is_waiting:
                applied = AppliedExecution(execution, Outcome.QUARANTINED, session_day)
                unit.orders.add_quarantined(applied, recorded_at)
                return applied
            return _book(unit, record, execution, session_day, recorded_at)

    def quarantine(self) -> tuple[AppliedExecution, ...]:
        """Return the fills that belong to no order of ours and are not booked, oldest first."""
        with self._store.snapshot() as unit:
            return tuple(unit.orders.quarantine())

    def execution_cursor(self) -> int:
        """Return the greatest broker sequence seen, 0 before the first: ask the broker for what comes after it."""
        with self._store.snapshot() as unit:
            return unit.orders.last_sequence()

    # positions and trades

    def positions(self, book: Book) -> tuple[Position, ...]:
        """Return what a book holds, from its open lots, by symbol."""
        with self._store.snapshot() as unit:
            return tuple(unit.trades.positions(book))

    def book_positions(self) -> dict[tuple[Book, str], Quantity]:
        """Return the quantity of each book and symbol from open lots; flat ones are absent."""
        with self._store.snapshot() as unit:
            return unit.trades.book_positions()

    def trade(self, trade_id: str) -> Trade | None:
        """Return one round trip."""
        with self._store.snapshot() as unit:
            return unit.trades.trade(trade_id)

    def open_trades(self) -> tuple[Trade, ...]:
        """Return the round trips that are not over, oldest first."""
        with self._store.snapshot() as unit:
            return tuple(unit.trades.open_trades())

    def closed_trades(self, limit: int, before: int | None = None) -> Page[Trade]:
        """Return round trips, the last closed first; `before` is the `next` of the page before."""
        with self._store.snapshot() as unit:
            return unit.trades.closed_trades(before, limit)

    def last_trade_id(self) -> str | None:
        """Return the trade that the newest fill touched, None before the first."""
        with self._store.snapshot() as unit:
            return unit.trades.last_trade_id()

    # results

    def results(self, day: date) -> SessionResult:
        """Return the result of one exchange session: PnL is realised net of fees, fees count when incurred."""
        with self._store.snapshot() as unit:
            return unit.results.session_result(day) or SessionResult(day, Result())

    def lifetime(self) -> LifetimeResult:
        """Return the sum over every session since inception."""
        with self._store.snapshot() as unit:
            return unit.results.lifetime()

    def session_results(self, limit: int, before: date | None = None) -> tuple[SessionResult, ...]:
        """Return results by session, the newest first, those earlier than `before` if it is given."""
        with self._store.snapshot() as unit:
            return tuple(unit.results.session_results(before, limit))

    def record_session_open(
        self, session: Session, *, float_at_open: Money | None, equity_at_open: Money | None
    ) -> None:
        """Record a session and what it began with; what was recorded first stands, None is unknown."""
        with self._store.transaction() as unit:
            unit.results.open_session(session, float_at_open, equity_at_open)

    def record_session_close(self, day: date, *, equity_at_close: Money | None) -> None:
        """Record what a session ended with; what was recorded first stands, None is unknown."""
        with self._store.transaction() as unit:
            unit.results.close_session(day, equity_at_close)

    def session(self, day: date) -> Session | None:
        """Return the hours of a session that was recorded."""
        with self._store.snapshot() as unit:
            return unit.results.session(day)

    def record_equity(self, at: datetime, equity: Money) -> None:
        """Record equity at a market time; a second point at the same time replaces the first."""
        with self._store.transaction() as unit:
            unit.results.add_equity(EquityPoint(at, equity))

    def equity_curve(self, start_at: datetime, end_at: datetime, points_max: int) -> tuple[EquityPoint, ...]:
        """Return at most `points_max` points of [start_at, end_at), oldest first: the last of each equal stretch."""
        with self._store.snapshot() as unit:
            return tuple(unit.results.equity(start_at, end_at, points_max))

    def whole_equity_curve(self, points_max: int) -> tuple[EquityPoint, ...]:
        """Return the same over everything recorded."""
        with self._store.snapshot() as unit:
            found = unit.results.equity_range()
            return () if found is None else tuple(unit.results.equity(*found, points_max))

    def verify_results(self) -> tuple[str, ...]:
        """Recompute every kept figure from executions, trades and entries; one sentence for each that differs."""
        with self._store.snapshot() as unit:
            return tuple(unit.results.differences())

    # strategies

    def strategy_results(self, day: date | None) -> Mapping[str, StrategyResult]:
        """Return what each strategy achieved in one exchange session, or with None since inception."""
        with self._store.snapshot() as unit:
            return unit.strategies.results(day)

    def record_no_trade(self, day: date, strategy: str, no_trade: NoTrade, at: datetime) -> None:
        """Record why a symbol is not traded; what the same check said first in a session stands."""
        with self._store.transaction() as unit:
            unit.strategies.add_no_trade(day, strategy, no_trade, at)

    def no_trades(self, wanted: NoTradeFilter, limit: int, before: int | None = None) -> Page[NoTradeRecord]:
        """Return the trades that were not made, newest first; `before` is the `next` of the page before."""
        with self._store.snapshot() as unit:
            return unit.strategies.no_trades(wanted, before, limit)

    def no_trade_counts(self, day: date) -> Mapping[tuple[str, Stage], int]:
        """Return how many trades were not made in a session, by strategy and stage."""
        with self._store.snapshot() as unit:
            return unit.strategies.no_trade_counts(day)

    # reconciliations

    def record_reconciliation(
        self, session_day: date, *, at: datetime, recorded_at: datetime, trigger: str, document: str, is_clean: bool
    ) -> Reconciliation:
        """Record one comparison of broker, books and ledger; `document` is its JSON."""
        with self._store.transaction() as unit:
            return unit.results.add_reconciliation(session_day, at, recorded_at, trigger, document, is_clean=is_clean)

    def sign_reconciliation(self, seq: int, *, actor: str, reason: str, signed_at: datetime) -> Reconciliation | None:
        """Accept the differences of a reconciliation; the first signature stands. None if there is no such one."""
        with self._store.transaction() as unit:
            return unit.results.sign_reconciliation(seq, actor, reason, signed_at)

    def last_reconciliation(self) -> Reconciliation | None:
        """Return the newest reconciliation."""
        with self._store.snapshot() as unit:
            return unit.results.last_reconciliation()


def _new_record(
    request: OrderRequest, parent: str | None, strategy: str, at: datetime, recorded_at: datetime, why: str
) -> OrderRecord:
    role = role_of(request.client_order_id)
    if role is None or book_of(request.client_order_id) is not request.book:
        raise IntentRefusedError(f"client order id {request.client_order_id!r} does not name its book and role")
    return OrderRecord(
        request=request,
        order=order_of(request, at, parent),
        strategy=strategy,
        role=role,
        executed=Quantity.zero(),
        trade_id=None,
        recorded_at=recorded_at,
        why=why,
    )


def _is_booked(unit: TradingUnit, execution_id: str | None) -> bool:
    return execution_id is None or unit.orders.execution(execution_id) is not None


def _known(unit: TradingUnit, client_order_id: str) -> OrderRecord:
    record = unit.orders.order(client_order_id)
    if record is None:
        raise UnknownOrderError(client_order_id)
    return record


def _advance(record: OrderRecord, update: Order) -> Order:
    """Advance by the report; one that changes nothing else may still bring the broker's own id."""
    order = record.order.advance(update)
    if not order.broker_order_id:
        order = replace(order, broker_order_id=update.broker_order_id)
    if order.parent_client_order_id is None:
        order = replace(order, parent_client_order_id=record.order.parent_client_order_id)
    return order


def _end_legs(unit: TradingUnit, parent: Order) -> None:
    for leg in unit.orders.legs(parent.client_order_id):
        if leg.order.status is OrderStatus.PENDING:
            ended = replace(leg.order, status=parent.status, reason=parent.reason)
            unit.orders.update_order(replace(leg, order=ended))


def _book(
    unit: TradingUnit,
    record: OrderRecord,
    execution: Execution,
    session_day: date,
    recorded_at: datetime,
) -> AppliedExecution:
    side = execution.side if execution.busts is None else execution.side.opposite
    if execution.symbol != record.order.symbol or side is not record.order.side:
        raise FillError(f"execution {execution.execution_id} is not in the symbol and side of its order")
    match = match_fill(unit.trades.open_lots(record.book, execution.symbol), execution, record.book)
    effects = _effects(unit, match, record, execution, session_day)
    posting = fill_posting(match, execution, record.book)
    posted = unit.ledger.post(fill_event(execution), [Draft(posting)], recorded_at)
    seq = posted.event.seq
    unit.trades.keep_lots(match, seq)
    for trade in effects.trades:
        unit.trades.keep_trade(trade, seq)
    unit.orders.update_order(with_execution(record, execution, effects.latest_id))
    if record.book is Book.STRATEGY:
        unit.results.add_result(session_day, effects.result)
        multiple = r_multiple(effects.closed) if effects.closed else None
        unit.strategies.add_result(session_day, record.strategy, effects.result, multiple)
    applied = AppliedExecution(
        execution,
        Outcome.APPLIED,
        session_day,
        event_seq=seq,
        realised=match.realised,
        trade_id=effects.latest_id,
        closed_trade_id=effects.closed.trade_id if effects.closed else None,
    )
    unit.orders.add_execution(applied, recorded_at)
    return applied


def _effects(
    unit: TradingUnit,
    match: Match,
    record: OrderRecord,
    execution: Execution,
    session_day: date,
) -> TradeEffects:
    if record.book is Book.HOLDINGS:
        return NO_TRADE
    number = unit.trades.next_number(session_day)
    return trade_effects(
        match,
        record,
        execution,
        unit.trades.open_trade(execution.symbol),
        new=new_trade(trade_id_of(session_day, number), session_day, record, execution),
        reason=_closing_reason(record, execution),
        cause=_closing_cause(record, execution),
    )


def _closing_cause(record: OrderRecord, execution: Execution) -> CloseReason:
    """What ends a trade that this fill ends; a stop that was moved has trailed."""
    if execution.busts is not None:
        return CloseReason.BUST
    if record.role is OrderRole.TAKE_PROFIT:
        return CloseReason.TARGET
    if record.role is OrderRole.STOP_LOSS:
        return CloseReason.STOP if record.order.stop_price == record.request.stop_price else CloseReason.TRAIL
    return record.cause or CloseReason.OTHER


def _closing_reason(record: OrderRecord, execution: Execution) -> str | None:
    """Why a trade that this fill ends is over; None for the role of the order."""
    if execution.busts is not None:
        return BUSTED
    return record.why or None if record.role in (OrderRole.ENTRY, OrderRole.EXIT) else None
