"""Orders that the broker knows by our ids and the record does not, as after a ledger was restored: taken back.

Their fills are then booked once, by the broker's execution ids, when they are pulled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tbot_bot.domain.broker import Broker
from tbot_bot.domain.orders import Book, Order, OrderRequest, OrderRole, book_of, role_of
from tbot_bot.domain.time import Clock
from tbot_bot.trading.order_service import OrderService

WHY = "taken back from the broker after the ledger was restored"
_LEG_LETTERS = ("S", "T")
_LEGS = (OrderRole.STOP_LOSS, OrderRole.TAKE_PROFIT)
_PARTS = 6


def adopt(broker: Broker, orders: OrderService, clock: Clock) -> tuple[str, ...]:
    """Put every order on record that bears an id of ours, was filled or works, and is not known; return their ids.

    Raises BrokerUnavailableError; what was taken back until then stays.
    """
    return _adopt(broker, orders, clock, _unknown(broker, orders), WHY)


def adopt_exits(
    broker: Broker, orders: OrderService, clock: Clock, external: Iterable[Order], why: str
) -> tuple[str, ...]:
    """Put on record the exits that a kill sent while nothing could be recorded; return their ids.

    They are among the `external` orders of a pull or have fills in quarantine, and their entries are on record; nothing
    else is taken for one. Their fills are booked when they are read again. Raises BrokerUnavailableError.
    """
    ids = [order.client_order_id for order in external]
    ids += [applied.execution.client_order_id for applied in orders.records.quarantine()]
    exits = [one for one in dict.fromkeys(ids) if book_of(one) is Book.STRATEGY and role_of(one) is OrderRole.EXIT]
    known = orders.records.order
    ours = [one for one in exits if known(one) is None and known(f"{one.rpartition('-')[0]}-E") is not None]
    return _adopt(broker, orders, clock, ours, why)


def _adopt(broker: Broker, orders: OrderService, clock: Clock, names: Sequence[str], why: str) -> tuple[str, ...]:
    adopted = []
    for client_order_id in names:
        order = broker.order(client_order_id)
        if order is not None and order.parent_client_order_id and role_of(client_order_id) in _LEGS:
            order = broker.order(order.parent_client_order_id)  # legs come with their entry
        book = book_of(order.client_order_id) if order else None
        if order is None or book is None or orders.records.order(order.client_order_id) is not None:
            continue
        legs = _legs(broker, order)
        joins = order.parent_client_order_id  # an exit of a bracket; its entry was taken back before
        request = replace(_request(order, book), bracket=tuple(_request(leg, book) for leg in legs), joins=joins)
        strategy = order.client_order_id.split("-")[1]
        orders.records.record_intent(request, strategy=strategy, at=order.updated_at, recorded_at=clock.now(), why=why)
        for each in (order, *legs):
            orders.order_changed(each)
            adopted.append(each.client_order_id)
    return tuple(adopted)


def _unknown(broker: Broker, orders: OrderService) -> list[str]:
    """Ids of ours at the broker, by fills and open orders, that are not on record."""
    ids = [order.client_order_id for order in broker.open_orders()]
    cursor = 0
    while fresh := broker.executions(cursor):
        ids += [execution.client_order_id for execution in fresh]
        cursor = fresh[-1].sequence
    unknown = [one for one in dict.fromkeys(ids) if _is_ours(one) and orders.records.order(one) is None]
    return sorted(unknown, key=lambda one: role_of(one) is OrderRole.EXIT)


def _is_ours(client_order_id: str) -> bool:
    is_whole = len(client_order_id.split("-")) >= _PARTS
    return is_whole and book_of(client_order_id) is not None and role_of(client_order_id) is not None


def _legs(broker: Broker, entry: Order) -> list[Order]:
    if role_of(entry.client_order_id) is not OrderRole.ENTRY:
        return []
    base = entry.client_order_id.rpartition("-")[0]
    found = (broker.order(f"{base}-{letter}") for letter in _LEG_LETTERS)
    return [leg for leg in found if leg is not None and leg.parent_client_order_id == entry.client_order_id]


def _request(order: Order, book: Book) -> OrderRequest:
    return OrderRequest(
        client_order_id=order.client_order_id,
        book=book,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        type=order.type,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
    )
