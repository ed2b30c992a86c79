"""Between the domain's values and the wire's text, both ways."""

from __future__ import annotations

from datetime import date

from tbot_bot.api.bot_protocol import WireExecution, WireIntent, WireOrder, WireTrade
from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.intents import OrderIntent
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.domain.orders import Book, Execution, Order, OrderRole, OrderStatus, OrderType, Side
from tbot_bot.domain.time import from_rfc3339, to_rfc3339


def text_or_none(value: object | None) -> str | None:
    """`str(value)`, None for None."""
    return None if value is None else str(value)


def price_or_none(text: str | None) -> Price | None:
    """The price in `text`, None for None."""
    return None if text is None else Price.of(text)


def order_to_wire(order: Order) -> WireOrder:
    return WireOrder(
        client_order_id=order.client_order_id,
        broker_order_id=order.broker_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=str(order.quantity),
        type=order.type,
        status=order.status,
        filled=str(order.filled),
        limit_price=text_or_none(order.limit_price),
        stop_price=text_or_none(order.stop_price),
        updated_at=to_rfc3339(order.updated_at),
        parent_client_order_id=order.parent_client_order_id,
        reason=order.reason,
    )


def order_from_wire(wire: WireOrder) -> Order:
    return Order(
        client_order_id=wire.client_order_id,
        broker_order_id=wire.broker_order_id,
        symbol=wire.symbol,
        side=Side(wire.side),
        quantity=Quantity.of(wire.quantity),
        type=OrderType(wire.type),
        status=OrderStatus(wire.status),
        filled=Quantity.of(wire.filled),
        limit_price=price_or_none(wire.limit_price),
        stop_price=price_or_none(wire.stop_price),
        updated_at=from_rfc3339(wire.updated_at),
        parent_client_order_id=wire.parent_client_order_id,
        reason=wire.reason,
    )


def execution_to_wire(execution: Execution) -> WireExecution:
    return WireExecution(
        execution_id=execution.execution_id,
        sequence=execution.sequence,
        client_order_id=execution.client_order_id,
        symbol=execution.symbol,
        side=execution.side,
        quantity=str(execution.quantity),
        price=str(execution.price),
        fee=str(execution.fee),
        at=to_rfc3339(execution.at),
        busts=execution.busts,
    )


def execution_from_wire(wire: WireExecution) -> Execution:
    return Execution(
        execution_id=wire.execution_id,
        sequence=wire.sequence,
        client_order_id=wire.client_order_id,
        symbol=wire.symbol,
        side=Side(wire.side),
        quantity=Quantity.of(wire.quantity),
        price=Price.of(wire.price),
        fee=Money.of(wire.fee),
        at=from_rfc3339(wire.at),
        busts=wire.busts,
    )


def intent_to_wire(intent: OrderIntent) -> WireIntent:
    return WireIntent(
        book=intent.book,
        strategy=intent.strategy,
        symbol=intent.symbol,
        side=intent.side,
        quantity=str(intent.quantity),
        role=intent.role,
        type=intent.type,
        session_day=intent.session_day.isoformat(),
        number=intent.number,
        reason=intent.reason,
        decided_at=to_rfc3339(intent.decided_at),
        limit_price=text_or_none(intent.limit_price),
        stop_price=text_or_none(intent.stop_price),
        target_price=text_or_none(intent.target_price),
        attempt=intent.attempt,
        trade_id=intent.trade_id,
        joins=intent.joins,
        cause=intent.cause,
        asked_price=text_or_none(intent.asked_price),
    )


def intent_from_wire(wire: WireIntent) -> OrderIntent:
    return OrderIntent(
        book=Book(wire.book),
        strategy=wire.strategy,
        symbol=wire.symbol,
        side=Side(wire.side),
        quantity=Quantity.of(wire.quantity),
        role=OrderRole(wire.role),
        type=OrderType(wire.type),
        session_day=date.fromisoformat(wire.session_day),
        number=wire.number,
        reason=wire.reason,
        decided_at=from_rfc3339(wire.decided_at),
        limit_price=price_or_none(wire.limit_price),
        stop_price=price_or_none(wire.stop_price),
        target_price=price_or_none(wire.target_price),
        attempt=wire.attempt,
        trade_id=wire.trade_id,
        joins=wire.joins,
        cause=None if wire.cause is None else CloseReason(wire.cause),
        asked_price=price_or_none(wire.asked_price),
    )


def trade_from_wire(wire: WireTrade) -> OpenTrade:
    return OpenTrade(
        trade_id=wire.trade_id,
        symbol=wire.symbol,
        strategy=wire.strategy,
        side=Side(wire.side),
        quantity=Quantity.of(wire.quantity),
        entry_price=Price.of(wire.entry_price),
        stop_price=price_or_none(wire.stop_price),
        target_price=price_or_none(wire.target_price),
        number=wire.number,
        session_day=date.fromisoformat(wire.session_day),
        opened_at=from_rfc3339(wire.opened_at),
    )
