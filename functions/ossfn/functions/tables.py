"""The catalog's tables as the newest migration leaves them."""

import sqlalchemy as sa

VERSION_TABLE = "ossfn_functions_alembic"

metadata = sa.MetaData()

functions = sa.Table(
    "ossfn_functions",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    # The number of the version that serves; NULL for a remote function, whose address stands in `remote`.
    sa.Column("active", sa.Integer, nullable=True),
    sa.Column("remote", sa.JSON, nullable=True),
    sa.Column("created_at", sa.Float(53), nullable=False),
    sa.Column("updated_at", sa.Float(53), nullable=False),
)

versions = sa.Table(
    "ossfn_function_versions",
    metadata,
    sa.Column("function", sa.String(128), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    # A whole model.Version: it never changes, and nothing is looked up by its parts.
    sa.Column("version", sa.JSON, nullable=False),
)

aliases = sa.Table(
    "ossfn_function_aliases",
    metadata,
    sa.Column("function", sa.String(128), primary_key=True),
    sa.Column("alias", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
)
