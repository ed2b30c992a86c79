"""The last look at the broker before an orderly end: fills are booked, and no position stands without an order.

The bot may have ended after it cancelled the orders that protected a trade and before it sent the trade's exit; until
the next start nobody would look after such a position.
"""

from __future__ import annotations

from collections.abc import Iterator

from tbot_bot.domain.broker import Broker, BrokerUnavailableError, OrderRefusedError
from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.orders import Book, OrderRole, book_of, role_of
from tbot_bot.domain.time import Clock
from tbot_bot.domain.trades import Trade
from tbot_bot.trading.closing import closable, exit_intent
from tbot_bot.trading.order_service import OrderService
from tbot_bot.trading.reconciliation import PullReport, pull

REASON = "shutdown"
_PROTECTIVE = (OrderRole.STOP_LOSS, OrderRole.EXIT)


def leave(broker: Broker, orders: OrderService, clock: Clock) -> tuple[str, ...]:
    """Book what was filled, and send an exit for each trade that no order protects or closes.

    Returns a sentence for everything that could not be done. To be called once no bot sends orders any more.
    """
    pulled = pull(broker, orders, clock)
    if pulled.failure is not None:
        return (f"What was filled last is not known ({pulled.failure}); the next start books it.",)
    exposed = _exposed(orders, pulled)
    if not exposed:
        return ()
    try:
        return tuple(_close(broker, orders, exposed))
    except BrokerUnavailableError as error:
        return (f"{_names(exposed)}: no order protects this, and the broker does not answer ({error}).",)


def _exposed(orders: OrderService, pulled: PullReport) -> list[Trade]:
    covered = {
        order.symbol
        for order in pulled.at_broker
        if book_of(order.client_order_id) is Book.STRATEGY and role_of(order.client_order_id) in _PROTECTIVE
    }
    return [trade for trade in orders.records.open_trades() if trade.symbol not in covered]


def _close(broker: Broker, orders: OrderService, exposed: list[Trade]) -> Iterator[str]:
    market = broker.clock()
    if not market.is_open:
        yield f"{_names(exposed)}: no order protects this while the market is closed."
        return
    at_broker = {position.symbol: position.quantity for position in broker.positions()}
    books = orders.records.book_positions()
    for trade in exposed:
        quantity = closable(trade, at_broker, books)
        if not quantity:
            yield f"{trade.symbol}: the books have this open, and the broker has no such position."
            continue
        intent = exit_intent(orders, trade, quantity, market.now, REASON, CloseReason.SHUTDOWN)
        refused = orders.accept_closing(intent)
        if refused is None:
            try:
                orders.submission(intent.client_order_id, order=broker.submit(intent.to_request()))
            except OrderRefusedError as error:
                refused = str(error)
                orders.submission(intent.client_order_id, refused=refused)
        if refused is not None:
            yield f"{trade.symbol}: no order protects this, and it cannot be closed: {refused}."


def _names(trades: list[Trade]) -> str:
    return ", ".join(trade.symbol for trade in trades)
