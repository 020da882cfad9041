"""Functions and their versions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "ossfn_functions",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("active", sa.Integer, nullable=True),
        sa.Column("remote", sa.JSON, nullable=True),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("updated_at", sa.Float(53), nullable=False),
    )
    op.create_table(
        "ossfn_function_versions",
        sa.Column("function", sa.String(128), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.JSON, nullable=False),
    )
