"""From a strategy's signal to its wish: room for stop and target, and which way a short trade is made.

FilteredError   the signal is not traded; the check and the reason say why
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from tbot_bot.api.settings import setting
from tbot_bot.domain.intents import Enter, NoTrade, Stage, Wish
from tbot_bot.domain.market import Bar, Instrument
from tbot_bot.domain.money import Price
from tbot_bot.domain.orders import Side
from tbot_bot.strategies.base import Context

ShortType = Literal["disabled", "Short", "InverseETF"]


class FilteredError(Exception):
    """A signal is not traded; carries the check that stopped it and the reason."""

    def __init__(self, check: str, reason: str) -> None:
        super().__init__(reason)
        self.check = check
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Signal:
    """A trade that a strategy sees in a symbol's own prices."""

    symbol: str
    side: Side
    entry: Price
    stop: Price
    target: Price
    reason: str


Find = Callable[[Context[Any, Any], Bar], Signal | None]


def short_type(group: str) -> Any:
    """Declare how a strategy trades a signal to sell."""
    return setting(
        "Short",
        title="Short trades",
        help="Signals to sell are not traded, sold short, or traded by buying the fund that moves the other way.",
        group=group,
        names={"disabled": "Not traded", "Short": "Sold short", "InverseETF": "Inverse fund bought"},
    )


def target_of(entry: Price, stop: Price, reward_risk: Decimal, tick: Price) -> Price:
    """The price as many times as far from the entry as the stop, on the other side."""
    return (entry + (entry - stop) * reward_risk).to_tick(tick)


def entries(context: Context[Any, Any], find: Find, short: ShortType) -> Iterator[Wish]:
    """The entry, or the reason against it, for each candidate in which `find` sees a signal just now."""
    for bar in context.entry_bars():
        if short == "InverseETF" and _is_taken_inversely(context, bar.symbol):
            continue
        try:
            signal = find(context, bar)
            if signal is not None:
                yield _enter(context, signal, short)
        except FilteredError as filtered:
            yield NoTrade(bar.symbol, Stage.SIGNAL, filtered.check, filtered.reason)


def _enter(context: Context[Any, Any], signal: Signal, short: ShortType) -> Enter:
    instrument = context.instruments[signal.symbol]
    if signal.side is Side.BUY:
        return _wish(signal)
    if short == "disabled":
        raise FilteredError("short", f"{signal.reason}; short trades are disabled")
    if short == "InverseETF":
        return _wish(_mirrored(context, signal))
    if not instrument.shortable:
        raise FilteredError("short", f"{signal.reason}; it cannot be sold short")
    return _wish(signal)


def _wish(signal: Signal) -> Enter:
    """The wish, once stop and target are prices on the right sides of the entry."""
    stop, entry, target = signal.stop, signal.entry, signal.target
    is_ordered = stop < entry < target if signal.side is Side.BUY else stop > entry > target
    if not is_ordered or min(stop, target).sign <= 0:
        raise FilteredError("room", f"no room for stop {stop} and target {target} around {entry}")
    return Enter(signal.symbol, signal.side, entry, stop, target, signal.reason)


def _inverse_fund(context: Context[Any, Any], symbol: str) -> Instrument | None:
    return next((known for known in context.instruments.values() if known.inverse_of == symbol), None)


def _is_taken_inversely(context: Context[Any, Any], symbol: str) -> bool:
    """Whether the symbol's trade of the session was made in its inverse fund."""
    fund = _inverse_fund(context, symbol)
    return fund is not None and fund.symbol in context.taken


def _mirrored(context: Context[Any, Any], signal: Signal) -> Signal:
    """The same trade in the inverse fund: bought, stop and target as far away in proportion."""
    fund = _inverse_fund(context, signal.symbol)
    if fund is None:
        raise FilteredError("short", f"{signal.reason}; no inverse fund mirrors it")
    price: Price | None = context.features[fund.symbol].close if fund.symbol in context.features else None
    if price is None:
        raise FilteredError("short", f"{signal.reason}; {fund.symbol} has no price yet")
    if fund.symbol not in context.candidates:
        raise FilteredError("short", f"{signal.reason}; {fund.symbol} is left out by the filters")

    def mirror(level: Price) -> Price:
        return (price - price * ((level - signal.entry).decimal / signal.entry.decimal)).to_tick(fund.tick)

    reason = f"{signal.symbol} {signal.reason}"
    return Signal(fund.symbol, Side.BUY, price, mirror(signal.stop), mirror(signal.target), reason)
