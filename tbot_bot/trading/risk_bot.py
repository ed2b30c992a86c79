"""Limits in force and the daily loss limit."""

from __future__ import annotations

from decimal import Decimal

from tbot_bot.domain.gate import RiskLimits
from tbot_bot.domain.money import Money

#: Defense mode halves the limits.
DEFENSE_FACTOR = Decimal("0.5")


def limits_in_force(max_open_positions: int, max_trades: int, *, defense: bool) -> RiskLimits:
    """The limits as set, or scaled by DEFENSE_FACTOR and rounded down: in defense mode a limit of 1 lets nothing in."""
    factor = DEFENSE_FACTOR if defense else Decimal(1)
    return RiskLimits(int(max_open_positions * factor), int(max_trades * factor))


def daily_loss_threshold(float_at_open: Money, daily_loss_limit: Decimal) -> Money:
    """The loss of one session that trips the kill switch, as a positive amount: float at open x DAILY_LOSS_LIMIT."""
    return float_at_open * daily_loss_limit


def loss_limit_breached(realised: Money, unrealised: Money | None, threshold: Money) -> bool | None:
    """Whether the session's realised and unrealised results add up to a loss of `threshold` or more.

    None while the unrealised result is unknown: neither kept nor breached can be said.
    """
    if unrealised is None:
        return None
    result = realised + unrealised
    return result.sign < 0 and -result >= threshold
