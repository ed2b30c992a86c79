"""Orders that a person asked for, what an order was to cost, what closed a trade, and orders of unknown outcome."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    "ALTER TABLE trade_order ADD COLUMN request_id TEXT",
    "CREATE UNIQUE INDEX trade_order_request ON trade_order (request_id) WHERE request_id IS NOT NULL",
    "ALTER TABLE trade_order ADD COLUMN cause TEXT",
    "ALTER TABLE trade_order ADD COLUMN asked_price INTEGER",
    "ALTER TABLE trade ADD COLUMN closed_by TEXT",
    """
    CREATE TABLE unresolved_order (
        client_order_id TEXT PRIMARY KEY REFERENCES trade_order (client_order_id),
        kind TEXT NOT NULL CHECK (kind IN ('unknown', 'lost')),
        since_us INTEGER NOT NULL,
        asked INTEGER NOT NULL,
        asked_us INTEGER,
        resolved_us INTEGER,
        resolution TEXT,
        resolved_by TEXT
    ) STRICT
    """,
    "CREATE INDEX unresolved_order_open ON unresolved_order (since_us) WHERE resolved_us IS NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
