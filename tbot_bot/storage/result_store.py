"""The SQL of sessions, their results, equity and reconciliations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, text

from tbot_bot.domain.accounts import STRATEGY_FEES, STRATEGY_RESULT
from tbot_bot.domain.market import Session
from tbot_bot.domain.money import Money
from tbot_bot.domain.time import from_micros, to_micros
from tbot_bot.domain.trades import EquityPoint, LifetimeResult, Reconciliation, Result, SessionResult

_ADD_RESULT = text("""
    INSERT INTO session_result (day, realised, fees, trades_closed, wins)
    VALUES (:day, :realised, :fees, :trades_closed, :wins)
    ON CONFLICT (day) DO UPDATE SET
        realised = session_result.realised + excluded.realised, fees = session_result.fees + excluded.fees,
        trades_closed = session_result.trades_closed + excluded.trades_closed,
        wins = session_result.wins + excluded.wins
""")
_ADD_LIFETIME = text("""
    UPDATE lifetime_result SET realised = realised + :realised, fees = fees + :fees,
        trades_closed = trades_closed + :trades_closed, wins = wins + :wins
""")
_RESULT = text("SELECT * FROM session_result WHERE day = :day")
_RESULTS = text("SELECT * FROM session_result WHERE day < :before ORDER BY day DESC LIMIT :limit")
_LIFETIME = text("SELECT l.*, (SELECT count(*) FROM session_result) AS sessions FROM lifetime_result l")
_OPEN_SESSION = text("""
    INSERT INTO market_session (day, open_us, close_us) VALUES (:day, :open_us, :close_us) ON CONFLICT (day) DO NOTHING
""")
_KEEP_OPEN = text("""
    INSERT INTO session_result (day, realised, fees, trades_closed, wins, float_at_open, equity_at_open)
    VALUES (:day, 0, 0, 0, 0, :float_at_open, :equity_at_open)
    ON CONFLICT (day) DO UPDATE SET
        float_at_open = coalesce(session_result.float_at_open, excluded.float_at_open),
        equity_at_open = coalesce(session_result.equity_at_open, excluded.equity_at_open)
""")
_KEEP_CLOSE = text("""
    INSERT INTO session_result (day, realised, fees, trades_closed, wins, equity_at_close)
    VALUES (:day, 0, 0, 0, 0, :equity_at_close)
    ON CONFLICT (day) DO UPDATE SET
        equity_at_close = coalesce(session_result.equity_at_close, excluded.equity_at_close)
""")
_SESSION = text("SELECT * FROM market_session WHERE day = :day")
_ADD_EQUITY = text("""
    INSERT INTO equity_point (at_us, equity) VALUES (:at_us, :equity)
    ON CONFLICT (at_us) DO UPDATE SET equity = excluded.equity
""")
_EQUITY_RANGE = text("SELECT min(at_us) AS first_us, max(at_us) AS last_us FROM equity_point")
#: One index search for each stretch, so the cost follows the points asked for, not those stored.
_EQUITY = text("""
    WITH RECURSIVE stretch (number) AS (
        SELECT 0 UNION ALL SELECT number + 1 FROM stretch WHERE number + 1 < :count
    )
    SELECT p.at_us, p.equity FROM stretch JOIN equity_point p ON p.at_us = (
        SELECT max(at_us) FROM equity_point
        WHERE at_us >= :start_us + stretch.number * :width_us
          AND at_us < :start_us + (stretch.number + 1) * :width_us AND at_us < :end_us
    ) ORDER BY p.at_us
""")
_ADD_RECONCILIATION = text("""
    INSERT INTO session_reconciliation (session_day, at_us, recorded_us, started_by, is_clean, document)
    VALUES (:session_day, :at_us, :recorded_us, :started_by, :is_clean, :document)
""")
_SIGN = text("""
    UPDATE session_reconciliation SET signed_by = :actor, signed_us = :signed_us, signed_reason = :reason
    WHERE seq = :seq AND signed_by IS NULL
""")
_RECONCILIATION = text("SELECT * FROM session_reconciliation WHERE seq = :seq")
_LAST_RECONCILIATION = text("SELECT * FROM session_reconciliation ORDER BY seq DESC LIMIT 1")

_FILLS_BY_DAY = text("""
    SELECT session_day AS day, sum(realised) AS realised, sum(fee) AS fees FROM execution
    WHERE trade_id IS NOT NULL GROUP BY session_day
""")
_TRADES_BY_DAY = text("""
    SELECT closed_day AS day, count(*) AS trades_closed, sum(CASE WHEN realised > fees THEN 1 ELSE 0 END) AS wins
    FROM trade WHERE closed_us IS NOT NULL GROUP BY closed_day
""")
_STRATEGIES_BY_DAY = text("""
    SELECT day, sum(realised) AS realised, sum(fees) AS fees, sum(trades_closed) AS trades_closed, sum(wins) AS wins
    FROM strategy_result GROUP BY day
""")
_ALL_RESULTS = text("SELECT * FROM session_result")
_TRADE_TOTALS = text("SELECT coalesce(sum(realised), 0) AS realised, coalesce(sum(fees), 0) AS fees FROM trade")
_LEDGER_TOTALS = text("""
    SELECT coalesce(sum(CASE WHEN e.account = :result THEN -e.value ELSE 0 END), 0) AS realised,
           coalesce(sum(CASE WHEN e.account = :fees THEN e.value ELSE 0 END), 0) AS fees
    FROM event v JOIN txn t ON t.event_seq = v.seq JOIN entry e ON e.txn_id = t.id
    WHERE v.kind IN ('fill', 'bust') AND t.state = 'posted' AND e.account IN (:result, :fees)
""")


class SqlResults:
    """Sessions, their results, equity and reconciliations, inside one transaction of the database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_result(self, day: date, result: Result) -> None:
        values = {
            "realised": result.realised.units,
            "fees": result.fees.units,
            "trades_closed": result.trades_closed,
            "wins": result.wins,
        }
        self._connection.execute(_ADD_RESULT, values | {"day": day.isoformat()})
        self._connection.execute(_ADD_LIFETIME, values)

    def session_result(self, day: date) -> SessionResult | None:
        row = self._connection.execute(_RESULT, {"day": day.isoformat()}).one_or_none()
        return None if row is None else _session_result(row)

    def session_results(self, before: date | None, limit: int) -> Sequence[SessionResult]:
        values = {"before": "9999-99-99" if before is None else before.isoformat(), "limit": limit}
        return [_session_result(row) for row in self._connection.execute(_RESULTS, values)]

    def lifetime(self) -> LifetimeResult:
        row = self._connection.execute(_LIFETIME).one()
        return LifetimeResult(_result(row), row.sessions)

    def open_session(self, session: Session, float_at_open: Money | None, equity_at_open: Money | None) -> None:
        day = session.day.isoformat()
        hours = {"day": day, "open_us": to_micros(session.open_at), "close_us": to_micros(session.close_at)}
        self._connection.execute(_OPEN_SESSION, hours)
        values = {"day": day, "float_at_open": _units(float_at_open), "equity_at_open": _units(equity_at_open)}
        self._connection.execute(_KEEP_OPEN, values)

    def close_session(self, day: date, equity_at_close: Money | None) -> None:
        self._connection.execute(_KEEP_CLOSE, {"day": day.isoformat(), "equity_at_close": _units(equity_at_close)})

    def session(self, day: date) -> Session | None:
        row = self._connection.execute(_SESSION, {"day": day.isoformat()}).one_or_none()
        return None if row is None else Session(day, from_micros(row.open_us), from_micros(row.close_us))

    def add_equity(self, point: EquityPoint) -> None:
        self._connection.execute(_ADD_EQUITY, {"at_us": to_micros(point.at), "equity": point.equity.units})

    def equity_range(self) -> tuple[datetime, datetime] | None:
        row = self._connection.execute(_EQUITY_RANGE).one()
        return None if row.first_us is None else (from_micros(row.first_us), from_micros(row.last_us + 1))

    def equity(self, start_at: datetime, end_at: datetime, points_max: int) -> Sequence[EquityPoint]:
        start_us, end_us = to_micros(start_at), to_micros(end_at)
        width_us = max(1, -(-(end_us - start_us) // points_max))
        values = {"start_us": start_us, "end_us": end_us, "width_us": width_us, "count": points_max}
        rows = self._connection.execute(_EQUITY, values)
        return [EquityPoint(from_micros(row.at_us), Money(row.equity)) for row in rows]

    def add_reconciliation(
        self, session_day: date, at: datetime, recorded_at: datetime, trigger: str, document: str, *, is_clean: bool
    ) -> Reconciliation:
        self._connection.execute(
            _ADD_RECONCILIATION,
            {
                "session_day": session_day.isoformat(),
                "at_us": to_micros(at),
                "recorded_us": to_micros(recorded_at),
                "started_by": trigger,
                "is_clean": int(is_clean),
                "document": document,
            },
        )
        return _reconciliation(self._connection.execute(_LAST_RECONCILIATION).one())

    def sign_reconciliation(self, seq: int, actor: str, reason: str, signed_at: datetime) -> Reconciliation | None:
        values = {"seq": seq, "actor": actor, "reason": reason, "signed_us": to_micros(signed_at)}
        self._connection.execute(_SIGN, values)
        row = self._connection.execute(_RECONCILIATION, {"seq": seq}).one_or_none()
        return None if row is None else _reconciliation(row)

    def last_reconciliation(self) -> Reconciliation | None:
        row = self._connection.execute(_LAST_RECONCILIATION).one_or_none()
        return None if row is None else _reconciliation(row)

    def differences(self) -> Sequence[str]:
        kept = {row.day: _result(row) for row in self._connection.execute(_ALL_RESULTS)}
        summed = self._recomputed()
        found = [
            f"Session {day}: kept {_words(kept.get(day, Result()))}, recomputed {_words(summed.get(day, Result()))}."
            for day in sorted(kept.keys() | summed.keys())
            if kept.get(day, Result()) != summed.get(day, Result())
        ]
        whole = sum(summed.values(), Result())
        lifetime = self.lifetime().result
        if lifetime != whole:
            found.append(f"Lifetime: kept {_words(lifetime)}, recomputed {_words(whole)}.")
        by_strategy = {row.day: _result(row) for row in self._connection.execute(_STRATEGIES_BY_DAY)}
        found += [
            f"Strategies {day}: kept {_words(by_strategy.get(day, Result()))}, recomputed {_words(result)}."
            for day, result in sorted(summed.items())
            if by_strategy.get(day, Result()) != result
        ]
        accounts = {"result": STRATEGY_RESULT, "fees": STRATEGY_FEES}
        totals = {
            "Trades": self._connection.execute(_TRADE_TOTALS).one(),
            "Ledger": self._connection.execute(_LEDGER_TOTALS, accounts).one(),
        }
        for name, row in totals.items():
            if (row.realised, row.fees) != (whole.realised.units, whole.fees.units):
                summed_here = f"realised {Money(row.realised)}, fees {Money(row.fees)}"
                found.append(f"{name}: {summed_here}; executions have {_words(whole)}.")
        return found

    def _recomputed(self) -> dict[str, Result]:
        """Results by session day, from executions and closed trades."""
        results: dict[str, Result] = {}
        for row in self._connection.execute(_FILLS_BY_DAY):
            results[row.day] = Result(realised=Money(row.realised), fees=Money(row.fees))
        for row in self._connection.execute(_TRADES_BY_DAY):
            counted = Result(trades_closed=row.trades_closed, wins=row.wins)
            results[row.day] = results.get(row.day, Result()) + counted
        return results


def _units(amount: Money | None) -> int | None:
    return None if amount is None else amount.units


def _money(units: int | None) -> Money | None:
    return None if units is None else Money(units)


def _words(result: Result) -> str:
    return f"realised {result.realised}, fees {result.fees}, {result.wins} of {result.trades_closed} trades won"


def _result(row: Any) -> Result:
    return Result(Money(row.realised), Money(row.fees), row.trades_closed, row.wins)


def _session_result(row: Any) -> SessionResult:
    return SessionResult(
        day=date.fromisoformat(row.day),
        result=_result(row),
        float_at_open=_money(row.float_at_open),
        equity_at_open=_money(row.equity_at_open),
        equity_at_close=_money(row.equity_at_close),
    )


def _reconciliation(row: Any) -> Reconciliation:
    return Reconciliation(
        seq=row.seq,
        session_day=date.fromisoformat(row.session_day),
        at=from_micros(row.at_us),
        recorded_at=from_micros(row.recorded_us),
        trigger=row.started_by,
        is_clean=bool(row.is_clean),
        document=row.document,
        signed_by=row.signed_by,
        signed_at=None if row.signed_us is None else from_micros(row.signed_us),
        signed_reason=row.signed_reason,
    )
