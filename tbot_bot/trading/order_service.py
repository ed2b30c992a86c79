"""The runner's side of every order: recorded and judged before it is sent, and followed until it is final."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from itertools import product
from threading import Lock

import structlog

from tbot_bot.domain.gate import GateConditions, GateFacts, WorkingOrder, judge_closing, judge_intent
from tbot_bot.domain.intents import GateRefusal, NoTrade, OrderIntent, Stage
from tbot_bot.domain.money import Quantity
from tbot_bot.domain.orders import Book, Execution, Order, OrderRole, OrderStatus, client_order_id
from tbot_bot.domain.time import Clock, exchange_day, to_rfc3339
from tbot_bot.domain.trades import AppliedExecution, IntentConflictError, OrderRecord, Trade, UnknownOrderError
from tbot_bot.domain.trading_port import TradingStore, TradingUnit
from tbot_bot.domain.unresolved import Doubt
from tbot_bot.trading.trade_logger import TradeLogger
from tbot_bot.trading.unresolved import UnresolvedOrders

log = structlog.get_logger("trade_logger")
_REPEATED = "the order is on record already; ask the broker after it and do not send it again"
#: The check against an order whose id is on record.
_ON_RECORD = "on_record"

Judge = Callable[[OrderIntent, GateFacts], GateRefusal | None]


class OrderService:
    """Orders and fills on their way into the books; safe to call from several threads.

    `conditions` says what the runner knows now; `clock` is the wall's.
    """

    def __init__(self, store: TradingStore, conditions: Callable[[], GateConditions], clock: Clock) -> None:
        self._store = store
        self._conditions = conditions
        self._clock = clock
        self._accepting = Lock()
        self.records = TradeLogger(store)
        self.unresolved = UnresolvedOrders(store, clock)

    def accept(self, intent: OrderIntent) -> GateRefusal | None:
        """Judge an order the bot wants to send and record it with the verdict, durably.

        None lets it be sent, once. An id seen before is refused: that order may have been sent.
        Raises IntentRefusedError.
        """
        return self._accept(intent, judge_intent)

    def accept_closing(self, intent: OrderIntent, request_id: str | None = None) -> str | None:
        """The same for an exit that Stop or Kill sends by itself, or a person under a `request_id`; in a sentence."""
        refusal = self._accept(intent, judge_closing, request_id)
        return None if refusal is None else refusal.reason

    def submission(self, client_order_id: str, *, order: Order | None = None, refused: str | None = None) -> None:
        """Record what became of a submission; with neither `order` nor `refused` it stays unknown.

        Raises UnknownOrderError.
        """
        if order is not None:
            self.records.record_order(order)
        elif refused is not None:
            self.end_unsent(client_order_id, refused)
        else:
            self.unresolved.note(client_order_id, Doubt.UNKNOWN)

    def order_changed(self, order: Order) -> OrderRecord | None:
        """Record the broker's word on an order; None, and a warning, if it is not one of ours.

        An entry that the broker took first and rejects now, or that ended with nothing filled at its limit, is a trade
        not made, and kept as such.
        """
        before = self.records.order(order.client_order_id)
        if before is None:
            log.warning("the broker reports an order that is not ours", order=order.client_order_id)
            return None
        record = self.records.record_order(order)
        if record.order.status.is_final and not before.order.status.is_final and _is_unfilled_entry(record):
            self._keep_unfilled(record)
        return record

    def _keep_unfilled(self, record: OrderRecord) -> None:
        order = record.order
        if order.status is OrderStatus.REJECTED:
            no_trade = NoTrade(order.symbol, Stage.ORDER, "broker", order.reason or "the broker gives no reason")
        elif order.limit_price is not None and not order.filled:
            sentence = f"nothing was filled at its limit of {order.limit_price} before it ended: {order.status}"
            no_trade = NoTrade(order.symbol, Stage.ORDER, "unfilled", sentence)
        else:
            return
        self.records.record_no_trade(exchange_day(order.updated_at), record.strategy, no_trade, order.updated_at)

    def execution(self, execution: Execution) -> AppliedExecution:
        """Book a fill, once; its session is the exchange's day at the time of the fill.

        Raises ExecutionConflictError, FillError.
        """
        applied = self.records.apply_execution(
            execution,
            session_day=exchange_day(execution.at),
            recorded_at=self._clock.now(),
        )
        if not applied.is_repeat:
            self._tell(applied)
        return applied

    def end_unsent(self, client_order_id: str, reason: str) -> None:
        """Record that the broker never took an order. Raises UnknownOrderError."""
        self._end(client_order_id, OrderStatus.REJECTED, reason)

    def end_lost(self, client_order_id: str, reason: str) -> None:
        """Record that the broker no longer knows an order it had taken. Raises UnknownOrderError."""
        self._end(client_order_id, OrderStatus.CANCELLED, reason)
        self.unresolved.note(client_order_id, Doubt.LOST)

    def facts(self) -> GateFacts:
        """What an order is judged by now."""
        conditions = self._conditions()
        with self._store.snapshot() as unit:
            records = unit.orders.open_orders()
            by_book = unit.trades.book_positions()
            day = conditions.market_day
            opened = 0 if day is None else unit.trades.next_number(day) - 1
        positions: dict[Book, dict[str, Quantity]] = {}
        for (book, symbol), quantity in by_book.items():
            positions.setdefault(book, {})[symbol] = quantity
        unfilled = sum(1 for record in records if _is_unfilled_entry(record))
        return GateFacts(conditions, positions, [_working(record) for record in records], opened + unfilled)

    def number_of(self, trade: Trade) -> int | None:
        """The number in the client order id of the trade's entry; None if the entry is not on record."""
        return self.numbers_of([trade])[trade.trade_id]

    def numbers_of(self, trades: Sequence[Trade]) -> dict[str, int | None]:
        """The same for several trades at one moment, by trade."""
        with self._store.snapshot() as unit:
            return {trade.trade_id: _number_of(unit, trade) for trade in trades}

    def entry_counts(self, day: date, strategies: Iterable[str], symbols: Iterable[str]) -> Counter[tuple[str, str]]:
        """How many entries are on record for a session, by strategy and symbol."""
        found: Counter[tuple[str, str]] = Counter()
        with self._store.snapshot() as unit:
            for strategy, symbol in product(strategies, symbols):
                while unit.orders.order(_entry_id(strategy, symbol, day, found[strategy, symbol] + 1)):
                    found[strategy, symbol] += 1
        return found

    def _accept(self, intent: OrderIntent, judge: Judge, request_id: str | None = None) -> GateRefusal | None:
        with self._accepting:
            facts = self.facts()
            refusal = judge(intent, facts)
            try:
                recorded = self.records.record_intent(
                    intent.to_request(),
                    strategy=intent.strategy,
                    at=intent.decided_at,
                    recorded_at=self._clock.now(),
                    why=intent.reason,
                    request_id=request_id,
                    cause=intent.cause,
                    asked_price=intent.asked_price,
                    defense=facts.conditions.defense,
                )
            except IntentConflictError as error:
                return GateRefusal(_ON_RECORD, str(error))
            if not recorded.is_new:
                order = recorded.record.order
                reason = order.reason if order.status is OrderStatus.REJECTED else None
                return GateRefusal(_ON_RECORD, reason or _REPEATED)
            if refusal is not None:
                self.end_unsent(intent.client_order_id, refusal.reason)
            return refusal

    def _tell(self, applied: AppliedExecution) -> None:
        """Say in the strategy's log what was filled, and what came of a trade that is over."""
        fill, trade = applied.execution, applied.trade_id and self.records.trade(applied.trade_id)
        if trade:
            log.info(
                "order filled",
                strategy=trade.strategy,
                order=fill.client_order_id,
                fill=f"{fill.side} {fill.quantity} {fill.symbol} at {fill.price}",
                fee=str(fill.fee),
                trade=trade.trade_id,
                market=to_rfc3339(fill.at),
            )
        closed = applied.closed_trade_id and self.records.trade(applied.closed_trade_id)
        if closed:
            log.info(
                "trade closed",
                strategy=closed.strategy,
                trade=closed.trade_id,
                symbol=closed.symbol,
                result=str(closed.realised_pnl),
                why=closed.close_reason,
            )

    def _end(self, client_order_id: str, status: OrderStatus, reason: str) -> None:
        record = self.records.order(client_order_id)
        if record is None:
            raise UnknownOrderError(client_order_id)
        self.records.record_order(replace(record.order, status=status, reason=reason))


def _is_unfilled_entry(record: OrderRecord) -> bool:
    return record.book is Book.STRATEGY and record.role is OrderRole.ENTRY and not record.executed


def _working(record: OrderRecord) -> WorkingOrder:
    order = record.order
    return WorkingOrder(
        book=record.book,
        symbol=order.symbol,
        side=order.side,
        role=record.role,
        remaining=order.quantity - record.executed,
        price=order.limit_price,
        group=order.parent_client_order_id or order.client_order_id,
    )


def _number_of(unit: TradingUnit, trade: Trade) -> int | None:
    number = 1
    while record := unit.orders.order(_entry_id(trade.strategy, trade.symbol, trade.session_day, number)):
        if record.trade_id == trade.trade_id:
            return number
        number += 1
    return None


def _entry_id(strategy: str, symbol: str, day: date, number: int) -> str:
    return client_order_id(Book.STRATEGY, strategy, symbol, day, number, OrderRole.ENTRY)
