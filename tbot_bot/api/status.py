"""The status document: every figure has one source; None is unknown, never zero. Field names are a contract."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

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

    at: str = Field(description="When it happened, UTC.")
    kind: str = Field(description="Name of the error.")
    message: str = Field(description="What happened, in a sentence.")


class Difference(Message):
    """One figure that differs: cash in the functional currency, else units of a symbol."""

    name: str = Field(description="cash, or the symbol.")
    broker: str | None = Field(description="What the broker has; null for one book of a symbol.")
    books: str | None = Field(description="What the books have; null for cash.")
    ledger: str = Field(description="What the ledger has.")
    difference: str = Field(description="Broker less books, or books less ledger where those agree.")


class TieOut(Message):
    """The newest comparison of broker, books and ledger; one that differs blocks entries until it is signed."""

    subject: str = Field(default="", description="What a signature names; empty where nothing could be read.")
    at: str = Field(description="When it was made, UTC.")
    verified: bool = Field(description="Whether everything could be read.")
    clean: bool = Field(description="Whether everything agrees.")
    sentences: list[str] = Field(description="What was found.")
    exceptions: list[str] = Field(default_factory=list, description="What a signature accepts, exactly.")
    differences: list[Difference] = Field(description="The figures that differ.")
    signed_by: str | None = Field(default=None, description="Who accepted exactly this difference.")
    signed_at: str | None = Field(default=None, description="When, UTC.")
    signed_reason: str | None = Field(default=None, description="Why.")


class ConditionShown(Message):
    """Something about the market, the account or the data that is not as it should be."""

    name: str = Field(description="Its name.")
    sentence: str = Field(description="What was found.")
    since: str = Field(description="Since when it stands, UTC.")
    next_step: str = Field(description="What to do about it.")
    blocks_entries: bool = Field(description="Whether no entry is made meanwhile.")


class StrategyStatus(Message):
    """One strategy's part."""

    name: str = Field(description="The strategy.")
    enabled: bool = Field(description="Whether it may trade.")
    window: str = Field(description="The part of its day it is in: idle, analyzing, trading or monitoring.")
    trades_today: int | None = Field(description="Trades it closed in this exchange session.")
    paused_because: str | None = Field(default=None, description="Why a person holds its entries back; null if not.")
    win_rate_pct: str | None = Field(description="Share of them that won, in percent.")
    realised_pnl: str | None = Field(description="Result of them, fees taken off.")
    open_trades: int | None = Field(default=None, description="Trades it holds now.")
    left_alone: int | None = Field(default=None, description="Signals it let pass in this session.")
    last_left_alone: str | None = Field(default=None, description="The last of them, and why.")
    not_traded: dict[str, int] = Field(
        default_factory=dict, description="Signals it let pass in this session, by the stage that stopped them."
    )
    expectancy: str | None = Field(default=None, description="Mean result of a trade closed in this session.")
    average_r: str | None = Field(
        default=None, description="Mean result of those trades, in multiples of what each risked."
    )
    trades_ever: int | None = Field(default=None, description="Trades it closed since the first.")
    win_rate_ever_pct: str | None = Field(default=None, description="Share of all of them that won, in percent.")
    realised_pnl_ever: str | None = Field(default=None, description="Result of all of them, fees taken off.")
    expectancy_ever: str | None = Field(default=None, description="Mean result of all of them.")
    average_r_ever: str | None = Field(
        default=None, description="Mean result of all of them, in multiples of what each risked."
    )


class Summary(Message):
    """System Session Summary, the bar above the table; `reasons` say why it is not OK."""

    overall_status: Severity = Field(description="The worst condition of the whole system.")
    reasons: list[str] = Field(description="Why it is not OK, a sentence each.")
    defense_mode_active: bool | None = Field(description="Whether entries are smaller than usual.")
    total_bots_active: int = Field(description="Bots that are connected to their broker.")
    bots_in_kill_switch: str = Field(description="Bots whose kill switch is triggered, of all: 0/1.")
    active_strategy: str = Field(description="The strategy at work, or idle.")
    open_trades_total: int | None = Field(description="Open positions of all bots.")
    universe_cache_status: CacheStatus = Field(description="Freshness of the list of tradable symbols.")
    holdings_compliance: Compliance = Field(description="How far the holdings keep to their targets.")
    system_uptime_s: int = Field(description="Seconds since the control process started.")


class BotStatus(Message):
    """System Status Overview, one row a bot; money is decimal text in the functional currency."""

    bot: str = Field(description="Identity: entity, jurisdiction, broker and number.")
    state: str = Field(description="State of the lifecycle.")
    broker: str = Field(description="Code of the broker.")
    trading_mode: str = Field(description="How many bots trade: SINGLE.")
    float_allocation: str | None = Field(description="Money that the strategies may use in this session.")
    float_deviation_pct: str | None = Field(
        description="Money at work against the float, in percent of it; -100 at rest."
    )
    holdings_balance: str | None = Field(description="Value of the holdings book.")
    holdings_deviation_pct: str | None = Field(description="Holdings against their targets, in percent.")
    rebalance_triggers: list[str] = Field(description="What asks for a rebalance of the holdings.")
    defense_mode_active: bool | None = Field(description="Whether entries are smaller than usual.")
    kill_switch_armed: bool | None = Field(description="Whether it can be pulled; nothing trades otherwise.")
    kill_switch_triggered: bool | None = Field(description="Whether it was pulled and not reset since.")
    daily_pnl: str | None = Field(description="Realised result of this exchange session, fees taken off.")
    cumulative_pnl: str | None = Field(description="Realised result since the first trade, fees taken off.")
    win_rate_pct: str | None = Field(description="Share of this session's closed trades that won, in percent.")
    cumulative_win_rate_pct: str | None = Field(description="Share of all closed trades that won, in percent.")
    daily_loss_threshold: str | None = Field(description="Loss in one session that pulls the kill switch.")
    open_positions: int | None = Field(description="Open positions of the strategy book.")
    max_allowed_trades: int | None = Field(description="Most trades in one session.")
    api_status: ApiHealth = Field(description="How the broker's interface answers.")
    strategy_running: str = Field(description="The strategy at work, or idle.")
    last_trade_id: str | None = Field(description="The newest trade.")
    last_error_event: ErrorEvent | None = Field(description="The last critical warning or exception.")
    alert_counts: dict[str, int] = Field(description="Alerts by level since the start.")
    strategies: list[StrategyStatus] = Field(description="Each strategy's part.")
    universe_cache_status: CacheStatus = Field(description="Freshness of the list of tradable symbols.")
    user_session_status: str | None = Field(description="The viewer's own session; null in the published file.")
    holdings_compliance: Compliance = Field(description="How far the holdings keep to their targets.")
    # beyond the contract: what the dashboard shows beside it
    paused: bool = Field(description="Whether entries are paused.")
    pause_reason: str | None = Field(description="Why they are paused.")
    defense_since: str | None = Field(default=None, description="Since when defense mode is active, UTC.")
    defense_reasons: list[str] = Field(default_factory=list, description="What calls for it, or did last.")
    defense_calm_since: str | None = Field(
        default=None, description="Since when nothing calls for it any more, market time."
    )
    float_in_force: str | None = Field(
        default=None, description="What entries may use now: the float, scaled in defense mode."
    )
    unrealised_pnl: str | None = Field(description="Result of the open positions at present prices.")
    day_result: str | None = Field(default=None, description="Realised and unrealised result of this session together.")
    loss_limit_used_pct: str | None = Field(
        default=None,
        description="Loss of this session, realised and unrealised, in percent of the daily loss threshold.",
    )
    equity: str | None = Field(description="Cash and positions at present prices.")
    cash: str | None = Field(description="Cash in the account.")
    trades_today: int | None = Field(description="Trades closed in this session.")
    wins_today: int | None = Field(description="Those of them that won.")
    trades_ever: int | None = Field(description="Trades closed since the first.")
    wins_ever: int | None = Field(description="Those of them that won.")
    trading_since: str | None = Field(description="Open of the first session in which it could trade, market time.")
    open_orders: int | None = Field(description="Orders that work at the broker.")
    unresolved_orders: int | None = Field(default=None, description="Orders of which it is not known what became.")
    api_latency_ms: int | None = Field(description="Time of the last answer of the broker, in milliseconds.")
    alert_counts_session: dict[str, int] | None = Field(
        default=None, description="Alerts by level in this exchange session, or since the start if that was later."
    )
    api_p95_ms: int | None = Field(
        default=None, description="Time that 95 of 100 of its newest answers do not exceed, in milliseconds."
    )
    api_reason: str | None = Field(default=None, description="Why the broker's interface is not healthy.")
    api_since: str | None = Field(default=None, description="Since when the broker's interface is so, UTC.")
    state_reason: str = Field(description="Why the bot is in this state.")
    state_since: str = Field(description="Since when it is in this state, UTC.")
    simulated: bool = Field(description="Whether the market is the embedded simulated one.")
    market_speed: str | None = Field(description="Market seconds per second; null at a real market.")
    market_seed: int | None = Field(description="Seed of the synthetic prices; null where there is none.")
    session_open_at: str | None = Field(description="Opening of the exchange session, market time.")
    session_close_at: str | None = Field(description="Close of the exchange session, market time.")
    market_open: bool | None = Field(description="Whether the market is open.")
    market_note: str | None = Field(description="Why the market does not move, where it does not.")
    holdings_note: str = Field(description="What stands in the way of holdings, where something does.")
    tied_out_at: str | None = Field(description="When broker, books and ledger were last compared, UTC.")
    tied_out: bool | None = Field(description="Whether they agreed.")
    conditions: list[ConditionShown] = Field(
        default_factory=list, description="What is not as it should be, what blocks entries first."
    )
    tie_out: TieOut | None = Field(default=None, description="What the newest comparison found.")
    trial_balance_ok: bool | None = Field(description="Whether all postings of the ledger sum to zero.")
    generation: int = Field(description="Number of the present generation of keys and secrets.")


class StatusDocument(Message):
    """`/status/api` and `status.json`; `as_of` is wall time, `market_time` the market's own."""

    as_of: str = Field(description="When the document was made, wall time, UTC.")
    market_time: str | None = Field(description="The market's own time, UTC.")
    summary: Summary = Field(description="The whole system in one bar.")
    bots: list[BotStatus] = Field(description="One row for each bot.")


class EquityPoint(Message):
    """Equity at a market time."""

    at: str
    equity: str


class DayResult(Message):
    """One exchange session of the strategy book, fees taken off."""

    day: str = Field(description="The exchange session.")
    pnl: str = Field(description="Result of its closed trades, fees taken off.")
    fees: str = Field(description="Fees paid in it.")
    trades: int = Field(description="Trades closed in it.")
    wins: int = Field(description="Those of them that won.")


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
