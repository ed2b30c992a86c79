"""The outbox: what people are told, and how far each message came on each channel."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE notice (
            notice_id TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            first_us INTEGER NOT NULL,
            due_us INTEGER NOT NULL,
            count INTEGER NOT NULL,
            events TEXT NOT NULL,
            is_taken INTEGER NOT NULL,
            mac BLOB NOT NULL DEFAULT x''
        ) STRICT
        """
    )
    op.execute(
        """
        CREATE TABLE delivery (
            notice_id TEXT NOT NULL REFERENCES notice (notice_id) ON DELETE CASCADE,
            channel TEXT NOT NULL,
            status TEXT NOT NULL,
            tries INTEGER NOT NULL,
            next_us INTEGER NOT NULL,
            tried_us INTEGER,
            error TEXT NOT NULL,
            mac BLOB NOT NULL DEFAULT x'',
            PRIMARY KEY (notice_id, channel)
        ) STRICT
        """
    )
