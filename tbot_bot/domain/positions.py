"""Lots: what a book holds of a symbol, bought first sold first, long or short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tbot_bot.domain.money import Money, Price, Quantity, allocate, total
from tbot_bot.domain.orders import Book, Execution


class FillError(ValueError):
    """A fill that cannot be booked; the message says why."""


@dataclass(frozen=True, slots=True)
class Lot:
    """What is left of one opening fill: `quantity` and `cost` are positive when long, negative when short."""

    lot_id: str
    book: Book
    symbol: str
    quantity: Quantity
    cost: Money
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class LotClosing:
    """The part of a lot that a fill closed.

    `lot` is what is left; `quantity` and `cost` are the closed part with the lot's own sign; `realised` is the cash
    of the closing less that cost, before fees.
    """

    lot: Lot
    quantity: Quantity
    cost: Money
    realised: Money


@dataclass(frozen=True, slots=True)
class Match:
    """What a fill did to the lots of its symbol: closed parts first, then at most one new lot.

    `closed_value` and `opened_value` are unsigned and sum to price x quantity exactly.
    """

    closings: tuple[LotClosing, ...]
    opened: Lot | None
    closed_quantity: Quantity
    closed_value: Money
    opened_quantity: Quantity
    opened_value: Money
    is_flat_between: bool

    @property
    def realised(self) -> Money:
        """Result of the closed parts, before fees."""
        return total(closing.realised for closing in self.closings)


@dataclass(frozen=True, slots=True)
class Position:
    """What one book holds of a symbol, at cost; negative is short."""

    book: Book
    symbol: str
    quantity: Quantity
    cost: Money

    @property
    def average_price(self) -> Price | None:
        """Cost for one unit; None when flat."""
        return self.cost / self.quantity if self.quantity else None


def match_fill(lots: Sequence[Lot], execution: Execution, book: Book) -> Match:
    """Match a fill against the open lots of its symbol and book, oldest first.

    A fill against the position closes lots in order; what is left over opens a lot the other way (crossing through
    zero). A lot closed in parts gives up its cost in proportion, the last part the rest, so nothing is lost to
    rounding. The new lot carries the execution's id. Raises FillError unless quantity is positive.
    """
    if execution.quantity.sign != 1:
        raise FillError(f"execution {execution.execution_id} has no positive quantity")
    sign = execution.side.sign
    takes = _take(lots, execution)
    rest = execution.quantity.units - sum(take for _, take in takes)
    weights = [take for _, take in takes] + [rest]
    values = allocate(execution.price * execution.quantity, weights)
    closings = tuple(_close(lot, take, value * -sign) for (lot, take), value in zip(takes, values, strict=False))
    opened = None
    if rest:
        opened = Lot(
            lot_id=execution.execution_id,
            book=book,
            symbol=execution.symbol,
            quantity=Quantity(rest * sign),
            cost=values[-1] * sign,
            opened_at=execution.at,
        )
    return Match(
        closings=closings,
        opened=opened,
        closed_quantity=Quantity(execution.quantity.units - rest),
        closed_value=total(values[:-1]),
        opened_quantity=Quantity(rest),
        opened_value=values[-1],
        is_flat_between=len(takes) == len(lots) and all(not closing.lot.quantity for closing in closings),
    )


def _take(lots: Sequence[Lot], execution: Execution) -> list[tuple[Lot, int]]:
    """Units taken from each lot, oldest first; none from lots in the fill's own direction."""
    left = execution.quantity.units
    takes = []
    for lot in lots:
        if lot.quantity.sign == execution.side.sign or not left:
            break
        take = min(left, abs(lot.quantity.units))
        takes.append((lot, take))
        left -= take
    return takes


def _close(lot: Lot, take: int, cash: Money) -> LotClosing:
    held = abs(lot.quantity.units)
    cost, rest = allocate(lot.cost, [take, held - take])
    quantity = Quantity(take * lot.quantity.sign)
    left = replace(lot, quantity=lot.quantity - quantity, cost=rest)
    return LotClosing(lot=left, quantity=quantity, cost=cost, realised=cash - cost)
