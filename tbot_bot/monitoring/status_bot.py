"""The status document, from facts gathered elsewhere: one function a figure, unknown where it is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from tbot_bot.api.status import (
    ApiHealth,
    BotStatus,
    CacheStatus,
    Compliance,
    ConditionShown,
    ErrorEvent,
    Severity,
    StatusDocument,
    StrategyStatus,
    Summary,
    TieOut,
)
from tbot_bot.api.wording import counted
from tbot_bot.domain.defense import Defense
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.market import Session
from tbot_bot.domain.money import Money, round_half_even
from tbot_bot.domain.severity import Inputs, Level, judge
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.domain.trades import Result
from tbot_bot.monitoring.watchdog_bot import Judgement

TRADING_MODE = "SINGLE"
HOLDINGS_NOTE = "no targets set"
_SEVERITY = {Level.OK: Severity.OK, Level.WARNING: Severity.WARNING, Level.CRITICAL: Severity.CRITICAL}
_IDLE = "idle"


@dataclass(frozen=True, slots=True)
class BotFacts:
    """What is known of the bot; None is unknown. Money in the functional currency, times in UTC."""

    name: str
    broker: str
    simulated: bool
    market_speed: str | None
    market_seed: int | None
    float_allocation: Money | None
    float_deviation_pct: Decimal | None
    defense: Defense
    float_in_force: Money | None
    armed: bool
    triggered: bool | None
    paused_because: str | None
    today: Result | None
    ever: Result
    trading_since: datetime | None
    threshold: Money | None
    loss_share: Decimal | None
    unrealised: Money | None
    equity: Money | None
    cash: Money | None
    open_positions: int
    open_orders: int
    unresolved: int
    max_trades: int
    api: Judgement
    strategy: str | None
    strategies: Sequence[StrategyStatus]
    last_trade_id: str | None
    session: Session | None
    market_time: datetime | None
    market_open: bool | None
    market_note: str | None
    tied_out_at: datetime | None
    tied_out: bool | None
    tie_out: TieOut | None
    trial_balance_ok: bool | None
    universe: CacheStatus
    conditions: Sequence[ConditionShown]
    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """What is known of the system around the bot."""

    now: datetime
    started_at: datetime
    state: State
    state_reason: str
    state_since: datetime
    generation: int
    last_error: ErrorEvent | None
    alert_counts: dict[str, int]
    session_alerts: dict[str, int] | None


def build_document(system: SystemFacts, bot: BotFacts) -> StatusDocument:
    """Put the facts together."""
    level, reasons = judge(
        Inputs(
            kill_triggered=bot.triggered,
            defense_mode=bot.defense.is_active,
            defense_because=tuple(bot.defense.causes.values()),
            api=bot.api.health,
            api_reason=bot.api.reason,
            universe=bot.universe,
            compliance=Compliance.OK,
            troubles=(*bot.troubles, *_in_doubt(bot.unresolved)),
        )
    )
    return StatusDocument(
        as_of=to_rfc3339(system.now),
        market_time=_moment(bot.market_time),
        summary=Summary(
            overall_status=_SEVERITY[level],
            reasons=reasons,
            defense_mode_active=bot.defense.is_active,
            total_bots_active=1 if bot.api.health is not ApiHealth.UNKNOWN else 0,
            bots_in_kill_switch=f"{int(bool(bot.triggered))}/1",
            active_strategy=bot.strategy or _IDLE,
            open_trades_total=bot.open_positions,
            universe_cache_status=bot.universe,
            holdings_compliance=Compliance.OK,
            system_uptime_s=int((system.now - system.started_at).total_seconds()),
        ),
        bots=[_bot(system, bot)],
    )


def _in_doubt(unresolved: int) -> tuple[str, ...]:
    """The reason that orders in doubt give; none without one."""
    return (f"Of {counted(unresolved, 'order')} it is not known what became of it.",) if unresolved else ()


def _bot(system: SystemFacts, bot: BotFacts) -> BotStatus:
    today = bot.today
    return BotStatus(
        bot=bot.name,
        state=system.state,
        broker=bot.broker,
        trading_mode=TRADING_MODE,
        float_allocation=_text(bot.float_allocation),
        float_deviation_pct=_text(bot.float_deviation_pct),
        holdings_balance=None,
        holdings_deviation_pct=None,
        rebalance_triggers=[],
        defense_mode_active=bot.defense.is_active,
        kill_switch_armed=bot.armed,
        kill_switch_triggered=bot.triggered,
        daily_pnl=_text(today.pnl if today else None),
        cumulative_pnl=_text(bot.ever.pnl),
        win_rate_pct=_text(today.win_rate_pct if today else None),
        cumulative_win_rate_pct=_text(bot.ever.win_rate_pct),
        daily_loss_threshold=_text(bot.threshold),
        open_positions=bot.open_positions,
        max_allowed_trades=bot.max_trades,
        api_status=bot.api.health,
        strategy_running=bot.strategy or _IDLE,
        last_trade_id=bot.last_trade_id,
        last_error_event=system.last_error,
        alert_counts=system.alert_counts,
        alert_counts_session=system.session_alerts,
        strategies=list(bot.strategies),
        universe_cache_status=bot.universe,
        user_session_status=None,
        holdings_compliance=Compliance.OK,
        paused=bot.paused_because is not None,
        pause_reason=bot.paused_because,
        **_defense(bot.defense),
        float_in_force=_text(bot.float_in_force),
        unrealised_pnl=_text(bot.unrealised),
        day_result=_text(_day_result(bot)),
        loss_limit_used_pct=_text(None if bot.loss_share is None else round_half_even(bot.loss_share * 100, 1)),
        equity=_text(bot.equity),
        cash=_text(bot.cash),
        trades_today=today.trades_closed if today else None,
        wins_today=today.wins if today else None,
        trades_ever=bot.ever.trades_closed,
        wins_ever=bot.ever.wins,
        trading_since=_moment(bot.trading_since),
        open_orders=bot.open_orders,
        unresolved_orders=bot.unresolved,
        api_latency_ms=bot.api.last_ms,
        api_p95_ms=bot.api.p95_ms,
        api_reason=bot.api.reason or None,
        api_since=to_rfc3339(bot.api.since),
        state_reason=system.state_reason,
        state_since=to_rfc3339(system.state_since),
        simulated=bot.simulated,
        market_speed=bot.market_speed,
        market_seed=bot.market_seed,
        session_open_at=_moment(bot.session.open_at if bot.session else None),
        session_close_at=_moment(bot.session.close_at if bot.session else None),
        market_open=bot.market_open,
        market_note=bot.market_note,
        holdings_note=HOLDINGS_NOTE,
        tied_out_at=_moment(bot.tied_out_at),
        tied_out=bot.tied_out,
        tie_out=bot.tie_out,
        conditions=list(bot.conditions),
        trial_balance_ok=bot.trial_balance_ok,
        generation=system.generation,
    )


def _defense(defense: Defense) -> dict[str, Any]:
    return {
        "defense_since": _moment(defense.since),
        "defense_reasons": list(defense.causes.values()),
        "defense_calm_since": _moment(defense.calm_since),
    }


def _day_result(bot: BotFacts) -> Money | None:
    return None if bot.today is None or bot.unrealised is None else bot.today.pnl + bot.unrealised


def _text(value: Money | Decimal | None) -> str | None:
    return None if value is None else str(value)


def _moment(value: datetime | None) -> str | None:
    return None if value is None else to_rfc3339(value)
