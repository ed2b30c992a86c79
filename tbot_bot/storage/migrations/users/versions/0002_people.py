"""When each user last signed in, and one-time tokens (invitations, password resets and the like) as hashes."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE sign_in (
            user_id INTEGER PRIMARY KEY REFERENCES user (id),
            at_us INTEGER NOT NULL,
            mac BLOB NOT NULL DEFAULT x''
        ) STRICT
        """
    )
    op.execute(
        """
        CREATE TABLE token (
            hash TEXT PRIMARY KEY,
            kind TEXT NOT NULL CHECK (kind IN ('invitation', 'reset', 'email', 'sign_in')),
            user_id INTEGER NOT NULL REFERENCES user (id),
            detail TEXT NOT NULL,
            issued_us INTEGER NOT NULL,
            expires_us INTEGER NOT NULL,
            used_us INTEGER,
            mac BLOB NOT NULL DEFAULT x''
        ) STRICT, WITHOUT ROWID
        """
    )
    op.execute("CREATE INDEX token_user ON token (user_id)")
