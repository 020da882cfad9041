"""The first outbox: events, deliveries, attempts, targets, counters."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_seq = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "events",
        sa.Column("seq", _seq, primary_key=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("identity", sa.LargeBinary(16)),
        sa.Column("received_at", sa.Float(53), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("bucket", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("event", sa.LargeBinary, nullable=False),
    )
    known = sa.text("identity IS NOT NULL")
    op.create_index("events_identity", "events", ["identity"], sqlite_where=known, postgresql_where=known)
    op.create_table(
        "targets",
        sa.Column("seq", _seq, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("paused_reason", sa.Text),
        sa.Column("paused_at", sa.Float(53)),
    )
    op.create_table(
        "deliveries",
        sa.Column("seq", _seq, primary_key=True),
        sa.Column("event_seq", _seq, sa.ForeignKey("events.seq"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("target_seq", _seq, sa.ForeignKey("targets.seq"), nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("format", sa.String(32), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Float(53), nullable=False),
        sa.Column("leased", sa.SmallInteger, nullable=False),
        sa.Column("accepted_at", sa.Float(53), nullable=False),
        sa.Column("settled_at", sa.Float(53)),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("redelivery_of", sa.String(80), nullable=False, server_default=""),
        sa.Column("redelivered", sa.SmallInteger, nullable=False, server_default="0"),
        sa.UniqueConstraint("event_seq", "number"),
    )
    pending, dead = sa.text("state = 'pending'"), sa.text("state = 'dead'")
    op.create_index(
        "deliveries_due", "deliveries", ["target_seq", "due_at"], sqlite_where=pending, postgresql_where=pending
    )
    op.create_index("deliveries_dead", "deliveries", ["seq"], sqlite_where=dead, postgresql_where=dead)
    op.create_table(
        "attempts",
        sa.Column("seq", _seq, primary_key=True),
        sa.Column("delivery_seq", _seq, sa.ForeignKey("deliveries.seq"), nullable=False, index=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Float(53), nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
    )
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    names = ("accepted", "delivered", "dead", "cancelled", "events", "unmatched", "duplicates")
    op.bulk_insert(counters, [{"name": name, "value": 0} for name in names])
