"""The SQL of results by strategy and of the trades that were not made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from tbot_bot.domain.entries import Page
from tbot_bot.domain.intents import NoTrade, Stage
from tbot_bot.domain.money import UNITS_MAX, Money
from tbot_bot.domain.strategy_results import R_PLACES, NoTradeFilter, NoTradeRecord, StrategyResult
from tbot_bot.domain.time import from_micros, to_micros
from tbot_bot.domain.trades import Result

_ADD_RESULT = text("""
    INSERT INTO strategy_result (day, strategy, realised, fees, trades_closed, wins, risked, r_sum)
    VALUES (:day, :strategy, :realised, :fees, :trades_closed, :wins, :risked, :r_sum)
    ON CONFLICT (day, strategy) DO UPDATE SET
        realised = strategy_result.realised + excluded.realised, fees = strategy_result.fees + excluded.fees,
        trades_closed = strategy_result.trades_closed + excluded.trades_closed,
        wins = strategy_result.wins + excluded.wins, risked = strategy_result.risked + excluded.risked,
        r_sum = strategy_result.r_sum + excluded.r_sum
""")
_RESULTS = text("""
    SELECT strategy, sum(realised) AS realised, sum(fees) AS fees, sum(trades_closed) AS trades_closed,
           sum(wins) AS wins, sum(risked) AS risked, sum(r_sum) AS r_sum
    FROM strategy_result WHERE :day IS NULL OR day = :day GROUP BY strategy
""")
_ADD_NO_TRADE = text("""
    INSERT INTO no_trade (session_day, strategy, symbol, stage, stopped_by, reason, at_us)
    VALUES (:day, :strategy, :symbol, :stage, :check, :reason, :at_us)
    ON CONFLICT (session_day, strategy, symbol, stage, stopped_by) DO NOTHING
""")
_NO_TRADES = text("""
    SELECT * FROM no_trade WHERE seq < :before AND (:strategy IS NULL OR strategy = :strategy)
        AND (:symbol IS NULL OR symbol = :symbol) AND (:day IS NULL OR session_day = :day)
    ORDER BY seq DESC LIMIT :limit
""")
_COUNTS = text("""
    SELECT strategy, stage, count(*) AS times FROM no_trade WHERE session_day = :day GROUP BY strategy, stage
""")


class SqlStrategies:
    """Results by strategy and trades not made, inside one transaction of the database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_result(self, day: date, strategy: str, result: Result, r_multiple: Decimal | None) -> None:
        self._connection.execute(
            _ADD_RESULT,
            {
                "day": day.isoformat(),
                "strategy": strategy,
                "realised": result.realised.units,
                "fees": result.fees.units,
                "trades_closed": result.trades_closed,
                "wins": result.wins,
                "risked": int(r_multiple is not None),
                "r_sum": int((r_multiple or Decimal(0)).scaleb(R_PLACES)),
            },
        )

    def results(self, day: date | None) -> Mapping[str, StrategyResult]:
        rows = self._connection.execute(_RESULTS, {"day": None if day is None else day.isoformat()})
        return {row.strategy: _result(row) for row in rows}

    def add_no_trade(self, day: date, strategy: str, no_trade: NoTrade, at: datetime) -> None:
        self._connection.execute(
            _ADD_NO_TRADE,
            {
                "day": day.isoformat(),
                "strategy": strategy,
                "symbol": no_trade.symbol,
                "stage": no_trade.stage.value,
                "check": no_trade.check,
                "reason": no_trade.reason,
                "at_us": to_micros(at),
            },
        )

    def no_trades(self, wanted: NoTradeFilter, before: int | None, limit: int) -> Page[NoTradeRecord]:
        values = {
            "before": UNITS_MAX if before is None else before,
            "strategy": wanted.strategy,
            "symbol": wanted.symbol,
            "day": wanted.day,
            "limit": limit + 1,
        }
        rows = self._connection.execute(_NO_TRADES, values).all()
        return Page(tuple(_no_trade(row) for row in rows[:limit]), rows[limit - 1].seq if len(rows) > limit else None)

    def no_trade_counts(self, day: date) -> Mapping[tuple[str, Stage], int]:
        rows = self._connection.execute(_COUNTS, {"day": day.isoformat()})
        return {(row.strategy, Stage(row.stage)): row.times for row in rows}


def _result(row: Any) -> StrategyResult:
    result = Result(Money(row.realised), Money(row.fees), row.trades_closed, row.wins)
    return StrategyResult(result, row.risked, Decimal(row.r_sum).scaleb(-R_PLACES))


def _no_trade(row: Any) -> NoTradeRecord:
    return NoTradeRecord(
        seq=row.seq,
        session_day=date.fromisoformat(row.session_day),
        strategy=row.strategy,
        no_trade=NoTrade(row.symbol, Stage(row.stage), row.stopped_by, row.reason),
        at=from_micros(row.at_us),
    )
