"""Where a stop stood, and from when on: the database keeps each move of an order's stop price by itself."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    """
    CREATE TABLE stop_move (
        number INTEGER PRIMARY KEY,
        client_order_id TEXT NOT NULL REFERENCES trade_order (client_order_id),
        at_us INTEGER NOT NULL,
        price INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX stop_move_order ON stop_move (client_order_id)",
    """
    CREATE TRIGGER stop_moved AFTER UPDATE OF stop_price ON trade_order
    WHEN NEW.stop_price IS NOT NULL AND NEW.stop_price IS NOT OLD.stop_price
    BEGIN
        INSERT INTO stop_move (client_order_id, at_us, price)
        VALUES (NEW.client_order_id, NEW.updated_us, NEW.stop_price);
    END
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
