"""Users, recovery codes, sessions, failed tries and the setup token. Ids, codes and tokens lie here as hashes."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE user (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            effect_id TEXT NOT NULL UNIQUE,
            username TEXT NOT NULL UNIQUE,
            display TEXT NOT NULL,
            email TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('admin', 'operator', 'auditor', 'viewer')),
            status TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
            password_hash TEXT NOT NULL,
            created_us INTEGER NOT NULL,
            changed_us INTEGER NOT NULL,
            password_changed_us INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            mac BLOB NOT NULL DEFAULT x''
        ) STRICT
        """
    )
    op.execute(
        """
        CREATE TABLE recovery_code (
            user_id INTEGER NOT NULL REFERENCES user (id),
            code_hash TEXT NOT NULL,
            used_us INTEGER,
            mac BLOB NOT NULL DEFAULT x'',
            PRIMARY KEY (user_id, code_hash)
        ) STRICT, WITHOUT ROWID
        """
    )
    op.execute(
        """
        CREATE TABLE session (
            handle TEXT PRIMARY KEY,
            user_id INTEGER NOT NULL REFERENCES user (id),
            created_us INTEGER NOT NULL,
            last_seen_us INTEGER NOT NULL,
            address TEXT NOT NULL,
            user_agent TEXT NOT NULL,
            locked INTEGER NOT NULL CHECK (locked IN (0, 1)),
            stepped_up_until_us INTEGER,
            mac BLOB NOT NULL DEFAULT x''
        ) STRICT, WITHOUT ROWID
        """
    )
    op.execute("CREATE INDEX session_user ON session (user_id, created_us)")
    op.execute(
        """
        CREATE TABLE attempt (
            key TEXT PRIMARY KEY,
            failures INTEGER NOT NULL,
            last_us INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID
        """
    )
    op.execute("CREATE INDEX attempt_last ON attempt (last_us)")
    op.execute(
        """
        CREATE TABLE setup (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            token_hash TEXT NOT NULL,
            issued_us INTEGER NOT NULL,
            session_hash TEXT,
            mac BLOB NOT NULL DEFAULT x''
        ) STRICT
        """
    )
    _seal()


def _seal() -> None:
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
