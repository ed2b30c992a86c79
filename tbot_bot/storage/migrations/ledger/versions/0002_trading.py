"""Trading records, in the ledger's file so that a fill and its postings are one transaction."""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = (
    """
    CREATE TABLE trade (
        trade_id TEXT PRIMARY KEY,
        session_day TEXT NOT NULL,
        number INTEGER NOT NULL,
        symbol TEXT NOT NULL,
        strategy TEXT NOT NULL,
        side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
        opened_us INTEGER NOT NULL,
        entry_quantity INTEGER NOT NULL,
        entry_value INTEGER NOT NULL,
        exit_quantity INTEGER NOT NULL,
        exit_value INTEGER NOT NULL,
        realised INTEGER NOT NULL,
        fees INTEGER NOT NULL,
        stop_price INTEGER,
        target_price INTEGER,
        closed_us INTEGER,
        closed_day TEXT,
        close_reason TEXT,
        closed_event INTEGER UNIQUE REFERENCES event (seq),
        UNIQUE (session_day, number)
    ) STRICT
    """,
    "CREATE UNIQUE INDEX trade_open ON trade (symbol) WHERE closed_us IS NULL",
    """
    CREATE TABLE trade_order (
        client_order_id TEXT PRIMARY KEY,
        number INTEGER NOT NULL UNIQUE,
        parent TEXT REFERENCES trade_order (client_order_id),
        book TEXT NOT NULL CHECK (book IN ('strategy', 'holdings')),
        strategy TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('entry', 'stop_loss', 'take_profit', 'exit')),
        trade_id TEXT REFERENCES trade (trade_id),
        request TEXT NOT NULL,
        broker_order_id TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN (
            'pending', 'accepted', 'partially_filled', 'filled', 'cancelled', 'rejected', 'expired')),
        quantity INTEGER NOT NULL,
        filled INTEGER NOT NULL,
        executed INTEGER NOT NULL,
        limit_price INTEGER,
        stop_price INTEGER,
        reason TEXT,
        why TEXT NOT NULL,
        recorded_us INTEGER NOT NULL,
        updated_us INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE INDEX trade_order_open ON trade_order (number)
    WHERE status IN ('pending', 'accepted', 'partially_filled')
    """,
    "CREATE INDEX trade_order_parent ON trade_order (parent)",
    """
    CREATE TABLE execution (
        execution_id TEXT PRIMARY KEY,
        event_seq INTEGER NOT NULL UNIQUE REFERENCES event (seq),
        sequence INTEGER NOT NULL,
        client_order_id TEXT NOT NULL REFERENCES trade_order (client_order_id),
        symbol TEXT NOT NULL,
        side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
        quantity INTEGER NOT NULL CHECK (quantity > 0),
        price INTEGER NOT NULL,
        fee INTEGER NOT NULL,
        at_us INTEGER NOT NULL,
        session_day TEXT NOT NULL,
        realised INTEGER NOT NULL,
        trade_id TEXT REFERENCES trade (trade_id),
        closed_trade_id TEXT REFERENCES trade (trade_id),
        recorded_us INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX execution_sequence ON execution (sequence)",
    "CREATE INDEX execution_trade ON execution (event_seq) WHERE trade_id IS NOT NULL",
    """
    CREATE TABLE quarantined_execution (
        execution_id TEXT PRIMARY KEY,
        sequence INTEGER NOT NULL,
        facts TEXT NOT NULL,
        session_day TEXT NOT NULL,
        recorded_us INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE lot (
        lot_id TEXT PRIMARY KEY,
        event_seq INTEGER NOT NULL UNIQUE REFERENCES event (seq),
        book TEXT NOT NULL CHECK (book IN ('strategy', 'holdings')),
        symbol TEXT NOT NULL,
        opened_us INTEGER NOT NULL,
        opened_quantity INTEGER NOT NULL,
        opened_cost INTEGER NOT NULL,
        quantity INTEGER NOT NULL,
        cost INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX lot_open ON lot (book, symbol, event_seq) WHERE quantity <> 0",
    """
    CREATE TABLE market_session (
        day TEXT PRIMARY KEY,
        open_us INTEGER NOT NULL,
        close_us INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE session_result (
        day TEXT PRIMARY KEY,
        realised INTEGER NOT NULL,
        fees INTEGER NOT NULL,
        trades_closed INTEGER NOT NULL,
        wins INTEGER NOT NULL,
        float_at_open INTEGER,
        equity_at_open INTEGER,
        equity_at_close INTEGER
    ) STRICT
    """,
    """
    CREATE TABLE lifetime_result (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        realised INTEGER NOT NULL,
        fees INTEGER NOT NULL,
        trades_closed INTEGER NOT NULL,
        wins INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO lifetime_result VALUES (1, 0, 0, 0, 0)",
    "CREATE TABLE equity_point (at_us INTEGER PRIMARY KEY, equity INTEGER NOT NULL) STRICT",
    """
    CREATE TABLE session_reconciliation (
        seq INTEGER PRIMARY KEY,
        session_day TEXT NOT NULL,
        at_us INTEGER NOT NULL,
        recorded_us INTEGER NOT NULL,
        started_by TEXT NOT NULL,
        is_clean INTEGER NOT NULL CHECK (is_clean IN (0, 1)),
        document TEXT NOT NULL,
        signed_by TEXT,
        signed_us INTEGER,
        signed_reason TEXT
    ) STRICT
    """,
)


def upgrade() -> None:
    for table in TABLES:
        op.execute(table)
