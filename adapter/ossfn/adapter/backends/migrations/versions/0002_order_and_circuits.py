"""Order among the deliveries of one key, circuits, an attempt recorded once, and a count of what was forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Change the tables; counts of what was forgotten so far come from what is missing."""
    op.add_column("targets", sa.Column("opened", sa.Integer, nullable=False, server_default="0"))
    op.add_column("targets", sa.Column("open_until", sa.Float(53)))
    op.add_column("deliveries", sa.Column("order_key", sa.LargeBinary(16)))
    op.add_column("deliveries", sa.Column("position", sa.Text, nullable=False, server_default=""))
    op.add_column("deliveries", sa.Column("drop_stale", sa.SmallInteger, nullable=False, server_default="0"))
    ordered = sa.text("order_key IS NOT NULL AND state = 'pending'")
    op.create_index(
        "deliveries_order",
        "deliveries",
        ["order_key", "position", "seq"],
        sqlite_where=ordered,
        postgresql_where=ordered,
    )
    op.create_table(
        "order_keys",
        sa.Column("order_key", sa.LargeBinary(16), primary_key=True),
        sa.Column("head", sa.BigInteger),
        sa.Column("position", sa.Text),
        sa.Column("touched_at", sa.Float(53), nullable=False, index=True),
    )
    op.execute("DELETE FROM attempts WHERE seq NOT IN (SELECT min(seq) FROM attempts GROUP BY delivery_seq, number)")
    op.drop_index("ix_attempts_delivery_seq", "attempts")
    op.create_index("attempts_once", "attempts", ["delivery_seq", "number"], unique=True)
    for state in ("delivered", "cancelled"):
        op.execute(
            f"INSERT INTO counters (name, value) SELECT 'past_{state}', value -"
            f" (SELECT count(*) FROM deliveries WHERE state = '{state}') FROM counters WHERE name = '{state}'"
        )
