"""What an auditor looks for: all records of a request, those that ended in a certain way, those with a target."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE entry ADD COLUMN result TEXT "
        "AS (CASE WHEN json_valid(body) THEN json_extract(body, '$.result') END)"
    )
    op.execute("CREATE INDEX entry_request ON entry (request_id, seq)")
    op.execute("CREATE INDEX entry_result ON entry (result, seq)")
    op.execute("CREATE INDEX entry_target ON entry (target)")
