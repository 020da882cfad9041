"""How the registry's database is opened and brought up to date: the only place that knows which engine it is."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url

VERSION_TABLE = "ossfn_registry_alembic"
_MIGRATIONS = Path(__file__).parent / "migrations"


def connect(url: str | URL) -> Engine:
    """An engine for reading. Write through `writing(engine)`."""
    engine = create_engine(make_url(url))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def writing(engine: Engine) -> Engine:
    """The same engine, whose transactions on SQLite take the one write lock as they begin, or wait for it."""
    return engine.execution_options(ossfn_begin="BEGIN IMMEDIATE")


def migrate(engine: Engine) -> None:
    """Make or change the tables to this release's form; of several processes that start at once one does it."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are ours, see _begin_sqlite
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("ossfn_begin", "BEGIN"))
