"""Runs the migrations on the connection, and in the transaction, that `database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from syncd.history.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite alters a table by making it anew.
    render_as_batch=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
