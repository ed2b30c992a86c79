"""Closing a trade: first its other orders are cancelled and final, then what is left is sold or bought back once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from tbot_bot.domain.broker import Broker
from tbot_bot.domain.close_reasons import CloseReason
from tbot_bot.domain.intents import Exit, OrderIntent
from tbot_bot.domain.money import Price
from tbot_bot.domain.open_trades import OpenTrade
from tbot_bot.domain.orders import Book, Order, OrderRole, OrderStatus, OrderType
from tbot_bot.trading.execution import OrderRecipe, SendStatus
from tbot_bot.trading.execution_view import OrderView

REFUSED_PAUSE_S = 1.0
REFUSED_PAUSE_S_MAX = 60.0
_LEGS = (OrderRole.ENTRY, OrderRole.STOP_LOSS, OrderRole.TAKE_PROFIT)


@dataclass(slots=True)
class _Closing:
    """A trade on its way out. Exits up to attempt `asked` were asked for; up to `settled` they are over."""

    reason: str
    cause: CloseReason
    asked: int = 0
    settled: int = 0
    next_at_s: float = 0.0
    pause_s: float = REFUSED_PAUSE_S


class ExitDesk:
    """Works the exits of trades, a step at a time; nothing here waits.

    A step reads the state of every order of the trade from the broker, so that it can be taken at any time and
    after any failure. An exit is sent only when no other order of the trade can fill any more and every fill is in
    the books: more than is open is never sold. `marks` are the newest prices; an exit keeps the one it was sent on.
    """

    def __init__(
        self,
        broker: Broker,
        recipe: OrderRecipe,
        view: OrderView,
        marks: Callable[[], Mapping[str, Price]],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._broker = broker
        self._recipe = recipe
        self._view = view
        self._marks = marks
        self._monotonic_s = monotonic_s
        self._closings: dict[str, _Closing] = {}

    @property
    def is_working(self) -> bool:
        """Whether any trade is on its way out."""
        return bool(self._closings)

    def is_leaving(self, trade: OpenTrade) -> bool:
        """Whether this trade is on its way out."""
        return trade.trade_id in self._closings

    def want(self, trade: OpenTrade, reason: str, cause: CloseReason) -> None:
        """Close this trade; wanting it again changes nothing."""
        self._closings.setdefault(trade.trade_id, _Closing(reason, cause))

    def want_symbol(self, strategy: str, wish: Exit) -> None:
        """Close the strategy's trades in the symbol of the wish."""
        for trade in list(self._view.trades.values()):
            if (trade.strategy, trade.symbol) == (strategy, wish.symbol):
                self.want(trade, wish.reason, wish.cause)

    def want_nothing(self) -> None:
        """Forget every exit that is wanted; what was sent stays sent."""
        self._closings = {}

    def watch_stops(self) -> None:
        """Close every trade whose protective stop is known to have ended without protecting it."""
        for trade in list(self._view.trades.values()):
            stop = self._view.orders.get(trade.order_id(OrderRole.STOP_LOSS))
            if stop is not None and stop.status.is_final and stop.status is not OrderStatus.FILLED:
                self.want(trade, f"its protective stop is {stop.status}", CloseReason.UNPROTECTED)

    def check_protection(self) -> None:
        """Close every trade that has no working stop at the broker."""
        for trade in list(self._view.trades.values()):
            stop = self._look(trade, OrderRole.STOP_LOSS)
            if stop is None or stop.status.is_final:
                self.want(trade, "it has no working protective stop", CloseReason.UNPROTECTED)

    def advance(self, now: datetime) -> None:
        """Take the next step of every exit; `now` is market time and the market is open.

        While no order may be sent nothing is done: a trade keeps its protective orders until its exit can follow.
        """
        if self._recipe.is_blocked:
            return
        for trade_id, closing in list(self._closings.items()):
            trade = self._view.trades.get(trade_id)
            if trade is None:
                self._closings.pop(trade_id, None)
            elif self._monotonic_s() >= closing.next_at_s:
                self._step(trade, closing, now)

    def _step(self, trade: OpenTrade, closing: _Closing, now: datetime) -> None:
        if self._recipe.is_in_doubt(trade.order_id(OrderRole.EXIT, closing.asked)):
            return
        if not self._legs_are_final(trade) or not self._exits_are_final(trade, closing):
            return
        self._view.pull_executions()
        current = self._view.trades.get(trade.trade_id)
        if current is not None and trade.trade_id in self._closings:
            self._send(current, closing, now)

    def _legs_are_final(self, trade: OpenTrade) -> bool:
        """Ask to cancel what still works; True once nothing does."""
        working = [order for role in _LEGS if (order := self._look(trade, role)) and not order.status.is_final]
        for order in working:
            self._broker.cancel(order.client_order_id)
        return not working

    def _exits_are_final(self, trade: OpenTrade, closing: _Closing) -> bool:
        """Whether every exit of the trade so far, of this process or an earlier one, is over.

        One at a limit, which only a person sends, gives way: this trade is to be closed at the market.
        """
        while True:
            attempt = closing.settled + 1
            order = self._look(trade, OrderRole.EXIT, attempt)
            if order is None and attempt > closing.asked:
                return True
            if order is not None and not order.status.is_final:
                if order.type is OrderType.LIMIT:
                    self._broker.cancel(order.client_order_id)
                return False
            closing.settled = attempt

    def _look(self, trade: OpenTrade, role: OrderRole, attempt: int = 1) -> Order | None:
        order = self._broker.order(trade.order_id(role, attempt))
        return None if order is None else self._view.note_order(order)

    def _send(self, trade: OpenTrade, closing: _Closing, now: datetime) -> None:
        intent = OrderIntent(
            book=Book.STRATEGY,
            strategy=trade.strategy,
            symbol=trade.symbol,
            side=trade.side.opposite,
            quantity=trade.quantity,
            role=OrderRole.EXIT,
            type=OrderType.MARKET,
            session_day=trade.session_day,
            number=trade.number,
            reason=closing.reason,
            cause=closing.cause,
            decided_at=now,
            attempt=closing.settled + 1,
            trade_id=trade.trade_id,
            asked_price=self._marks().get(trade.symbol),
        )
        sending = self._recipe.send(intent)
        if sending.status is not SendStatus.HELD:
            closing.asked = intent.attempt
        if sending.status is SendStatus.REFUSED:
            closing.next_at_s = self._monotonic_s() + closing.pause_s
            closing.pause_s = min(closing.pause_s * 2, REFUSED_PAUSE_S_MAX)
