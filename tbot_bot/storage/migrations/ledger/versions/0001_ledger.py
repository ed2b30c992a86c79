"""The ledger: chart, event chain, transactions, entries, kept balances, and the triggers that make them immutable."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = (
    """
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        source TEXT NOT NULL,
        external_id TEXT,
        idempotency_key TEXT NOT NULL UNIQUE,
        input_sha256 TEXT NOT NULL,
        payload TEXT NOT NULL,
        postings_sha256 TEXT NOT NULL,
        prev_hash TEXT NOT NULL,
        hash TEXT NOT NULL,
        actor TEXT NOT NULL,
        recorded_us INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE chart (
        version INTEGER PRIMARY KEY,
        event_seq INTEGER NOT NULL REFERENCES event (seq),
        currency TEXT NOT NULL,
        entity TEXT NOT NULL,
        jurisdiction TEXT NOT NULL,
        recorded_us INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE account (
        code TEXT PRIMARY KEY,
        parent TEXT REFERENCES account (code),
        type TEXT NOT NULL CHECK (type IN ('asset', 'liability', 'equity', 'income', 'expense')),
        name TEXT NOT NULL,
        at_broker INTEGER NOT NULL CHECK (at_broker IN (0, 1))
    ) STRICT
    """,
    "CREATE INDEX account_parent ON account (parent)",
    """
    CREATE TABLE txn (
        id INTEGER PRIMARY KEY,
        event_seq INTEGER NOT NULL REFERENCES event (seq),
        book TEXT NOT NULL CHECK (book IN ('strategy', 'holdings')),
        effective_us INTEGER NOT NULL CHECK (effective_us >= 0),
        recorded_us INTEGER NOT NULL,
        version_of INTEGER NOT NULL REFERENCES txn (id),
        version_no INTEGER NOT NULL CHECK (version_no >= 1),
        reverses INTEGER UNIQUE REFERENCES txn (id),
        state TEXT NOT NULL CHECK (state IN ('draft', 'posted')),
        memo TEXT NOT NULL,
        chart_version INTEGER NOT NULL REFERENCES chart (version)
    ) STRICT
    """,
    "CREATE UNIQUE INDEX txn_version ON txn (version_of, version_no) WHERE reverses IS NULL",
    "CREATE INDEX txn_event ON txn (event_seq)",
    "CREATE INDEX txn_effective ON txn (effective_us)",
    """
    CREATE TABLE entry (
        txn_id INTEGER NOT NULL REFERENCES txn (id),
        line INTEGER NOT NULL,
        account TEXT NOT NULL REFERENCES account (code),
        value INTEGER NOT NULL,
        commodity TEXT NOT NULL,
        quantity INTEGER NOT NULL,
        lot TEXT,
        PRIMARY KEY (txn_id, line),
        CHECK (value <> 0 OR quantity <> 0)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX entry_account ON entry (account, txn_id)",
    """
    CREATE TABLE balance (
        account TEXT NOT NULL REFERENCES account (code),
        commodity TEXT NOT NULL,
        debit INTEGER NOT NULL,
        credit INTEGER NOT NULL,
        quantity INTEGER NOT NULL,
        PRIMARY KEY (account, commodity)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE balance_day (
        account TEXT NOT NULL REFERENCES account (code),
        commodity TEXT NOT NULL,
        day INTEGER NOT NULL,
        debit INTEGER NOT NULL,
        credit INTEGER NOT NULL,
        quantity INTEGER NOT NULL,
        PRIMARY KEY (account, commodity, day)
    ) STRICT, WITHOUT ROWID
    """,
)

#: name, when, the condition that refuses, the message.
#: Inserts are guarded too, because INSERT OR REPLACE fires no delete trigger.
TRIGGERS = (
    (
        "event_insert",
        "BEFORE INSERT ON event",
        """NEW.seq <> coalesce((SELECT max(seq) FROM event), 0) + 1
        OR NEW.prev_hash <> coalesce((SELECT hash FROM event ORDER BY seq DESC LIMIT 1), printf('%064d', 0))
        OR EXISTS (SELECT 1 FROM event WHERE idempotency_key = NEW.idempotency_key)""",
        "an event continues the chain under a new key",
    ),
    ("event_update", "BEFORE UPDATE ON event", "1", "events never change"),
    ("event_delete", "BEFORE DELETE ON event", "1", "events are never deleted"),
    (
        "account_insert",
        "BEFORE INSERT ON account",
        """EXISTS (SELECT 1 FROM entry WHERE account = NEW.parent)
        OR EXISTS (SELECT 1 FROM account WHERE code = NEW.parent AND type <> NEW.type)""",
        "an account has the type of its parent, and no parent that has entries",
    ),
    (
        "account_update",
        "BEFORE UPDATE ON account",
        """NEW.code <> OLD.code OR NEW.type <> OLD.type OR NEW.parent IS NOT OLD.parent
        OR NEW.at_broker <> OLD.at_broker""",
        "an account may be renamed, nothing else",
    ),
    (
        "account_delete",
        "BEFORE DELETE ON account",
        "EXISTS (SELECT 1 FROM entry WHERE account = OLD.code)",
        "an account with entries stays",
    ),
    (
        "txn_insert",
        "BEFORE INSERT ON txn",
        """NEW.state <> 'draft'
        OR EXISTS (SELECT 1 FROM txn WHERE id = NEW.id)
        OR EXISTS (SELECT 1 FROM txn WHERE reverses = NEW.reverses)
        OR EXISTS (SELECT 1 FROM txn WHERE version_of = NEW.version_of AND version_no = NEW.version_no
                   AND reverses IS NULL AND NEW.reverses IS NULL)""",
        "a transaction begins as a draft, and is reversed and replaced once",
    ),
    (
        "txn_update",
        "BEFORE UPDATE ON txn",
        """OLD.state <> 'draft' OR NEW.state <> 'posted'
        OR NEW.id <> OLD.id OR NEW.event_seq <> OLD.event_seq OR NEW.book <> OLD.book
        OR NEW.effective_us <> OLD.effective_us OR NEW.recorded_us <> OLD.recorded_us
        OR NEW.version_of <> OLD.version_of OR NEW.version_no <> OLD.version_no
        OR NEW.reverses IS NOT OLD.reverses OR NEW.memo <> OLD.memo OR NEW.chart_version <> OLD.chart_version""",
        "a posted transaction never changes",
    ),
    (
        "txn_post",
        "BEFORE UPDATE OF state ON txn",
        "coalesce((SELECT sum(value) FROM entry WHERE txn_id = NEW.id), 1) <> 0",
        "debits and credits differ, or there are none",
    ),
    ("txn_delete", "BEFORE DELETE ON txn", "1", "transactions are never deleted"),
    (
        "entry_insert",
        "BEFORE INSERT ON entry",
        """coalesce((SELECT state FROM txn WHERE id = NEW.txn_id), '') <> 'draft'
        OR EXISTS (SELECT 1 FROM account WHERE parent = NEW.account)
        OR EXISTS (SELECT 1 FROM entry WHERE txn_id = NEW.txn_id AND line = NEW.line)""",
        "an entry needs a draft transaction and an account without others below it",
    ),
    ("entry_update", "BEFORE UPDATE ON entry", "1", "entries never change"),
    ("entry_delete", "BEFORE DELETE ON entry", "1", "entries are never deleted"),
)


def upgrade() -> None:
    for table in TABLES:
        op.execute(table)
    for name, when, condition, message in TRIGGERS:
        op.execute(f"CREATE TRIGGER {name} {when} WHEN {condition} BEGIN SELECT RAISE(ABORT, '{message}'); END")
