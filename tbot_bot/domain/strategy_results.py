"""What each strategy achieved, and what it left alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from tbot_bot.domain.intents import NoTrade
from tbot_bot.domain.money import Money, round_half_even
from tbot_bot.domain.trades import Result, Trade

#: R multiples are kept to so many decimals.
R_PLACES = 8


@dataclass(frozen=True, slots=True)
class StrategyResult:
    """A strategy's counters; `r_sum` adds up the R multiples of the `risked` closed trades whose risk is known."""

    result: Result = field(default_factory=Result)
    risked: int = 0
    r_sum: Decimal = Decimal(0)

    @property
    def expectancy(self) -> Money | None:
        """Mean result of a closed trade, fees taken off, to the cent; None while no trade has closed."""
        closed = self.result.trades_closed
        return Money.of(round_half_even(self.result.pnl.decimal / closed, 2)) if closed else None

    @property
    def average_r(self) -> Decimal | None:
        """Mean result of a closed trade in multiples of what its first stop risked; None while none is known."""
        return round_half_even(self.r_sum / self.risked, 2) if self.risked else None


def r_multiple(trade: Trade) -> Decimal | None:
    """What a closed trade made of what it risked between entry and first stop; None without a stop or a risk."""
    if trade.stop_price is None or trade.closed_at is None:
        return None
    risk = abs(trade.entry_value - trade.stop_price * trade.entry_quantity)
    return round_half_even(trade.realised_pnl / risk, R_PLACES) if risk else None


@dataclass(frozen=True, slots=True)
class NoTradeRecord:
    """A trade that was not made, once for each strategy, symbol, stage and check of a session; `at` is market time."""

    seq: int
    session_day: date
    strategy: str
    no_trade: NoTrade
    at: datetime


@dataclass(frozen=True, slots=True)
class NoTradeFilter:
    """Which of them; None does not restrict. `day` is a date as text, like 2026-10-03."""

    strategy: str | None = None
    symbol: str | None = None
    day: str | None = None
