"""What a runner in the middle of a session would answer: figures that agree with each other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tbot_bot.api import control, logs, status, trades
from tbot_bot.api.control import Act
from tbot_bot.api.errors import ApiError
from tbot_bot.api.status import ApiHealth, BotStatus, CacheStatus, Compliance, Severity, StatusDocument, Summary
from tbot_bot.domain.time import from_rfc3339, to_rfc3339
from tests.unit.web_dashboard import (
    canned_audit,
    canned_backups,
    canned_journal,
    canned_notifications,
    canned_orders,
    canned_people,
)

MARKET_TIME = datetime(2010, 11, 22, 15, 2, 11, tzinfo=UTC)
AS_OF = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC)

STRATEGIES = [
    status.StrategyStatus(
        name="open", enabled=True, window="entries", trades_today=6, win_rate_pct="66.7", realised_pnl="396.58"
    ),
    status.StrategyStatus(
        name="mid", enabled=True, window="waits", trades_today=0, win_rate_pct=None, realised_pnl="0"
    ),
    status.StrategyStatus(
        name="close", enabled=False, window="waits", trades_today=0, win_rate_pct=None, realised_pnl="0"
    ),
]


def bot(**changes: Any) -> BotStatus:
    """A bot in the middle of a session, with `changes`."""
    return BotStatus(
        bot="RIGD_US_SIM_001", state="trading", broker="SIM", trading_mode="SINGLE",
        float_allocation="50000", float_deviation_pct="-1.3", holdings_balance=None, holdings_deviation_pct=None,
        rebalance_triggers=[], defense_mode_active=False, kill_switch_armed=True, kill_switch_triggered=False,
        daily_pnl="412.5", cumulative_pnl="8941.27", win_rate_pct="66.67", cumulative_win_rate_pct="54.21",
        daily_loss_threshold="2500", open_positions=3, max_allowed_trades=20, api_status=ApiHealth.HEALTHY,
        strategy_running="open", last_trade_id="T-20101122-0009", last_error_event=None, alert_counts={"warning": 2},
        strategies=STRATEGIES, universe_cache_status=CacheStatus.UP_TO_DATE, user_session_status=None,
        holdings_compliance=Compliance.OK, paused=False, pause_reason=None, unrealised_pnl="15.92",
        equity="108941.27", cash="61204.1", trades_today=9, wins_today=6, trades_ever=214, wins_ever=116,
        trading_since="2010-10-04T13:30:00Z", open_orders=3, api_latency_ms=4, state_reason="the entry window is open",
        state_since="2026-11-22T13:41:00Z", simulated=True, market_speed="60", market_seed=7,
        session_open_at="2010-11-22T14:30:00Z", session_close_at="2010-11-22T21:00:00Z", market_open=True,
        market_note=None, holdings_note="holdings are not set up", tied_out_at="2026-11-22T14:01:50Z", tied_out=True,
        trial_balance_ok=True, generation=42,
    ).model_copy(update=changes)  # fmt: skip


def document(as_of: datetime = AS_OF, summary: dict[str, Any] | None = None, **changes: Any) -> StatusDocument:
    """The status document around `bot(**changes)`."""
    head = Summary(
        overall_status=Severity.WARNING, reasons=["the universe is 26 hours old"], defense_mode_active=False,
        total_bots_active=1, bots_in_kill_switch="0/1", active_strategy="open", open_trades_total=3,
        universe_cache_status=CacheStatus.STALE, holdings_compliance=Compliance.OK, system_uptime_s=8040,
    ).model_copy(update=summary or {})  # fmt: skip
    return StatusDocument(
        as_of=to_rfc3339(as_of), market_time=to_rfc3339(MARKET_TIME), summary=head, bots=[bot(**changes)]
    )


def unknown_document(as_of: datetime = AS_OF) -> StatusDocument:
    """A bot of which nothing is known yet."""
    empty = dict.fromkeys(
        ("float_allocation", "float_deviation_pct", "daily_pnl", "cumulative_pnl", "win_rate_pct", "equity", "cash",
         "cumulative_win_rate_pct", "daily_loss_threshold", "open_positions", "max_allowed_trades", "last_trade_id",
         "defense_mode_active", "kill_switch_armed", "kill_switch_triggered", "unrealised_pnl", "trades_today",
         "wins_today", "trades_ever", "wins_ever", "trading_since", "open_orders", "api_latency_ms", "session_open_at",
         "session_close_at", "market_open", "tied_out_at", "tied_out", "trial_balance_ok", "market_speed"),
    )  # fmt: skip
    return document(
        as_of, {"open_trades_total": None, "defense_mode_active": None}, **empty, state="stopped",
        api_status=ApiHealth.UNKNOWN, holdings_compliance=Compliance.UNKNOWN, strategies=[],
        market_note="the market waits for the first Start",
    ).model_copy(update={"market_time": None})  # fmt: skip


def trade(number: int, **changes: Any) -> trades.TradeRow:
    """A closed trade, the higher its number the later."""
    opened = MARKET_TIME - timedelta(days=3, minutes=-number)
    won = number % 3 != 0
    return trades.TradeRow(
        trade_id=f"T-20101119-{number:04d}", symbol=("SPY", "BAC", "IBM")[number % 3], strategy="open", side="long",
        quantity=str(10 + number), entry_price="167.27", exit_price="167.91" if won else "166.8", mark=None,
        stop_price="166.8", target_price="168.2", fees="0.48", realised_pnl="15.36" if won else "-12.4",
        unrealised_pnl=None, opened_at=to_rfc3339(opened), closed_at=to_rfc3339(opened + timedelta(minutes=19)),
        entry_reason="broke the opening range", close_reason="target" if won else "stop",
        closed_by="target" if won else "stop", entry_slippage="0.24", entry_slippage_bps="0.6",
        exit_slippage="-0.12", exit_slippage_bps="-0.3",
    ).model_copy(update=changes)  # fmt: skip


def open_trades() -> list[trades.TradeRow]:
    """Three open trades, one of which has no mark."""
    changes: dict[str, Any] = {
        **dict.fromkeys(("closed_at", "exit_price", "close_reason", "closed_by")),
        "realised_pnl": "-0.24",
        "opened_at": to_rfc3339(MARKET_TIME - timedelta(minutes=12)),
    }
    rows = [("SPY", "long", "167.91", "15.6"), ("BAC", "long", "13.94", "-12.16"), ("IBM", "short", None, None)]
    return [
        trade(7 + number, symbol=symbol, side=side, mark=mark, unrealised_pnl=pnl,
              trade_id=f"T-20101122-{7 + number:04d}", **changes)
        for number, (symbol, side, mark, pnl) in enumerate(rows)
    ]  # fmt: skip


def detail() -> trades.TradeDetail:
    """A closed trade with its two fills and the postings of both."""
    closed = trade(8, quantity="24")
    fills = [
        trades.FillRow(
            execution_id=f"X-{number}", client_order_id=f"RIGD-open-SPY-20101119-8-{role}", role=role, side=side,
            quantity="24", price=price, fee="0.24", at=at,
        )
        for number, role, side, price, at in (
            (1, "entry", "buy", "167.27", closed.opened_at), (2, "exit", "sell", "167.91", closed.closed_at or ""),
        )
    ]  # fmt: skip
    legs = (
        (501, 31, "1100", "Cash", "-4014.72", None), (501, 31, "1300", "Positions, strategy", "4014.48", "24"),
        (501, 31, "5100", "Fees", "0.24", None), (502, 32, "1100", "Cash", "4029.6", None),
        (502, 32, "1300", "Positions, strategy", "-4014.48", "-24"), (502, 32, "5100", "Fees", "0.24", None),
        (502, 32, "4100", "Realised result", "-15.36", None),
    )  # fmt: skip
    postings = [
        trades.PostingRow(
            event_seq=event, txn_id=txn, account=account, account_name=name, value=value, quantity=quantity,
            commodity="SPY" if quantity else None,
        )
        for event, txn, account, name, value, quantity in [(e, t, a, n, v, q) for t, e, a, n, v, q in legs]
    ]  # fmt: skip
    return trades.TradeDetail(trade=closed, fills=fills, postings=postings)


def bars() -> trades.TradeBars:
    """An hour and a half around `detail`, with a stop that moved once."""
    opened = from_rfc3339(trade(8).opened_at)
    rows = []
    for number in range(-45, 66):
        middle = Decimal("167.27") + Decimal(number % 17 - 8) / 100 + Decimal(max(0, number)) / 40
        close = middle + Decimal("0.05") * (1 if number % 2 else -1)
        rows.append(
            trades.BarRow(
                at=to_rfc3339(opened + timedelta(minutes=number)), open=str(middle), high=str(middle + Decimal("0.09")),
                low=str(middle - Decimal("0.11")), close=str(close), volume="1200",
            )
        )  # fmt: skip
    moved = to_rfc3339(opened + timedelta(minutes=9, seconds=20))
    stops = [trades.StopMove(at=to_rfc3339(opened), price="166.8"), trades.StopMove(at=moved, price="167.1")]
    return trades.TradeBars(trade_id="T-20101119-0008", symbol="SPY", bars=rows, stops=stops)


def equity(points: int = 200) -> status.EquitySeries:
    """A curve that climbs, with a dip in the middle."""
    items, value = [], Decimal(100000)
    for number in range(points):
        value += Decimal((number * 7919) % 401 - 142) - (260 if 90 < number < 110 else 0)
        at = datetime(2010, 10, 4, 14, tzinfo=UTC) + timedelta(hours=6 * number)
        items.append(status.EquityPoint(at=to_rfc3339(at), equity=str(value)))
    if items:
        items[-1] = items[-1].model_copy(update={"equity": "108941.27"})
    return status.EquitySeries(items=items)


def days(count: int = 34) -> status.DaySeries:
    """Sessions with profits and losses."""
    first = date(2010, 10, 4)
    return status.DaySeries(
        items=[
            status.DayResult(
                day=(first + timedelta(days=number)).isoformat(),
                pnl=str(Decimal((number * 733) % 911 - 380)), fees="2.4", trades=6, wins=number % 5,
            )
            for number in range(count)
        ]
    )  # fmt: skip


def control_state(acts: list[Act] | None = None, **changes: Any) -> control.ControlState:
    """A running bot's controls."""
    return control.ControlState(
        state="trading", paused=False, kill_armed=True, kill_triggered=False,
        acts=[Act.PAUSE, Act.STOP, Act.KILL] if acts is None else acts, closing=None, error=None,
        last_good_state=None,
    ).model_copy(update=changes)  # fmt: skip


def closing() -> control.ClosingReport:
    """A kill on its way, with one position that resists."""
    steps = [("Entries blocked", "done", "no new order", 0.1), ("Orders cancelled", "done", "3 of 3", 1.2),
             ("Positions flattened", "running", "2 of 3", None), ("Books posted", "waiting", "", None)]  # fmt: skip
    return control.ClosingReport(
        kind="kill",
        started_at="2026-11-22T14:02:00Z",
        ended_at=None,
        steps=[
            control.ClosingStep(name=name, status=what, detail=said, seconds=took) for name, what, said, took in steps
        ],
        residuals=[control.PreviewLine(what="position", symbol="IBM", quantity="-18", value="3301.2")],
    )


def preview(act: Act, **changes: Any) -> control.Preview:
    """What an act would do to the three open trades."""
    positions = [
        control.PreviewLine(what="long", symbol="SPY", quantity="17", value="2854.47"),
        control.PreviewLine(what="short", symbol="IBM", quantity="19", value=None),
    ]
    orders = [control.PreviewLine(what="stop, sell", symbol="SPY", quantity="17", value="2835.6")]
    words = {
        Act.KILL: ("Kill: flatten 2 positions", "Close 2 positions at market, about 2,854.47 USD and one unpriced."),
        Act.STOP: ("Stop: close 2 positions", "No new entries; exits of 2 positions are worked until flat."),
        Act.RESET: ("Reset the kill switch", "Trading may be started again."),
    }
    title, sentence = words.get(
        act, (f"{act.value.replace('_', ' ').capitalize()} entries", "It takes effect at once.")
    )
    return control.Preview(
        act=act, allowed=True, title=title, sentence=sentence,
        effects=["Working entries are cancelled.", "Protective orders are replaced by market exits.",
                 "Holdings are not touched."],
        positions=positions, orders=orders, gross_value="2854.47",
        typed_confirmation="RIGD_US_SIM_001" if act is Act.RESET else None, needs_step_up=act is Act.RESET,
    ).model_copy(update=changes)  # fmt: skip


LOG_ERRORS = logs.ErrorEntries(
    items=[
        logs.ErrorEntry(
            kind="StoreError", where='File "work.py", line 5, in work', message="failed", source="bot", count=1_204,
            first_at="2026-11-22T13:00:00Z", last_at="2026-11-22T14:00:00Z",
        ),
    ]
)  # fmt: skip
LOG_NAMES = logs.LogNames(
    items=[
        logs.LogName(name="open.log", title="Strategy open", size_bytes=48_213),
        logs.LogName(name="system.log", title="System", size_bytes=1_204_882),
    ]
)


def log_line(number: int, level: str = "info", message: str = "order acknowledged") -> logs.LogLine:
    """A line at position `number`."""
    return logs.LogLine(
        position=number, at=to_rfc3339(AS_OF + timedelta(seconds=number)), level=level, source="orders",
        message=message, fields={"symbol": "SPY", "order": f"RIGD-open-SPY-{number}"},
    )  # fmt: skip


def log_page(asked: logs.AskLog, lines: list[logs.LogLine]) -> logs.LogPage:
    """`lines` as the runner would cut and filter them; positions are their numbers."""
    kept = [
        line
        for line in lines
        if (asked.level is None or line.level == asked.level)
        and (asked.text is None or asked.text in line.message)
        and (asked.before is None or line.position < asked.before)
        and (asked.after is None or line.position >= asked.after)
    ]
    cut = kept[: asked.limit] if asked.after is not None else kept[-asked.limit :]
    older = cut[0].position if cut and cut[0] is not kept[0] and asked.after is None else None
    return logs.LogPage(items=cut, before=older, after=lines[-1].position + 1 if lines else 0)


Answers = dict[str, Callable[[Any, Any], Any] | ApiError]


def no_trades(asked: trades.AskNoTrades) -> trades.NoTradePage:
    """Thirty reasons, newest first, by pages."""
    found = [
        trades.NoTradeRow(
            session_day="2010-11-22",
            at=f"2010-11-22T15:{number:02}:00Z",
            strategy="open" if number % 2 else "mid",
            symbol="TEC",
            stage=("filter", "signal", "risk", "gate", "order")[number % 5],
            check="volume",
            reason=f"closed beyond the range at 75.{number:02} on 0.55 of the mean minute's volume, less than 0.8",
        )
        for number in range(30, 0, -1)
    ]
    kept = [row for row in found if asked.strategy in (None, row.strategy) and asked.symbol in (None, row.symbol)]
    start = int(asked.cursor or 0)
    end = start + asked.limit
    return trades.NoTradePage(items=kept[start:end], next=str(end) if end < len(kept) else None)


def answers() -> Answers:
    """Answers of every verb that the dashboard asks, for CannedRunner.special."""
    closed = [trade(number) for number in range(1, 121)]
    lines = [
        log_line(number, *(("warning", "price is 4 s old") if number % 17 == 0 else ("info", "order acknowledged")))
        for number in range(1, 900)
    ]

    def page(_caller: Any, asked: trades.AskTrades) -> trades.TradePage:
        found = [
            row
            for row in reversed(closed)
            if asked.symbol in (None, row.symbol)
            and asked.strategy in (None, row.strategy)
            and asked.reason in (None, row.closed_by)
            and (asked.day is None or (row.closed_at or "").startswith(asked.day))
        ]
        start = int(asked.cursor or 0)
        end = start + asked.limit
        return trades.TradePage(items=found[start:end], next=str(end) if end < len(found) else None)

    return (
        {
            "status.document": lambda *_: document(),
            "status.equity": lambda *_: equity(),
            "status.days": lambda *_: days(),
            "trades.open": lambda *_: trades.TradePage(items=open_trades()),
            "trades.closed": page,
            "trades.no_trades": lambda _caller, asked: no_trades(asked),
            "trades.detail": lambda *_: detail(),
            "trades.bars": lambda *_: bars(),
            "logs.names": lambda *_: LOG_NAMES,
            "logs.errors": lambda *_: LOG_ERRORS,
            "logs.read": lambda _caller, asked: log_page(asked, lines),
            "control.state": lambda *_: control_state(),
            "control.preview": lambda _caller, asked: preview(asked.act),
        }
        | canned_backups.answers()
        | canned_audit.answers()
        | canned_journal.answers()
        | canned_people.ANSWERS
        | canned_notifications.answers()
        | canned_orders.answers()
    )
