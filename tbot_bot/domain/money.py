"""Exact amounts: cash and prices carry 8 decimals, quantities 9, and no float gets in.

Money + Money -> Money        Price * Quantity -> Money       Money / Quantity -> Price
Price * Price is an error     Money * Decimal  -> Money       Money / Money    -> Decimal
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import ClassVar, Self, final, overload

_CONTEXT = Context(prec=60, rounding=ROUND_HALF_EVEN)
#: SQLite and PostgreSQL store units as signed 64-bit integers.
UNITS_MAX = 2**63 - 1
#: Text as almost all amounts are written: its digits are the units, and need no Decimal.
_PLAIN = re.compile(r"(-?\d{1,19})(?:\.(\d{1,9}))?", re.ASCII)


class AmountError(ValueError):
    """An amount that cannot be represented; the message says why."""


def to_decimal(value: str | int | Decimal) -> Decimal:
    """Return `value` as a finite Decimal; a float, a bool and text that is no number raise."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise TypeError(f"amounts are built from str, int or Decimal, not {type(value).__name__}")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise AmountError(f"{value!r} is not a number") from error
    if not number.is_finite():
        raise AmountError(f"{value!r} is not a finite number")
    return number


def round_half_even(value: Decimal, places: int) -> Decimal:
    """Round to `places` decimals, ties to the even neighbour: the one rounding rule of the house."""
    return value.quantize(Decimal(1).scaleb(-places), context=_CONTEXT)


@dataclass(frozen=True, slots=True, order=True)
class _Scaled:
    """A whole number of units, each 10^-SCALE."""

    units: int
    SCALE: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if isinstance(self.units, bool) or not isinstance(self.units, int):
            raise TypeError(f"units are whole numbers, not {type(self.units).__name__}")
        if abs(self.units) > UNITS_MAX:
            raise AmountError(f"{type(self).__name__} of {self.units} units is out of range")

    @classmethod
    def of(cls, value: str | int | Decimal) -> Self:
        """Build from text, an integer or a Decimal, rounding half-even to the scale."""
        plain = _PLAIN.fullmatch(value) if isinstance(value, str) else None
        if plain is not None and len(decimals := plain[2] or "") <= cls.SCALE:
            return cls(int(plain[1] + decimals.ljust(cls.SCALE, "0")))
        number = round_half_even(to_decimal(value), cls.SCALE)
        return cls(int(number.scaleb(cls.SCALE, _CONTEXT)))

    @classmethod
    def zero(cls) -> Self:
        """Return nothing of this kind."""
        return cls(0)

    @property
    def decimal(self) -> Decimal:
        """The exact value."""
        return Decimal(self.units).scaleb(-self.SCALE, _CONTEXT)

    @property
    def sign(self) -> int:
        """-1, 0 or 1."""
        return (self.units > 0) - (self.units < 0)

    def __add__(self, other: Self) -> Self:
        if type(other) is not type(self):
            return NotImplemented
        return type(self)(self.units + other.units)

    def __sub__(self, other: Self) -> Self:
        if type(other) is not type(self):
            return NotImplemented
        return type(self)(self.units - other.units)

    def __neg__(self) -> Self:
        return type(self)(-self.units)

    def __abs__(self) -> Self:
        return type(self)(abs(self.units))

    def __bool__(self) -> bool:
        return self.units != 0

    def __str__(self) -> str:
        """Plain decimal text without an exponent or trailing zeros: the form used in JSON."""
        text = format(self.decimal, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text

    def _times(self, factor: Decimal | int) -> Self:
        if isinstance(factor, bool) or not isinstance(factor, int | Decimal):
            raise TypeError(f"{type(self).__name__} is multiplied by Decimal or int, not {type(factor).__name__}")
        return type(self).of(_CONTEXT.multiply(self.decimal, Decimal(factor)))


@final
@dataclass(frozen=True, slots=True, order=True)
class Quantity(_Scaled):
    """A number of shares or other units, signed: negative is short."""

    SCALE: ClassVar[int] = 9

    def __mul__(self, factor: Decimal | int) -> Quantity:
        return self._times(factor)


@final
@dataclass(frozen=True, slots=True, order=True)
class Money(_Scaled):
    """An amount in the home's functional currency, signed."""

    SCALE: ClassVar[int] = 8

    def __mul__(self, factor: Decimal | int) -> Money:
        return self._times(factor)

    @overload
    def __truediv__(self, other: Quantity) -> Price: ...
    @overload
    def __truediv__(self, other: Money) -> Decimal: ...
    def __truediv__(self, other: Quantity | Money) -> Price | Decimal:
        if isinstance(other, Quantity):
            return Price.of(_CONTEXT.divide(self.decimal, other.decimal))
        if isinstance(other, Money):
            return _CONTEXT.divide(self.decimal, other.decimal)
        return NotImplemented


@final
@dataclass(frozen=True, slots=True, order=True)
class Price(_Scaled):
    """Money for one unit."""

    SCALE: ClassVar[int] = 8

    @overload
    def __mul__(self, other: Quantity) -> Money: ...
    @overload
    def __mul__(self, other: Decimal | int) -> Price: ...
    def __mul__(self, other: Quantity | Decimal | int) -> Money | Price:
        if isinstance(other, Quantity):
            return Money.of(_CONTEXT.multiply(self.decimal, other.decimal))
        return self._times(other)

    def to_tick(self, tick: Price) -> Price:
        """Round half-even to a whole number of ticks."""
        ticks = round_half_even(_CONTEXT.divide(self.decimal, tick.decimal), 0)
        return Price.of(_CONTEXT.multiply(ticks, tick.decimal))


def total(amounts: Iterable[Money]) -> Money:
    """Add up amounts; nothing adds up to zero."""
    return Money(sum(amount.units for amount in amounts))


def allocate(amount: Money, weights: Sequence[int | Decimal]) -> list[Money]:
    """Split `amount` by `weights` so that the parts always sum to the whole.

    Each part is the exact share rounded towards zero; the units left over go one each to the largest remainders,
    the earlier part first on a tie (largest-remainder method).
    """
    if not weights or any(weight < 0 for weight in weights) or not sum(weights):
        raise AmountError("weights must be non-negative and not all zero")
    shares = [Decimal(weight) for weight in weights]
    whole = sum(shares)
    exact = [_CONTEXT.divide(_CONTEXT.multiply(Decimal(abs(amount.units)), share), whole) for share in shares]
    parts = [int(share) for share in exact]
    left = abs(amount.units) - sum(parts)
    by_remainder = sorted(range(len(parts)), key=lambda index: (-(exact[index] - parts[index]), index))
    for index in by_remainder[:left]:
        parts[index] += 1
    return [Money(part * (amount.sign or 1)) for part in parts]
