"""What every Alembic environment of the house runs: the connection it was handed, in that one transaction."""

from __future__ import annotations

from alembic import context


def run() -> None:
    """Run the migrations on the caller's connection; the caller commits, so a failed upgrade leaves nothing."""
    context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
