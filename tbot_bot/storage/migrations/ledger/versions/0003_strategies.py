"""Results by strategy, and why symbols were not traded."""

from alembic import op
from sqlalchemy import text

revision = "0003"
down_revision = "0002"

TABLES = (
    """
    CREATE TABLE strategy_result (
        day TEXT NOT NULL,
        strategy TEXT NOT NULL,
        realised INTEGER NOT NULL,
        fees INTEGER NOT NULL,
        trades_closed INTEGER NOT NULL,
        wins INTEGER NOT NULL,
        risked INTEGER NOT NULL,
        r_sum INTEGER NOT NULL,
        PRIMARY KEY (day, strategy)
    ) STRICT
    """,
    """
    CREATE TABLE no_trade (
        seq INTEGER PRIMARY KEY,
        session_day TEXT NOT NULL,
        strategy TEXT NOT NULL,
        symbol TEXT NOT NULL,
        stage TEXT NOT NULL,
        stopped_by TEXT NOT NULL,
        reason TEXT NOT NULL,
        at_us INTEGER NOT NULL,
        UNIQUE (session_day, strategy, symbol, stage, stopped_by)
    ) STRICT
    """,
    "CREATE INDEX trade_order_trade ON trade_order (trade_id)",
)
FILLS = """
    INSERT INTO strategy_result (day, strategy, realised, fees, trades_closed, wins, risked, r_sum)
    SELECT e.session_day, o.strategy, sum(e.realised), sum(e.fee), 0, 0, 0, 0
    FROM execution e JOIN trade_order o USING (client_order_id)
    WHERE e.trade_id IS NOT NULL GROUP BY e.session_day, o.strategy
"""
CLOSED = """
    UPDATE strategy_result SET trades_closed = trades_closed + 1, wins = wins + :won,
        risked = risked + :risked, r_sum = r_sum + :r
    WHERE day = :day AND strategy = :strategy
"""


def upgrade() -> None:
    for table in TABLES:
        op.execute(table)
    op.execute(FILLS)
    connection = op.get_bind()
    for trade in connection.execute(text("SELECT * FROM trade WHERE closed_us IS NOT NULL")).all():
        pnl = trade.realised - trade.fees
        risk = 0
        if trade.stop_price is not None:
            risk = abs(trade.entry_value - trade.stop_price * trade.entry_quantity // 10**9)
        values = {
            "day": trade.closed_day,
            "strategy": trade.strategy,
            "won": int(pnl > 0),
            "risked": int(risk > 0),
            "r": round(pnl * 10**8 / risk) if risk else 0,
        }
        connection.execute(text(CLOSED), values)
