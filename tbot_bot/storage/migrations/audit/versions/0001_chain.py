"""The audit chain and its checkpoints: rows are added at the end and never changed."""

from alembic import op

revision = "0001"
down_revision = None

LOOKED_FOR = (
    ("at_us", "INTEGER", "at"),
    ("verb", "TEXT", "verb"),
    ("phase", "TEXT", "phase"),
    ("actor", "TEXT", "actor"),
    ("request_id", "TEXT", "request_id"),
    ("target", "TEXT", "target"),
)
# INSERT OR REPLACE deletes without a DELETE trigger, so what is inserted must lie beyond the end.
APPEND_ONLY = (
    """
    CREATE TRIGGER TABLE_NAME_no_update BEFORE UPDATE ON TABLE_NAME
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    """
    CREATE TRIGGER TABLE_NAME_no_delete BEFORE DELETE ON TABLE_NAME
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    """
    CREATE TRIGGER TABLE_NAME_at_end BEFORE INSERT ON TABLE_NAME
    WHEN EXISTS (SELECT 1 FROM TABLE_NAME WHERE seq >= NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
)


def upgrade() -> None:
    # What is looked for is computed from the hashed body, so it cannot say anything else; a body that was
    # damaged is found by no look-up, and by the verification.
    looked_for = ",\n".join(
        f"{name} {kind} AS (CASE WHEN json_valid(body) THEN json_extract(body, '$.{field}') END)"
        for name, kind, field in LOOKED_FOR
    )
    op.execute(
        f"""
        CREATE TABLE entry (
            seq INTEGER PRIMARY KEY,
            body TEXT NOT NULL,
            hash BLOB NOT NULL,
            seal BLOB NOT NULL,
            {looked_for}
        ) STRICT
        """
    )
    op.execute("CREATE INDEX entry_verb ON entry (verb, seq)")
    op.execute("CREATE INDEX entry_actor ON entry (actor, seq)")
    op.execute("CREATE INDEX entry_at ON entry (at_us)")
    op.execute(
        """
        CREATE TABLE checkpoint (
            seq INTEGER PRIMARY KEY,
            hash BLOB NOT NULL,
            at_us INTEGER NOT NULL,
            previous INTEGER NOT NULL,
            key_id TEXT NOT NULL,
            signature BLOB NOT NULL
        ) STRICT
        """
    )
    for table in ("entry", "checkpoint"):
        for trigger in APPEND_ONLY:
            op.execute(trigger.replace("TABLE_NAME", table))
