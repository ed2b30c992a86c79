"""The status document as the pages show it: words, marks and reasons; no figure is computed here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tbot_bot.api.lifecycle import PHASES, Phase, State
from tbot_bot.api.status import ApiHealth, BotStatus, CacheStatus, Compliance, Severity, StatusDocument, StrategyStatus
from tbot_bot.api.wording import counted
from tbot_web.support import figures
from tbot_web.support.figures import Shown

OK, WARN, BAD, OFF, UNKNOWN = "ok", "warn", "bad", "off", "unknown"

_SEVERITY = {Severity.OK: OK, Severity.WARNING: WARN, Severity.CRITICAL: BAD}
_API = {ApiHealth.HEALTHY: OK, ApiHealth.DEGRADED: WARN, ApiHealth.DOWN: BAD, ApiHealth.UNKNOWN: UNKNOWN}
_CACHE = {
    CacheStatus.UP_TO_DATE: OK,
    CacheStatus.STALE: WARN,
    CacheStatus.MISSING: BAD,
    CacheStatus.UNKNOWN: UNKNOWN,
}
_COMPLIANCE = {
    Compliance.OK: OK,
    Compliance.WARNING: WARN,
    Compliance.OUT_OF_SPEC: BAD,
    Compliance.UNKNOWN: UNKNOWN,
}
NO_MARKS = "a price is not known"
NO_BOOKS = "the books have not been read yet"
NO_TRADES = "no trade has closed yet"


@dataclass(frozen=True, slots=True)
class Cell:
    """One named value; `mark` is a kind of status, `reason` says why it is missing or what it rests on."""

    label: str
    shown: Shown | None
    mark: str = ""
    reason: str = ""
    mono: bool = False


def severity_kind(document: StatusDocument) -> str:
    """The kind of mark of the overall status."""
    return _SEVERITY[document.summary.overall_status]


def running(bot: BotStatus) -> Cell:
    """Whether it runs, which the overall status does not tell: a stopped bot is as well as a trading one."""
    state = State(bot.state)
    words = _state_words(bot.state)
    if PHASES[state] is Phase.CLOSING:
        return Cell("Running", Shown(words), WARN, bot.state_reason)
    if state is State.STOPPED or PHASES[state] is not Phase.MAIN:
        return Cell("Running", Shown(f"no, {words}"), BAD if state is State.ERROR else OFF, bot.state_reason)
    if bot.paused:
        return Cell("Running", Shown(f"yes, entries paused in {words}"), WARN, bot.pause_reason or "")
    return Cell("Running", Shown(f"yes, {words}"), OK, bot.state_reason)


def _state_words(state: str) -> str:
    return state.replace("_", " ")


def summary_cells(document: StatusDocument) -> list[Cell]:
    """Whether it runs, then the nine fields of the System Session Summary, in the order of importance."""
    summary = document.summary
    active = summary.total_bots_active
    return [
        *map(running, document.bots),
        Cell("Overall", Shown(summary.overall_status), severity_kind(document), "; ".join(summary.reasons)),
        Cell("Active strategy", Shown(summary.active_strategy)),
        Cell("Open trades", figures.whole(summary.open_trades_total), reason=NO_BOOKS),
        Cell("Bots", Shown(f"{active} active")),
        Cell("In kill switch", Shown(summary.bots_in_kill_switch)),
        _switch("Defense mode", on=summary.defense_mode_active, kind=WARN),
        Cell("Universe", Shown(summary.universe_cache_status), _CACHE[summary.universe_cache_status]),
        Cell("Holdings", Shown(summary.holdings_compliance), _COMPLIANCE[summary.holdings_compliance]),
        Cell("Uptime", Shown(figures.duration(summary.system_uptime_s))),
    ]


def overview(bot: BotStatus) -> list[tuple[str, list[Cell]]]:
    """The fields of the System Status Overview in three groups."""
    return [
        ("Money and results", _money_cells(bot)),
        ("Risk and limits", _risk_cells(bot)),
        ("Operation", _operation_cells(bot)),
    ]


def _money_cells(bot: BotStatus) -> list[Cell]:
    return [
        Cell("Float allocation, USD", figures.money(bot.float_allocation), reason="no session has opened yet"),
        Cell("Holdings balance, USD", figures.money(bot.holdings_balance), reason=bot.holdings_note),
        Cell("Holdings deviation", figures.percent(bot.holdings_deviation_pct, sign=True), reason=bot.holdings_note),
        Cell("Daily PnL, USD", figures.money(bot.daily_pnl, sign=True), reason=NO_MARKS),
        Cell("Cumulative PnL, USD", figures.money(bot.cumulative_pnl, sign=True), reason=NO_MARKS),
        Cell("Win rate", figures.percent(bot.win_rate_pct), reason="no trade has closed in this session"),
        Cell("Cumulative win rate", figures.percent(bot.cumulative_win_rate_pct), reason=NO_TRADES),
        Cell("Last trade", _text(bot.last_trade_id), reason="no trade yet", mono=True),
    ]


def _risk_cells(bot: BotStatus) -> list[Cell]:
    return [
        _switch("Defense mode active", on=bot.defense_mode_active, kind=WARN),
        *_kill_cells(bot),
        Cell("Daily loss threshold, USD", figures.money(bot.daily_loss_threshold), reason="needs the float"),
        Cell("Open positions", figures.whole(bot.open_positions), reason=NO_BOOKS),
        Cell("Max allowed trades", figures.whole(bot.max_allowed_trades), reason="settings have not been read yet"),
        Cell("Holdings compliance", Shown(bot.holdings_compliance), _COMPLIANCE[bot.holdings_compliance]),
    ]


def _operation_cells(bot: BotStatus) -> list[Cell]:
    error = bot.last_error_event
    said = f"{error.kind}: {error.message} ({figures.moment(error.at)} UTC)" if error else "none"
    session = bot.user_session_status
    return [
        Cell("Broker", Shown(bot.broker)),
        Cell("Trading mode", Shown(bot.trading_mode)),
        Cell("API status", Shown(api_words(bot)), _API[bot.api_status], bot.api_reason or ""),
        Cell("Strategy running", Shown(bot.strategy_running)),
        Cell("Last error event", Shown(said), WARN if error else ""),
        Cell("Universe cache status", Shown(bot.universe_cache_status), _CACHE[bot.universe_cache_status]),
        Cell("Your session", _text(session), OK if session == "active" else "", reason="it belongs to no viewer"),
    ]


def bot_cells(bot: BotStatus) -> list[Cell]:
    """The card beside the plot: what is running, and whether the books agree."""
    return [
        Cell("State", Shown(_state_words(bot.state) + (", paused" if bot.paused else "")), reason=bot.state_reason),
        Cell("In it since, UTC", Shown(figures.moment(bot.state_since, "short"))),
        Cell("API status", Shown(api_words(bot)), _API[bot.api_status], bot.api_reason or ""),
        Cell("API so since, UTC", _text(bot.api_since and figures.moment(bot.api_since, "short")),
             reason="not judged yet"),
        Cell("95 of 100 answers within", _milliseconds(bot.api_p95_ms), reason="too few calls to tell"),
        *_kill_cells(bot),
        _tied_out(bot),
        _trial_balance(bot),
        Cell("Alerts in this session", _alerts(bot.alert_counts_session), reason="no session has opened yet"),
        Cell("Open orders", figures.whole(bot.open_orders), reason=NO_BOOKS),
        Cell("Last trade", _text(bot.last_trade_id), reason="no trade yet", mono=True),
    ]  # fmt: skip


def strategy_cells(strategy: StrategyStatus) -> list[Cell]:
    """What a strategy does now, what became of its signals in this session, and why the last was let pass."""
    no_session = "no session has opened yet"
    signals = "" if strategy.left_alone is None else f"{counted(strategy.left_alone, 'signal')} left alone"
    if strategy.not_traded:
        signals += f" ({', '.join(f'{stage} {count}' for stage, count in sorted(strategy.not_traded.items()))})"
    return [
        Cell("Window now", Shown(strategy.window)),
        Cell("Open trades", figures.whole(strategy.open_trades), reason=NO_BOOKS),
        Cell("Closed today", figures.whole(strategy.trades_today), reason=no_session),
        Cell("Win rate", figures.percent(strategy.win_rate_pct), reason="no trade has closed in this session"),
        Cell("PnL, USD", figures.money(strategy.realised_pnl, sign=True), reason=no_session),
        Cell("Expectancy, USD", _per_trade(strategy.expectancy_ever, strategy), reason="no trade has closed yet"),
        Cell("Average R", _average_r(strategy), reason="no trade with a stop has closed yet"),
        Cell("Not traded", Shown(signals) if signals else None, reason=no_session),
        *([Cell("Last of them", Shown(strategy.last_left_alone))] if strategy.last_left_alone else []),
    ]


def _per_trade(expectancy: str | None, strategy: StrategyStatus) -> Shown | None:
    """The mean result of every trade so far, and of how many."""
    shown = figures.money(expectancy, sign=True)
    return shown and replace(shown, text=f"{shown.text} over {counted(strategy.trades_ever or 0, 'trade')}")


def _average_r(strategy: StrategyStatus) -> Shown | None:
    shown = figures.money(strategy.average_r_ever, sign=True)
    return shown and replace(shown, text=f"{shown.text} R")


def headline(bot: BotStatus) -> list[tuple[str, Shown | None, str, str]]:
    """The four key figures: label, value, a line of context, why it is missing."""
    return [
        ("Daily PnL, USD", figures.money(bot.daily_pnl, sign=True), _daily_note(bot), NO_MARKS),
        ("Cumulative PnL, USD", figures.money(bot.cumulative_pnl, sign=True), _since_note(bot), NO_MARKS),
        ("Win rate today", figures.percent(bot.win_rate_pct), _wins_note(bot), "no trade has closed in this session"),
        ("Equity, USD", figures.money(bot.equity), _equity_note(bot), NO_MARKS),
    ]


def api_words(bot: BotStatus) -> str:
    """The health of the broker's interface, with its latency where it is known."""
    return f"{bot.api_status}" + ("" if bot.api_latency_ms is None else f", {bot.api_latency_ms} ms")


def _alerts(counts: dict[str, int] | None) -> Shown | None:
    if counts is None:
        return None
    return Shown(", ".join(f"{count} {level}" for level, count in counts.items() if count) or "none")


def _milliseconds(value: int | None) -> Shown | None:
    return None if value is None else Shown(f"{value} ms")


def market_words(bot: BotStatus, market_time: str | None) -> str:
    """The exchange's clock and session: `4 Oct 2010 10:02 New York, open, closes in 5 h 58 min`."""
    if market_time is None:
        return bot.market_note or "market time not known"
    clock = f"{figures.new_york(market_time)} New York"
    if bot.market_open is None:
        return f"{clock}, session not known"
    until = bot.session_close_at if bot.market_open else bot.session_open_at
    word, verb = ("open", "closes") if bot.market_open else ("closed", "opens")
    left = f", {verb} in {figures.duration(figures.between(market_time, until))}" if until else ""
    return f"{clock}, {word}{left}"


def _switch(label: str, *, on: bool | None, kind: str) -> Cell:
    if on is None:
        return Cell(label, None, reason="not read yet")
    return Cell(label, Shown("on" if on else "off"), kind if on else "")


def _kill_cells(bot: BotStatus) -> list[Cell]:
    """Both questions, each answered by yes or no: the switch can be not armed without having been triggered."""
    armed, triggered = bot.kill_switch_armed, bot.kill_switch_triggered
    unreadable = "its file cannot be read"
    return [
        Cell("Kill switch armed", _yes_no(armed), WARN if armed is False else "",
             "" if armed else "no order can be sent" if armed is False else unreadable),
        Cell("Kill switch triggered", _yes_no(triggered), BAD if triggered else "",
             unreadable if triggered is None else ""),
    ]  # fmt: skip


def _yes_no(value: bool | None) -> Shown | None:  # noqa: FBT001 - the field's own three values
    return None if value is None else Shown("yes" if value else "no")


def _tied_out(bot: BotStatus) -> Cell:
    label = "Broker = books = ledger"
    if bot.tied_out is None or bot.tied_out_at is None:
        return Cell(label, Shown("not compared yet"), UNKNOWN)
    at = figures.moment(bot.tied_out_at, "time")
    if bot.tie_out and bot.tie_out.signed_by:
        return Cell(label, Shown(f"differ as signed, {at}"), WARN, bot.tie_out.signed_reason or "")
    return Cell(label, Shown(f"{'agree' if bot.tied_out else 'differ'}, {at}"), OK if bot.tied_out else BAD)


def _trial_balance(bot: BotStatus) -> Cell:
    if bot.trial_balance_ok is None:
        return Cell("Trial balance", Shown("not checked yet"), UNKNOWN)
    return Cell("Trial balance", Shown("sums to zero" if bot.trial_balance_ok else "does not sum to zero"),
                OK if bot.trial_balance_ok else BAD)  # fmt: skip


def _daily_note(bot: BotStatus) -> str:
    limit = figures.money(bot.daily_loss_threshold)
    return f"kill switch at {figures.MINUS}{limit.text}" if limit else "loss limit follows the float"


def _since_note(bot: BotStatus) -> str:
    if not bot.trading_since or bot.trades_ever is None:
        return "no trade has closed yet"
    return f"since {figures.moment(bot.trading_since, 'date')}, {counted(bot.trades_ever, 'trade')}"


def _wins_note(bot: BotStatus) -> str:
    ever = figures.percent(bot.cumulative_win_rate_pct)
    today = figures.share(bot.wins_today, bot.trades_today) if bot.trades_today else ""
    parts = [today and f"{today} today", f"{ever} of all {bot.trades_ever:,}" if ever and bot.trades_ever else ""]
    return " · ".join(part for part in parts if part) or "no trade has closed yet"


def _equity_note(bot: BotStatus) -> str:
    cash, floated = figures.money(bot.cash), figures.money(bot.float_allocation)
    parts = [f"cash {cash}" if cash else "", f"float {floated}" if floated else ""]
    return " · ".join(part for part in parts if part)


def _text(value: str | None) -> Shown | None:
    return None if value is None else Shown(value)
