"""Alembic's entry: runs the outbox's migrations on the connection that the backend hands in."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table="ossfn_outbox_alembic")
with context.begin_transaction():
    context.run_migrations()
