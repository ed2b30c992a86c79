"""The status document holds every field that was promised, and says null where nothing is known."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tbot_bot.api.status import (
    ApiHealth,
    CacheStatus,
    ConditionShown,
    ErrorEvent,
    StatusDocument,
    StrategyStatus,
    TieOut,
)
from tbot_bot.domain.defense import Cause, Defense
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.market import Session
from tbot_bot.domain.money import Money
from tbot_bot.domain.trades import Result
from tbot_bot.monitoring.status_bot import BotFacts, SystemFacts, build_document
from tbot_bot.monitoring.watchdog_bot import Judgement

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MARKET = datetime(2013, 10, 4, 14, 0, tzinfo=UTC)
SESSION = Session(date(2013, 10, 4), datetime(2013, 10, 4, 13, 30, tzinfo=UTC), datetime(2013, 10, 4, 20, tzinfo=UTC))

#: What others rely on: the documented names of the document, its summary and its bots.
PROMISED = ["as_of", "market_time", "summary", "bots"]
PROMISED_SUMMARY = [
    "overall_status",
    "reasons",
    "defense_mode_active",
    "total_bots_active",
    "bots_in_kill_switch",
    "active_strategy",
    "open_trades_total",
    "universe_cache_status",
    "holdings_compliance",
    "system_uptime_s",
]
PROMISED_BOT = [
    "bot",
    "state",
    "broker",
    "trading_mode",
    "float_allocation",
    "float_deviation_pct",
    "holdings_balance",
    "holdings_deviation_pct",
    "rebalance_triggers",
    "defense_mode_active",
    "kill_switch_armed",
    "kill_switch_triggered",
    "daily_pnl",
    "cumulative_pnl",
    "win_rate_pct",
    "cumulative_win_rate_pct",
    "daily_loss_threshold",
    "open_positions",
    "max_allowed_trades",
    "api_status",
    "strategy_running",
    "last_trade_id",
    "last_error_event",
    "alert_counts",
    "strategies",
    "universe_cache_status",
    "user_session_status",
    "holdings_compliance",
]


def result(pnl: str, closed: int, wins: int) -> Result:
    return Result(Money.of(pnl) + Money.of("2"), Money.of("2"), closed, wins)


SYSTEM = SystemFacts(
    now=NOW,
    started_at=NOW - timedelta(hours=2, seconds=3.9),
    state=State.TRADING,
    state_reason="strategy open",
    state_since=NOW - timedelta(minutes=1),
    generation=42,
    last_error=ErrorEvent(at="2026-03-02T08:00:00Z", kind="ValueError", message="no"),
    alert_counts={"warning": 1, "error": 2, "critical": 0},
    session_alerts={"warning": 1, "error": 0, "critical": 0},
)
KNOWN = BotFacts(
    name="RIGD_US_SIM_001",
    broker="Simulated market",
    simulated=True,
    market_speed="120",
    market_seed=7,
    float_allocation=Money.of("50000"),
    float_deviation_pct=Decimal("-12.50"),
    defense=Defense(),
    float_in_force=Money.of("50000"),
    armed=True,
    triggered=False,
    paused_because=None,
    today=result("-12.5", 4, 1),
    ever=result("1000", 8, 6),
    trading_since=SESSION.open_at,
    threshold=Money.of("1000"),
    loss_share=Decimal("0.00925"),
    unrealised=Money.of("3.25"),
    equity=Money.of("100003.25"),
    cash=Money.of("90000"),
    open_positions=2,
    open_orders=4,
    unresolved=0,
    max_trades=10,
    api=Judgement(ApiHealth.HEALTHY, "", NOW - timedelta(minutes=5), p95_ms=9, last_ms=3),
    strategy="open",
    strategies=[
        StrategyStatus(name="open", enabled=True, window="trading", trades_today=4, win_rate_pct="25", realised_pnl="1")
    ],
    last_trade_id="T-2013-1",
    session=SESSION,
    market_time=MARKET,
    market_open=True,
    market_note=None,
    tied_out_at=NOW,
    tied_out=True,
    tie_out=TieOut(at="2026-03-02T09:00:00Z", verified=True, clean=True, sentences=[], differences=[]),
    trial_balance_ok=True,
    universe=CacheStatus.UP_TO_DATE,
    conditions=(),
    troubles=(),
)
DEFENDED = Defense({Cause.LOSS: "60 % of the daily loss limit is used"}, NOW, MARKET)
UNKNOWN = replace(
    KNOWN,
    float_in_force=None,
    loss_share=None,
    market_speed=None,
    market_seed=None,
    float_allocation=None,
    float_deviation_pct=None,
    triggered=None,
    today=None,
    ever=result("0", 0, 0),
    trading_since=None,
    threshold=None,
    unrealised=None,
    equity=None,
    cash=None,
    api=Judgement(ApiHealth.UNKNOWN, "the bot has not reported yet", NOW),
    strategy=None,
    strategies=[],
    last_trade_id=None,
    session=None,
    market_time=None,
    market_open=None,
    tied_out_at=None,
    tied_out=None,
    tie_out=None,
    trial_balance_ok=None,
    universe=CacheStatus.UNKNOWN,
)


def written(bot: BotFacts, system: SystemFacts = SYSTEM) -> dict[str, Any]:
    """The document as others read it."""
    return StatusDocument.model_validate_json(build_document(system, bot).model_dump_json()).model_dump(mode="json")


@pytest.mark.parametrize("facts", [KNOWN, UNKNOWN], ids=["known", "unknown"])
def test_every_promised_field_is_there(facts: BotFacts) -> None:
    document = written(facts)
    assert set(PROMISED) <= document.keys()
    assert set(PROMISED_SUMMARY) <= document["summary"].keys()
    assert set(PROMISED_BOT) <= document["bots"][0].keys()


def test_what_is_known_is_told() -> None:
    document = written(KNOWN)
    bot = document["bots"][0]
    assert (document["as_of"], document["market_time"]) == ("2026-03-02T09:00:00Z", "2013-10-04T14:00:00Z")
    assert document["summary"] == {
        "overall_status": "OK",
        "reasons": [],
        "defense_mode_active": False,
        "total_bots_active": 1,
        "bots_in_kill_switch": "0/1",
        "active_strategy": "open",
        "open_trades_total": 2,
        "universe_cache_status": "up-to-date",
        "holdings_compliance": "OK",
        "system_uptime_s": 7203,
    }
    money = {name: bot[name] for name in bot if name in ("float_allocation", "daily_pnl", "equity", "cash")}
    assert {name: Money.of(text) for name, text in money.items()} == {
        "float_allocation": Money.of("50000"),
        "daily_pnl": Money.of("-12.5"),
        "equity": Money.of("100003.25"),
        "cash": Money.of("90000"),
    }
    assert (Decimal(bot["win_rate_pct"]), Decimal(bot["cumulative_win_rate_pct"])) == (25, 75)
    assert (bot["trades_today"], bot["wins_today"], bot["trades_ever"], bot["wins_ever"]) == (4, 1, 8, 6)
    assert (bot["state"], bot["state_reason"], bot["state_since"]) == (
        "trading",
        "strategy open",
        "2026-03-02T08:59:00Z",
    )
    assert bot["alert_counts"] == {"warning": 1, "error": 2, "critical": 0}
    assert bot["alert_counts_session"] == {"warning": 1, "error": 0, "critical": 0}
    assert bot["last_error_event"]["kind"] == "ValueError"
    assert (bot["session_open_at"], bot["session_close_at"]) == ("2013-10-04T13:30:00Z", "2013-10-04T20:00:00Z")
    assert bot["user_session_status"] is None
    api = [bot[name] for name in ("api_status", "api_reason", "api_since", "api_p95_ms", "api_latency_ms")]
    assert api == ["healthy", None, "2026-03-02T08:55:00Z", 9, 3]


def test_what_is_wrong_with_the_interface_is_told_in_the_reasons() -> None:
    document = written(replace(KNOWN, api=Judgement(ApiHealth.DEGRADED, "one answer in twenty is slow", NOW)))
    assert document["summary"]["reasons"] == ["the broker's interface is degraded: one answer in twenty is slow"]
    assert document["bots"][0]["api_reason"] == "one answer in twenty is slow"


def test_defense_mode_is_told_with_its_causes_and_the_parts_of_the_loss() -> None:
    document = written(replace(KNOWN, defense=DEFENDED))
    bot = document["bots"][0]
    assert (bot["defense_mode_active"], bot["defense_since"], bot["defense_calm_since"]) == (
        True,
        "2026-03-02T09:00:00Z",
        "2013-10-04T14:00:00Z",
    )
    assert bot["defense_reasons"] == ["60 % of the daily loss limit is used"]
    assert document["summary"]["reasons"] == ["defense mode is active, 60 % of the daily loss limit is used"]
    assert (bot["daily_pnl"], bot["unrealised_pnl"], bot["day_result"]) == ("-12.5", "3.25", "-9.25")
    assert (bot["loss_limit_used_pct"], bot["float_in_force"]) == ("0.9", "50000")


def test_unknown_is_null_and_never_zero() -> None:
    document = written(UNKNOWN)
    bot = document["bots"][0]
    nulls = [
        "float_allocation",
        "float_deviation_pct",
        "holdings_balance",
        "holdings_deviation_pct",
        "kill_switch_triggered",
        "daily_pnl",
        "win_rate_pct",
        "cumulative_win_rate_pct",
        "daily_loss_threshold",
        "last_trade_id",
        "unrealised_pnl",
        "day_result",
        "loss_limit_used_pct",
        "float_in_force",
        "defense_since",
        "equity",
        "cash",
        "trades_today",
        "wins_today",
        "trading_since",
        "api_latency_ms",
        "api_p95_ms",
        "market_speed",
        "market_seed",
        "session_open_at",
        "session_close_at",
        "market_open",
        "tied_out_at",
        "tied_out",
        "trial_balance_ok",
    ]
    assert [name for name in nulls if bot[name] is not None] == []
    assert document["market_time"] is None
    assert document["summary"]["overall_status"] == "Warning"
    assert document["summary"]["total_bots_active"] == 0
    assert len(document["summary"]["reasons"]) == 3
    assert (bot["strategy_running"], document["summary"]["active_strategy"]) == ("idle", "idle")


def test_every_fact_is_shown() -> None:
    """A fact that changes nothing in the document would be gathered for nobody."""
    changed: dict[str, object] = {
        **{field.name: getattr(UNKNOWN, field.name) for field in fields(BotFacts)},
        "name": "other",
        "broker": "other",
        "simulated": False,
        "defense": DEFENDED,
        "float_in_force": Money.of(1),
        "armed": False,
        "paused_because": "lunch",
        "open_positions": 3,
        "open_orders": 5,
        "unresolved": 1,
        "max_trades": 11,
        "market_note": "the replay is over",
        "conditions": [
            ConditionShown(name="split", sentence="s", since="t", next_step="n", blocks_entries=False),
        ],
        "troubles": ("broker and books disagree",),
    }
    base = written(KNOWN)
    assert [name for name, value in changed.items() if written(replace(KNOWN, **{name: value})) == base] == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "status", "kills"),
    [
        ({"triggered": True}, "Critical", "1/1"),
        ({"triggered": None}, "Warning", "0/1"),
        ({"api": Judgement(ApiHealth.DOWN, "silent", NOW)}, "Critical", "0/1"),
        ({"api": Judgement(ApiHealth.DEGRADED, "slow", NOW)}, "Warning", "0/1"),
        ({"defense": DEFENDED}, "Warning", "0/1"),
        ({"troubles": ("cash is off by 3.00",)}, "Warning", "0/1"),
        ({"universe": CacheStatus.MISSING}, "Critical", "0/1"),
    ],
)
def test_the_overall_status_is_the_worst(changes: dict[str, Any], status: str, kills: str) -> None:
    summary = written(replace(KNOWN, **changes))["summary"]
    assert (summary["overall_status"], summary["bots_in_kill_switch"]) == (status, kills)
    assert len(summary["reasons"]) == 1


def test_a_pause_is_told_with_its_reason() -> None:
    bot = written(replace(KNOWN, paused_because="lunch"))["bots"][0]
    assert (bot["paused"], bot["pause_reason"]) == (True, "lunch")
