"""The one account of the simulated market: cash, positions, and how far they may reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tbot_bot.domain.money import Money, Price, Quantity, total
from tbot_bot.domain.orders import Execution
from tbot_bot.venue.records import OrderRecord

#: Positions and orders together may reach this many times the equity.
LEVERAGE = 2


def cash_effect(execution: Execution) -> Money:
    """What a fill does to cash: a sale brings its value, a purchase costs it, both pay the fee."""
    return execution.price * execution.quantity * -execution.side.sign - execution.fee


@dataclass(slots=True)
class Account:
    """Cash and non-zero positions, changed only by fills."""

    cash: Money
    positions: dict[str, Quantity]

    def apply(self, execution: Execution) -> None:
        """Book one fill."""
        self.cash = self.cash + cash_effect(execution)
        held = self.held(execution.symbol) + execution.quantity * execution.side.sign
        if held:
            self.positions[execution.symbol] = held
        else:
            del self.positions[execution.symbol]

    def held(self, symbol: str) -> Quantity:
        """Return the position, zero if there is none."""
        return self.positions.get(symbol, Quantity.zero())

    def equity(self, mark: Callable[[str], Price]) -> Money:
        """Cash plus every position at its mark."""
        return self.cash + total(mark(symbol) * held for symbol, held in self.positions.items())


def exposure(held: Quantity, orders: Iterable[OrderRecord], mark: Price | None) -> Money:
    """The most that one symbol can come to be worth, long or short, once its `orders` filled.

    Bracket legs do not belong among the orders: they only undo what their entry did. The price is the highest of the
    mark and the prices that the orders name.
    """
    longest, shortest = held, held
    prices = [] if mark is None else [mark]
    for record in orders:
        change = record.remaining * record.order.side.sign
        longest, shortest = longest + max(change, Quantity.zero()), shortest + min(change, Quantity.zero())
        prices += [price for price in (record.order.limit_price, record.order.stop_price) if price is not None]
    worst = max(abs(longest), abs(shortest))
    return max(prices) * worst if worst else Money.zero()


def reach(account: Account, orders: Mapping[str, list[OrderRecord]], mark: Callable[[str], Price | None]) -> Money:
    """Exposure over all symbols."""
    symbols = account.positions.keys() | orders.keys()
    return total(exposure(account.held(symbol), orders.get(symbol, []), mark(symbol)) for symbol in symbols)
