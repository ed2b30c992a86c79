"""Who gives codes of a second factor, and the last step whose code was used. The secrets lie in a secrets file."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE second_factor (
            user_id INTEGER PRIMARY KEY REFERENCES user (id),
            secret_id TEXT NOT NULL,
            since_us INTEGER NOT NULL,
            last_step INTEGER NOT NULL,
            mac BLOB NOT NULL DEFAULT x''
        ) STRICT
        """
    )
