"""Moving protective stops closer: the broker replaces the price in one step, so no trade is ever without its stop."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from tbot_bot.domain.broker import Broker, OrderRefusedError
from tbot_bot.domain.intents import Tighten
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.domain.orders import OrderRole, OrderType
from tbot_bot.domain.trailing import is_tighter
from tbot_bot.trading.execution import OrderRecipe
from tbot_bot.trading.execution_view import OrderView

log = structlog.get_logger("execution")


class StopDesk:
    """Carries out wishes to tighten stops.

    It keeps only what is still to be done. The order at the broker says where the stop stands, so a wish may come
    twice, late, or from a process that knows nothing of the one before: what is not tighter changes nothing, and the
    client order id stays the same. `is_leaving` says whether a trade is on its way out.
    """

    def __init__(
        self, broker: Broker, recipe: OrderRecipe, view: OrderView, is_leaving: Callable[[OpenTrade], bool]
    ) -> None:
        self._broker = broker
        self._recipe = recipe
        self._view = view
        self._is_leaving = is_leaving
        self._wanted: dict[str, Tighten] = {}

    def want(self, strategy: str, wish: Tighten) -> None:
        """Move the stop of the strategy's trade in the symbol; of several wishes the tightest counts."""
        for trade in self._view.trades.values():
            if (trade.strategy, trade.symbol) == (strategy, wish.symbol):
                before = self._wanted.get(trade.trade_id)
                if before is None or is_tighter(trade.side, wish.stop_price, before.stop_price):
                    self._wanted[trade.trade_id] = wish

    def want_nothing(self) -> None:
        """Forget what is wanted; the stops stay where they are."""
        self._wanted = {}

    def advance(self) -> None:
        """Ask the broker for every move that is wanted; one that it does not answer is asked for again."""
        if self._recipe.is_blocked:
            return
        for trade_id, wish in list(self._wanted.items()):
            trade = self._view.trades.get(trade_id)
            if trade is not None and not self._is_leaving(trade):
                self._move(trade, wish)
            del self._wanted[trade_id]

    def _move(self, trade: OpenTrade, wish: Tighten) -> None:
        client_order_id = trade.order_id(OrderRole.STOP_LOSS)
        order = self._broker.order(client_order_id)
        if order is None or order.status.is_final or order.type is not OrderType.STOP or order.stop_price is None:
            return
        before = order.stop_price
        if is_tighter(trade.side, wish.stop_price, before):
            try:
                order = self._broker.replace_stop(client_order_id, wish.stop_price)
            except OrderRefusedError as error:
                log.warning("the stop stays", order=client_order_id, stop=str(before), reason=str(error))
            else:
                log.info(
                    "stop moved",
                    strategy=trade.strategy,
                    order=client_order_id,
                    stop=str(order.stop_price),
                    before=str(before),
                    why=wish.reason,
                )
        self._view.note_order(order)
