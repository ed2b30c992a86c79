"""What a fill cost more than the price that was asked for, and how much more it may cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from tbot_bot.domain.money import Money, Price, Quantity, round_half_even, total
from tbot_bot.domain.orders import Side

_BPS = 10_000


@dataclass(frozen=True, slots=True)
class SlippageLimits:
    """How many basis points worse than asked for an entry may be; `capped` sends it with that price as its limit."""

    bps: int
    capped: bool


@dataclass(frozen=True, slots=True)
class Slippage:
    """`cost` is above zero where the fills were worse than asked for; `bps` is that against what was asked for."""

    cost: Money
    bps: Decimal


@dataclass(frozen=True, slots=True)
class PricedFill:
    """A fill and the price that its order was to have; None where that is not on record."""

    asked: Price | None
    quantity: Quantity
    price: Price


def slippage(side: Side, fills: Iterable[PricedFill]) -> Slippage | None:
    """Compare fills of one side with what was asked for; None without a fill, or where one of the prices is unknown."""
    filled = list(fills)
    known = [(fill.asked, fill) for fill in filled if fill.asked is not None]
    if not filled or len(known) < len(filled):
        return None
    wanted = total(asked * fill.quantity for asked, fill in known)
    paid = total(fill.price * fill.quantity for fill in filled)
    cost = (paid - wanted) * side.sign
    return Slippage(cost, round_half_even(cost / wanted * _BPS, 1))


def worst_price(side: Side, asked: Price, limit_bps: int, tick: Price) -> Price:
    """The last price on the tick that is no more than `limit_bps` worse than `asked`."""
    bound = asked.units * (_BPS + side.sign * limit_bps)
    step = tick.units * _BPS
    ticks = bound // step if side is Side.BUY else -(-bound // step)
    return Price(ticks * tick.units)


def is_worse(side: Side, price: Price, than: Price) -> bool:
    """Whether `price` costs who trades on `side` more than the other."""
    return price > than if side is Side.BUY else price < than
