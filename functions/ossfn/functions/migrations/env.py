"""Runs the catalog's migrations on the connection it is given; loaded by Alembic."""

from alembic import context

from ossfn.functions.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
