"""The tables that hold the registry."""

from sqlalchemy import BigInteger, Column, Float, Index, MetaData, String, Table, Text

METADATA = MetaData()

STATE = Table(
    "registry_state",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # always 1; writers lock this row
    Column("changes", BigInteger, nullable=False),  # how many changes were ever made; readers compare it
)
BUCKETS = Table(
    "registry_buckets",
    METADATA,
    Column("name", String(255), primary_key=True),
    # The present one; deleted buckets stay, so that it only ever grows.
    Column("generation", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),  # registry_state.changes at its last change
    Index("registry_buckets_changed", "changed"),
)
HISTORY = Table(
    "registry_history",
    METADATA,
    Column("bucket", String(255), primary_key=True),
    Column("generation", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),  # Unix seconds
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("document", Text),  # the whole bucket as JSON; null when this change deleted it
)
USES = Table(
    "registry_uses",
    METADATA,
    Column("bucket", String(255), primary_key=True),
    Column("rule", String(256), primary_key=True),
    Column("used", String(300), primary_key=True),  # function:NAME or callback:NAME
    Index("registry_uses_used", "used"),
)
CALLBACKS = Table(
    "registry_callbacks",
    METADATA,
    Column("name", String(256), primary_key=True),
    Column("region", String(64), nullable=False),
    Column("urls", Text, nullable=False),  # JSON list
)
