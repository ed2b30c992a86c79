"""The status document: every figure has one source; None is unknown, never zero. Field names are a contract."""

from __future__ import annotations

from enum import StrEnum

from tbot_bot.api.model import Message


class Severity(StrEnum):
    """Overall System Status."""

    OK = "OK"
    WARNING = "Warning"
    CRITICAL = "Critical"


class ApiHealth(StrEnum):
    """Health of the broker's interface."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


class CacheStatus(StrEnum):
    """Freshness of the universe."""

    UP_TO_DATE = "up-to-date"
    STALE = "stale"
    MISSING = "missing"
    UNKNOWN = "unknown"


class Compliance(StrEnum):
    """Holdings against their targets."""

    OK = "OK"
    WARNING = "Warning"
    OUT_OF_SPEC = "Out-of-Spec"
    UNKNOWN = "unknown"


class ErrorEvent(Message):
    """The last critical warning or exception."""

    at: str
    kind: str
    message: str


class StrategyStatus(Message):
    """One strategy's part."""

    name: str
    enabled: bool
    window: str
    trades_today: int | None
    win_rate_pct: str | None
    realised_pnl: str | None


class Summary(Message):
    """System Session Summary, the bar above the table; `reasons` say why it is not OK."""

    overall_status: Severity
    reasons: list[str]
    defense_mode_active: bool | None
    total_bots_active: int
    bots_in_kill_switch: str
    active_strategy: str
    open_trades_total: int | None
    universe_cache_status: CacheStatus
    holdings_compliance: Compliance
    system_uptime_s: int


class BotStatus(Message):
    """System Status Overview, one row a bot; money is decimal text in the functional currency."""

    bot: str
    state: str
    broker: str
    trading_mode: str
    float_allocation: str | None
    float_deviation_pct: str | None
    holdings_balance: str | None
    holdings_deviation_pct: str | None
    rebalance_triggers: list[str]
    defense_mode_active: bool | None
    kill_switch_armed: bool | None
    kill_switch_triggered: bool | None
    daily_pnl: str | None
    cumulative_pnl: str | None
    win_rate_pct: str | None
    cumulative_win_rate_pct: str | None
    daily_loss_threshold: str | None
    open_positions: int | None
    max_allowed_trades: int | None
    api_status: ApiHealth
    strategy_running: str
    last_trade_id: str | None
    last_error_event: ErrorEvent | None
    alert_counts: dict[str, int]
    strategies: list[StrategyStatus]
    universe_cache_status: CacheStatus
    user_session_status: str | None
    holdings_compliance: Compliance
    # beyond the contract: what the dashboard shows beside it
    paused: bool
    pause_reason: str | None
    unrealised_pnl: str | None
    equity: str | None
    cash: str | None
    trades_today: int | None
    wins_today: int | None
    trades_ever: int | None
    wins_ever: int | None
    trading_since: str | None
    open_orders: int | None
    api_latency_ms: int | None
    state_reason: str
    state_since: str
    simulated: bool
    market_speed: str | None
    market_seed: int | None
    session_open_at: str | None
    session_close_at: str | None
    market_open: bool | None
    market_note: str | None
    holdings_note: str
    tied_out_at: str | None
    tied_out: bool | None
    trial_balance_ok: bool | None
    generation: int


class StatusDocument(Message):
    """`/status/api` and `status.json`; `as_of` is wall time, `market_time` the market's own."""

    as_of: str
    market_time: str | None
    summary: Summary
    bots: list[BotStatus]


class EquityPoint(Message):
    """Equity at a market time."""

    at: str
    equity: str


class DayResult(Message):
    """One exchange session of the strategy book, fees taken off."""

    day: str
    pnl: str
    fees: str
    trades: int
    wins: int


class AskSeries(Message):
    """How many of the newest points or sessions to return."""

    limit: int = 400


class EquitySeries(Message):
    """Oldest first."""

    items: list[EquityPoint]


class DaySeries(Message):
    """Oldest first."""

    items: list[DayResult]


class MetricsText(Message):
    """Prometheus exposition text of the runner."""

    text: str
