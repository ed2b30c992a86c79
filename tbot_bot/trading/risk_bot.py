"""Limits in force and the daily loss limit."""

from __future__ import annotations

from decimal import Decimal

from tbot_bot.domain.defense import scaled
from tbot_bot.domain.gate import RiskLimits
from tbot_bot.domain.money import Money

_ALL = Decimal(1)


def limits_in_force(max_open_positions: int, max_trades: int, factor: Decimal = _ALL) -> RiskLimits:
    """The limits as set, scaled by the factor of defense mode where it stands."""
    return RiskLimits(scaled(max_open_positions, factor), scaled(max_trades, factor))


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


def loss_share(realised: Money | None, unrealised: Money | None, threshold: Money | None) -> Decimal | None:
    """Which part of the daily loss limit the session's results use up: 0 without a loss, 1 at the limit.

    None while one of them is unknown.
    """
    if realised is None or unrealised is None or not threshold:
        return None
    return max(-(realised + unrealised) / threshold, Decimal(0))
