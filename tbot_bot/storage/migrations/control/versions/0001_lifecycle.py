"""The runner's own record: lifecycle, one-use requests, set-up steps, the exchange calendar, single facts."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE lifecycle (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            state TEXT NOT NULL,
            reason TEXT NOT NULL,
            actor TEXT NOT NULL,
            at_us INTEGER NOT NULL,
            mac BLOB NOT NULL DEFAULT x''
        ) STRICT
        """
    )
    op.execute(
        """
        CREATE TABLE request (
            request_id TEXT PRIMARY KEY,
            verb TEXT NOT NULL,
            actor TEXT NOT NULL,
            issued_us INTEGER NOT NULL,
            expires_us INTEGER NOT NULL,
            used_us INTEGER,
            mac BLOB NOT NULL DEFAULT x''
        ) STRICT
        """
    )
    op.execute(
        """
        CREATE TABLE step (
            name TEXT PRIMARY KEY,
            position INTEGER NOT NULL,
            title TEXT NOT NULL,
            status TEXT NOT NULL,
            detail TEXT NOT NULL,
            started_us INTEGER,
            ended_us INTEGER,
            mac BLOB NOT NULL DEFAULT x''
        ) STRICT
        """
    )
    op.execute(
        """
        CREATE TABLE calendar_session (
            day TEXT PRIMARY KEY,
            open_us INTEGER NOT NULL,
            close_us INTEGER NOT NULL
        ) STRICT
        """
    )
    op.execute("CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL, mac BLOB NOT NULL DEFAULT x'') STRICT")
    op.execute(
        """
        CREATE TABLE seal (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            version INTEGER NOT NULL,
            mac BLOB NOT NULL
        ) STRICT
        """
    )
    op.execute("INSERT INTO seal VALUES (1, 0, x'')")
