"""Letters by which one-time tokens are mailed to a person: how far each came. No token lies here."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE letter (
            user_id INTEGER NOT NULL REFERENCES user (id),
            kind TEXT NOT NULL CHECK (kind IN ('invitation', 'reset', 'email')),
            detail TEXT NOT NULL,
            asked_us INTEGER NOT NULL,
            next_us INTEGER NOT NULL,
            tries INTEGER NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('waiting', 'sent', 'given_up')),
            error TEXT NOT NULL,
            mac BLOB NOT NULL DEFAULT x'',
            PRIMARY KEY (user_id, kind)
        ) STRICT, WITHOUT ROWID
        """
    )
