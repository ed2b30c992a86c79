"""What an entry may cost: looked at before it is sent, sent as its limit if so set, and given up when not filled."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog

from tbot_bot.domain.broker import Broker
from tbot_bot.domain.intents import Enter, NoTrade, Stage
from tbot_bot.domain.market import Instrument
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import OrderType, Side
from tbot_bot.domain.slippage import SlippageLimits, is_worse, worst_price
from tbot_bot.trading.execution_view import OrderView, is_strategy_entry

log = structlog.get_logger("execution")
#: What an entry at a limit has not filled after so long, in market time, is cancelled.
PATIENCE = timedelta(minutes=1)


class EntryLimits:
    """Holds every entry to the price of its signal; a price that the broker does not name lets nothing pass."""

    def __init__(self, broker: Broker, view: OrderView, limits: SlippageLimits) -> None:
        self._broker = broker
        self._view = view
        self._limits = limits
        self._ticks: dict[str, Price] = {}
        self._working_since: dict[str, datetime] = {}

    def know_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Say what can be traded, and in which steps."""
        self._ticks = {one.symbol: one.tick for one in instruments}

    def cap(self, wish: Enter) -> Price | None:
        """The limit to send the entry with; None to send it to the market."""
        return self._worst(wish) if self._limits.capped else None

    def refusal(self, wish: Enter) -> NoTrade | None:
        """Why the entry comes too late for its price; None while the market is where the signal saw it."""
        worst = self._worst(wish)
        if worst is None:
            return NoTrade(
                wish.symbol, Stage.GATE, "instrument", f"{wish.symbol} is not among the broker's instruments"
            )
        quote = next(iter(self._broker.quotes([wish.symbol])), None)
        if quote is None:
            return NoTrade(wish.symbol, Stage.GATE, "quote", f"the broker has no quote of {wish.symbol}")
        price, words = (quote.ask, "bought") if wish.side is Side.BUY else (quote.bid, "sold")
        if not is_worse(wish.side, price, worst):
            return None
        sentence = (
            f"the market moved away: {wish.symbol} would be {words} at {price}, and {worst} is the worst "
            f"within {self._limits.bps} bp of the signal's {wish.reference_price}"
        )
        return NoTrade(wish.symbol, Stage.GATE, "slippage", sentence)

    def give_up(self, now: datetime) -> None:
        """Ask to cancel each entry that has worked at its limit for PATIENCE, and again after as long.

        What it filled stays, with its bracket. `now` is market time.
        """
        working = [
            order.client_order_id
            for order in self._view.orders.values()
            if order.type is OrderType.LIMIT and not order.status.is_final and is_strategy_entry(order.client_order_id)
        ]
        self._working_since = {name: self._working_since.get(name, now) for name in working}
        for name in working:
            if now - self._working_since[name] >= PATIENCE:
                self._broker.cancel(name)
                self._working_since[name] = now
                log.info("entry given up", order=name, why=f"not filled at its limit within {PATIENCE}")

    def _worst(self, wish: Enter) -> Price | None:
        tick = self._ticks.get(wish.symbol)
        return None if tick is None else worst_price(wish.side, wish.reference_price, self._limits.bps, tick)
