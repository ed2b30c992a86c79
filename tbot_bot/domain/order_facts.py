"""Requests and executions as JSON facts and back: amounts and times as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tbot_bot.domain.entries import Facts, JsonValue
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.orders import Book, Execution, OrderRequest, OrderType, Side
from tbot_bot.domain.time import from_rfc3339, to_rfc3339


def request_facts(request: OrderRequest) -> Facts:
    """The request as facts, bracket legs inside. Only an order that joins a bracket names whose."""
    legs: list[JsonValue] = [request_facts(leg) for leg in request.bracket]
    joins: Facts = {} if request.joins is None else {"joins": request.joins}
    return {
        **joins,
        "client_order_id": request.client_order_id,
        "book": request.book.value,
        "symbol": request.symbol,
        "side": request.side.value,
        "quantity": str(request.quantity),
        "type": request.type.value,
        "limit_price": None if request.limit_price is None else str(request.limit_price),
        "stop_price": None if request.stop_price is None else str(request.stop_price),
        "bracket": legs,
    }


def request_from_facts(facts: Mapping[str, Any]) -> OrderRequest:
    """The inverse of `request_facts`."""
    return OrderRequest(
        client_order_id=facts["client_order_id"],
        book=Book(facts["book"]),
        symbol=facts["symbol"],
        side=Side(facts["side"]),
        quantity=Quantity.of(facts["quantity"]),
        type=OrderType(facts["type"]),
        limit_price=None if facts["limit_price"] is None else Price.of(facts["limit_price"]),
        stop_price=None if facts["stop_price"] is None else Price.of(facts["stop_price"]),
        bracket=tuple(request_from_facts(leg) for leg in facts["bracket"]),
        joins=facts.get("joins"),
    )


def execution_facts(execution: Execution) -> Facts:
    """The execution as facts: the input that a repeat must match. Only a bust names what it undoes."""
    busts: Facts = {} if execution.busts is None else {"busts": execution.busts}
    return {
        **busts,
        "execution_id": execution.execution_id,
        "sequence": execution.sequence,
        "client_order_id": execution.client_order_id,
        "symbol": execution.symbol,
        "side": execution.side.value,
        "quantity": str(execution.quantity),
        "price": str(execution.price),
        "fee": str(execution.fee),
        "at": to_rfc3339(execution.at),
    }


def execution_from_facts(facts: Mapping[str, Any]) -> Execution:
    """The inverse of `execution_facts`."""
    return Execution(
        execution_id=facts["execution_id"],
        sequence=facts["sequence"],
        client_order_id=facts["client_order_id"],
        symbol=facts["symbol"],
        side=Side(facts["side"]),
        quantity=Quantity.of(facts["quantity"]),
        price=Price.of(facts["price"]),
        fee=Money.of(facts["fee"]),
        at=from_rfc3339(facts["at"]),
        busts=facts.get("busts"),
    )
