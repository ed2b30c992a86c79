"""The SQL of orders, executions, lots and trades."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, text

from tbot_bot.domain.canonical import canonical_json
from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.entries import Page
from tbot_bot.domain.money import UNITS_MAX, Money, Price, Quantity
from tbot_bot.domain.order_facts import execution_facts, execution_from_facts, request_facts, request_from_facts
from tbot_bot.domain.orders import Book, Execution, Order, OrderRequest, OrderRole, OrderStatus, Side
from tbot_bot.domain.positions import Lot, Match, Position
from tbot_bot.domain.time import from_micros, to_micros
from tbot_bot.domain.trades import AppliedExecution, OrderRecord, Outcome, Trade

_ORDER = text("SELECT * FROM trade_order WHERE client_order_id = :id")
_ORDER_ASKED_BY = text("SELECT * FROM trade_order WHERE request_id = :request_id")
_LEGS = text("SELECT * FROM trade_order WHERE parent = :parent ORDER BY number")
_OPEN_ORDERS = text("""
    SELECT * FROM trade_order WHERE status IN ('pending', 'accepted', 'partially_filled') ORDER BY number
""")
_ADD_ORDER = text("""
    INSERT INTO trade_order (client_order_id, number, parent, book, strategy, role, trade_id, request, broker_order_id,
                             status, quantity, filled, executed, limit_price, stop_price, reason, why,
                             recorded_us, updated_us, request_id, cause, asked_price, defense)
    VALUES (:client_order_id, (SELECT coalesce(max(number), 0) + 1 FROM trade_order), :parent, :book, :strategy, :role,
            :trade_id, :request, :broker_order_id, :status, :quantity, :filled, :executed, :limit_price, :stop_price,
            :reason, :why, :recorded_us, :updated_us, :request_id, :cause, :asked_price, :defense)
""")
_UPDATE_ORDER = text("""
    UPDATE trade_order SET trade_id = :trade_id, broker_order_id = :broker_order_id, status = :status,
        quantity = :quantity, filled = :filled, executed = :executed, limit_price = :limit_price,
        stop_price = :stop_price, reason = :reason, updated_us = :updated_us
    WHERE client_order_id = :client_order_id
""")
_EXECUTION = text("""
    SELECT execution.*, event.payload FROM execution JOIN event ON event.seq = execution.event_seq
    WHERE execution_id = :id
""")
_ADD_EXECUTION = text("""
    INSERT INTO execution (execution_id, event_seq, sequence, client_order_id, symbol, side, quantity, price, fee,
                           at_us, session_day, realised, trade_id, closed_trade_id, recorded_us)
    VALUES (:execution_id, :event_seq, :sequence, :client_order_id, :symbol, :side, :quantity, :price, :fee,
            :at_us, :session_day, :realised, :trade_id, :closed_trade_id, :recorded_us)
""")
_QUARANTINED = text("SELECT * FROM quarantined_execution WHERE execution_id = :id")
_ADD_QUARANTINED = text("""
    INSERT INTO quarantined_execution (execution_id, sequence, facts, session_day, recorded_us)
    VALUES (:execution_id, :sequence, :facts, :session_day, :recorded_us)
""")
_QUARANTINE = text("""
    SELECT * FROM quarantined_execution q
    WHERE NOT EXISTS (SELECT 1 FROM execution e WHERE e.execution_id = q.execution_id) ORDER BY sequence
""")
_LAST_SEQUENCE = text("""
    SELECT coalesce(max(sequence), 0) FROM (
        SELECT max(sequence) AS sequence FROM execution UNION ALL SELECT max(sequence) FROM quarantined_execution
    ) AS seen
""")
_OPEN_LOTS = text("SELECT * FROM lot WHERE book = :book AND symbol = :symbol AND quantity <> 0 ORDER BY event_seq")
_ADD_LOT = text("""
    INSERT INTO lot (lot_id, event_seq, book, symbol, opened_us, opened_quantity, opened_cost, quantity, cost)
    VALUES (:lot_id, :event_seq, :book, :symbol, :opened_us, :quantity, :cost, :quantity, :cost)
""")
_UPDATE_LOT = text("UPDATE lot SET quantity = :quantity, cost = :cost WHERE lot_id = :lot_id")
_POSITIONS = text("""
    SELECT book, symbol, sum(quantity) AS quantity, sum(cost) AS cost FROM lot WHERE quantity <> 0
    GROUP BY book, symbol ORDER BY book, symbol
""")
_TRADE = text("SELECT * FROM trade WHERE trade_id = :id")
_OPEN_TRADE = text("SELECT * FROM trade WHERE symbol = :symbol AND closed_us IS NULL")
_OPEN_TRADES = text("SELECT * FROM trade WHERE closed_us IS NULL ORDER BY opened_us, trade_id")
_NEXT_NUMBER = text("SELECT coalesce(max(number), 0) + 1 FROM trade WHERE session_day = :day")
_KEEP_TRADE = text("""
    INSERT INTO trade (trade_id, session_day, number, symbol, strategy, side, opened_us, entry_quantity, entry_value,
                       exit_quantity, exit_value, realised, fees, stop_price, target_price, closed_us, closed_day,
                       close_reason, closed_by, closed_event)
    VALUES (:trade_id, :session_day, (SELECT coalesce(max(number), 0) + 1 FROM trade WHERE session_day = :session_day),
            :symbol, :strategy, :side, :opened_us, :entry_quantity, :entry_value, :exit_quantity, :exit_value,
            :realised, :fees, :stop_price, :target_price, :closed_us, :closed_day, :close_reason,
            :closed_by, :closed_event)
    ON CONFLICT (trade_id) DO UPDATE SET
        entry_quantity = excluded.entry_quantity, entry_value = excluded.entry_value,
        exit_quantity = excluded.exit_quantity, exit_value = excluded.exit_value, realised = excluded.realised,
        fees = excluded.fees, closed_us = excluded.closed_us, closed_day = excluded.closed_day,
        close_reason = excluded.close_reason, closed_by = excluded.closed_by, closed_event = excluded.closed_event
""")
_CLOSED_TRADES = text("SELECT * FROM trade WHERE closed_event < :before ORDER BY closed_event DESC LIMIT :limit")
_LAST_TRADE = text("SELECT trade_id FROM execution WHERE trade_id IS NOT NULL ORDER BY event_seq DESC LIMIT 1")


class SqlOrders:
    """Orders, executions and the quarantine, inside one transaction of the database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def order(self, client_order_id: str) -> OrderRecord | None:
        row = self._connection.execute(_ORDER, {"id": client_order_id}).one_or_none()
        return None if row is None else order_of_row(row)

    def order_asked_by(self, request_id: str) -> OrderRecord | None:
        row = self._connection.execute(_ORDER_ASKED_BY, {"request_id": request_id}).one_or_none()
        return None if row is None else order_of_row(row)

    def legs(self, parent_client_order_id: str) -> Sequence[OrderRecord]:
        return [order_of_row(row) for row in self._connection.execute(_LEGS, {"parent": parent_client_order_id})]

    def add_order(self, record: OrderRecord) -> None:
        order = record.order
        self._connection.execute(
            _ADD_ORDER,
            _order_changes(record)
            | {
                "parent": order.parent_client_order_id,
                "book": record.book.value,
                "strategy": record.strategy,
                "role": record.role.value,
                "request": canonical_json(request_facts(record.request)).decode(),
                "recorded_us": to_micros(record.recorded_at),
                "why": record.why,
                "request_id": record.request_id,
                "cause": record.cause,
                "asked_price": _units(record.asked_price),
                "defense": int(record.defense),
            },
        )

    def update_order(self, record: OrderRecord) -> None:
        self._connection.execute(_UPDATE_ORDER, _order_changes(record))

    def open_orders(self) -> Sequence[OrderRecord]:
        return [order_of_row(row) for row in self._connection.execute(_OPEN_ORDERS)]

    def execution(self, execution_id: str) -> AppliedExecution | None:
        row = self._connection.execute(_EXECUTION, {"id": execution_id}).one_or_none()
        return None if row is None else _applied(row)

    def add_execution(self, applied: AppliedExecution, recorded_at: datetime) -> None:
        execution = applied.execution
        self._connection.execute(
            _ADD_EXECUTION,
            {
                "execution_id": execution.execution_id,
                "event_seq": applied.event_seq,
                "sequence": execution.sequence,
                "client_order_id": execution.client_order_id,
                "symbol": execution.symbol,
                "side": execution.side.value,
                "quantity": execution.quantity.units,
                "price": execution.price.units,
                "fee": execution.fee.units,
                "at_us": to_micros(execution.at),
                "session_day": applied.session_day.isoformat(),
                "realised": applied.realised.units,
                "trade_id": applied.trade_id,
                "closed_trade_id": applied.closed_trade_id,
                "recorded_us": to_micros(recorded_at),
            },
        )

    def quarantined(self, execution_id: str) -> AppliedExecution | None:
        row = self._connection.execute(_QUARANTINED, {"id": execution_id}).one_or_none()
        return None if row is None else _quarantined(row)

    def add_quarantined(self, applied: AppliedExecution, recorded_at: datetime) -> None:
        self._connection.execute(
            _ADD_QUARANTINED,
            {
                "execution_id": applied.execution.execution_id,
                "sequence": applied.execution.sequence,
                "facts": canonical_json(execution_facts(applied.execution)).decode(),
                "session_day": applied.session_day.isoformat(),
                "recorded_us": to_micros(recorded_at),
            },
        )

    def quarantine(self) -> Sequence[AppliedExecution]:
        return [_quarantined(row) for row in self._connection.execute(_QUARANTINE)]

    def last_sequence(self) -> int:
        sequence: int = self._connection.execute(_LAST_SEQUENCE).scalar_one()
        return sequence


class SqlTrades:
    """Lots and round trips, inside one transaction of the database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open_lots(self, book: Book, symbol: str) -> Sequence[Lot]:
        rows = self._connection.execute(_OPEN_LOTS, {"book": book.value, "symbol": symbol})
        return [
            Lot(row.lot_id, book, symbol, Quantity(row.quantity), Money(row.cost), from_micros(row.opened_us))
            for row in rows
        ]

    def keep_lots(self, match: Match, event_seq: int) -> None:
        for closing in match.closings:
            lot = closing.lot
            values = {"lot_id": lot.lot_id, "quantity": lot.quantity.units, "cost": lot.cost.units}
            self._connection.execute(_UPDATE_LOT, values)
        if match.opened is not None:
            lot = match.opened
            self._connection.execute(
                _ADD_LOT,
                {
                    "lot_id": lot.lot_id,
                    "event_seq": event_seq,
                    "book": lot.book.value,
                    "symbol": lot.symbol,
                    "opened_us": to_micros(lot.opened_at),
                    "quantity": lot.quantity.units,
                    "cost": lot.cost.units,
                },
            )

    def positions(self, book: Book) -> Sequence[Position]:
        return [position for position in self._positions() if position.book is book]

    def book_positions(self) -> dict[tuple[Book, str], Quantity]:
        return {(position.book, position.symbol): position.quantity for position in self._positions()}

    def trade(self, trade_id: str) -> Trade | None:
        row = self._connection.execute(_TRADE, {"id": trade_id}).one_or_none()
        return None if row is None else trade_of(row)

    def open_trade(self, symbol: str) -> Trade | None:
        row = self._connection.execute(_OPEN_TRADE, {"symbol": symbol}).one_or_none()
        return None if row is None else trade_of(row)

    def open_trades(self) -> Sequence[Trade]:
        return [trade_of(row) for row in self._connection.execute(_OPEN_TRADES)]

    def next_number(self, session_day: date) -> int:
        number: int = self._connection.execute(_NEXT_NUMBER, {"day": session_day.isoformat()}).scalar_one()
        return number

    def keep_trade(self, trade: Trade, event_seq: int) -> None:
        closed_event = None if trade.closed_at is None else event_seq
        self._connection.execute(_KEEP_TRADE, _trade_row(trade) | {"closed_event": closed_event})

    def closed_trades(self, before: int | None, limit: int) -> Page[Trade]:
        values = {"before": UNITS_MAX if before is None else before, "limit": limit + 1}
        rows = self._connection.execute(_CLOSED_TRADES, values).all()
        items = tuple(trade_of(row) for row in rows[:limit])
        return Page(items, rows[limit - 1].closed_event if len(rows) > limit else None)

    def last_trade_id(self) -> str | None:
        trade_id: str | None = self._connection.execute(_LAST_TRADE).scalar_one_or_none()
        return trade_id

    def _positions(self) -> Sequence[Position]:
        return [
            Position(Book(row.book), row.symbol, Quantity(row.quantity), Money(row.cost))
            for row in self._connection.execute(_POSITIONS)
        ]


def _price(units: int | None) -> Price | None:
    return None if units is None else Price(units)


def _units(price: Price | None) -> int | None:
    return None if price is None else price.units


def _day(day: str | None) -> date | None:
    return None if day is None else date.fromisoformat(day)


def _order_changes(record: OrderRecord) -> dict[str, Any]:
    order = record.order
    return {
        "client_order_id": order.client_order_id,
        "trade_id": record.trade_id,
        "broker_order_id": order.broker_order_id,
        "status": order.status.value,
        "quantity": order.quantity.units,
        "filled": order.filled.units,
        "executed": record.executed.units,
        "limit_price": _units(order.limit_price),
        "stop_price": _units(order.stop_price),
        "reason": order.reason,
        "updated_us": to_micros(order.updated_at),
    }


@lru_cache(maxsize=4096)
def _request(facts: str) -> OrderRequest:
    """A request as it was written; it never changes, and working orders are read for each new one."""
    return request_from_facts(json.loads(facts))


def order_of_row(row: Any) -> OrderRecord:
    request = _request(row.request)
    order = Order(
        client_order_id=row.client_order_id,
        broker_order_id=row.broker_order_id,
        symbol=request.symbol,
        side=request.side,
        quantity=Quantity(row.quantity),
        type=request.type,
        status=OrderStatus(row.status),
        filled=Quantity(row.filled),
        limit_price=_price(row.limit_price),
        stop_price=_price(row.stop_price),
        updated_at=from_micros(row.updated_us),
        parent_client_order_id=row.parent,
        reason=row.reason,
    )
    return OrderRecord(
        request=request,
        order=order,
        strategy=row.strategy,
        role=OrderRole(row.role),
        executed=Quantity(row.executed),
        trade_id=row.trade_id,
        recorded_at=from_micros(row.recorded_us),
        why=row.why,
        request_id=row.request_id,
        cause=None if row.cause is None else CloseReason(row.cause),
        asked_price=_price(row.asked_price),
        defense=bool(row.defense),
    )


def _applied(row: Any) -> AppliedExecution:
    execution = Execution(
        execution_id=row.execution_id,
        sequence=row.sequence,
        client_order_id=row.client_order_id,
        symbol=row.symbol,
        side=Side(row.side),
        quantity=Quantity(row.quantity),
        price=Price(row.price),
        fee=Money(row.fee),
        at=from_micros(row.at_us),
        busts=json.loads(row.payload).get("busts"),
    )
    return AppliedExecution(
        execution,
        Outcome.APPLIED,
        date.fromisoformat(row.session_day),
        event_seq=row.event_seq,
        realised=Money(row.realised),
        trade_id=row.trade_id,
        closed_trade_id=row.closed_trade_id,
    )


def _quarantined(row: Any) -> AppliedExecution:
    execution = execution_from_facts(json.loads(row.facts))
    return AppliedExecution(execution, Outcome.QUARANTINED, date.fromisoformat(row.session_day))


def _trade_row(trade: Trade) -> dict[str, Any]:
    return {
        "trade_id": trade.trade_id,
        "session_day": trade.session_day.isoformat(),
        "symbol": trade.symbol,
        "strategy": trade.strategy,
        "side": trade.side.value,
        "opened_us": to_micros(trade.opened_at),
        "entry_quantity": trade.entry_quantity.units,
        "entry_value": trade.entry_value.units,
        "exit_quantity": trade.exit_quantity.units,
        "exit_value": trade.exit_value.units,
        "realised": trade.realised.units,
        "fees": trade.fees.units,
        "stop_price": _units(trade.stop_price),
        "target_price": _units(trade.target_price),
        "closed_us": None if trade.closed_at is None else to_micros(trade.closed_at),
        "closed_day": None if trade.closed_day is None else trade.closed_day.isoformat(),
        "close_reason": trade.close_reason,
        "closed_by": trade.closed_by,
    }


def trade_of(row: Any) -> Trade:
    return Trade(
        trade_id=row.trade_id,
        session_day=date.fromisoformat(row.session_day),
        symbol=row.symbol,
        strategy=row.strategy,
        side=Side(row.side),
        opened_at=from_micros(row.opened_us),
        entry_quantity=Quantity(row.entry_quantity),
        entry_value=Money(row.entry_value),
        exit_quantity=Quantity(row.exit_quantity),
        exit_value=Money(row.exit_value),
        realised=Money(row.realised),
        fees=Money(row.fees),
        stop_price=_price(row.stop_price),
        target_price=_price(row.target_price),
        closed_at=None if row.closed_us is None else from_micros(row.closed_us),
        closed_day=_day(row.closed_day),
        close_reason=row.close_reason,
        closed_by=None if row.closed_by is None else CloseReason(row.closed_by),
    )
