"""How the registry's database is opened and brought up to date: the only place that knows which engine it is."""

import sqlite3
import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

VERSION_TABLE = "ossfn_registry_alembic"
_WRITING = "ossfn_writing"
_MIGRATIONS = Path(__file__).parent / "migrations"


def connect(url: str) -> Engine:
    """An engine for reading. Write through `writing(engine)`."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def writing(engine: Engine) -> Engine:
    """The same engine, whose transactions on SQLite take the one write lock as they begin, or wait for it."""
    return engine.execution_options(**{_WRITING: True})


def migrate(engine: Engine) -> None:
    """Make or change the tables to this release's form; of several processes that start at once one does it."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with writing(engine).begin() as connection:
        if engine.dialect.name == "postgresql":  # on SQLite the transaction itself locks
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock(hashtext('{VERSION_TABLE}'))")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are ours, see _begin_sqlite
    connection.execute("PRAGMA busy_timeout=10000")
    _use_wal(connection, tries=500)
    connection.execute("PRAGMA synchronous=FULL")


def _use_wal(connection: sqlite3.Connection, tries: int) -> None:
    """Of several processes that make the file at once one changes its mode; the others are told so without a wait."""
    for _ in range(tries - 1):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(0.02)
        else:
            return
    connection.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get(_WRITING):
        connection.exec_driver_sql("BEGIN")
        return
    # SQLite asks for a busy lock ever more seldom, so among many writers one could wait for ever: ask anew every 20 ms.
    connection.exec_driver_sql("PRAGMA busy_timeout=20")
    try:
        _begin_writing(connection, tries=500)
    finally:
        connection.exec_driver_sql("PRAGMA busy_timeout=10000")


def _begin_writing(connection: Connection, tries: int) -> None:
    for _ in range(tries - 1):
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if "locked" not in str(error.orig):
                raise
        else:
            return
    connection.exec_driver_sql("BEGIN IMMEDIATE")
