"""What Alembic runs: the steps, on the connection and in the transaction that it was given."""

from alembic import context

from ossfn.trigger_registry.stores.engine import VERSION_TABLE
from ossfn.trigger_registry.stores.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
context.run_migrations()
