"""Which orders were asked for in defense mode."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("ALTER TABLE trade_order ADD COLUMN defense INTEGER NOT NULL DEFAULT 0")
