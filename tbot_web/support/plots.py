"""Series behind the plots: drawing, sentence and table of one plot come from one answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tbot_bot.api.status import DayResult, EquityPoint
from tbot_bot.api.wording import counted
from tbot_bot.domain.money import round_half_even, to_decimal
from tbot_web.support import figures

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Drawdown:
    """Equity at a market time, and how far it is below the highest before it, in percent, never positive."""

    at: str
    equity: str
    drawdown_pct: str


def drawdowns(points: Sequence[EquityPoint]) -> list[Drawdown]:
    """Add to each point (equity / highest so far - 1) * 100, two decimals."""
    highest, found = Decimal(0), []
    for point in points:
        equity = to_decimal(point.equity)
        highest = max(highest, equity)
        below = (equity / highest - 1) * _HUNDRED if highest else Decimal(0)
        found.append(Drawdown(point.at, point.equity, str(round_half_even(below, 2))))
    return found


def drawn(points: Sequence[Drawdown]) -> str:
    """What the script draws: rows of time, equity and drawdown."""
    return json.dumps([(point.at, point.equity, point.drawdown_pct) for point in points], separators=(",", ":"))


def bars(days: Sequence[DayResult]) -> str:
    """What the script draws: rows of day and result."""
    return json.dumps([(day.day, day.pnl) for day in days], separators=(",", ":"))


def equity_sentence(points: Sequence[Drawdown]) -> str:
    """What the plot shows, for those who do not see it."""
    if not points:
        return "No equity has been recorded yet."
    deepest = min(points, key=lambda point: to_decimal(point.drawdown_pct))
    first, last = figures.money(points[0].equity), figures.money(points[-1].equity)
    fall = figures.percent(deepest.drawdown_pct)
    when = figures.moment(deepest.at, "date")
    return f"Equity went from {first} to {last} USD; the deepest drawdown was {fall} on {when}."


def days_sentence(days: Sequence[DayResult]) -> str:
    """What the bars show, for those who do not see them."""
    if not days:
        return "No session has ended yet."
    amounts = [to_decimal(day.pnl) for day in days]
    up, down = sum(amount > 0 for amount in amounts), sum(amount < 0 for amount in amounts)
    return f"{counted(len(days), 'session')}: {up} with a profit, {down} with a loss."
