"""The registry's first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, and the one row that counts changes."""
    state = op.create_table(
        "registry_state",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("changes", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "registry_buckets",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "registry_history",
        sa.Column("bucket", sa.String(255), primary_key=True),
        sa.Column("generation", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("document", sa.Text),
    )
    op.create_table(
        "registry_uses",
        sa.Column("bucket", sa.String(255), primary_key=True),
        sa.Column("rule", sa.String(256), primary_key=True),
        sa.Column("used", sa.String(300), primary_key=True),
    )
    op.create_table(
        "registry_callbacks",
        sa.Column("name", sa.String(256), primary_key=True),
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("urls", sa.Text, nullable=False),
    )
    op.create_index("registry_buckets_changed", "registry_buckets", ["changed"])
    op.create_index("registry_uses_used", "registry_uses", ["used"])
    op.bulk_insert(state, [{"id": 1, "changes": 0}])
