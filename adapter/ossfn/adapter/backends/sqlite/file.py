"""Opening the outbox's SQLite file: durable settings, transactions that begin as they should, one process at a time."""

import fcntl
import sqlite3
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from ossfn.adapter.backend import BackendUnavailable

WRITES = {"ossfn_writes": True}
"""Execution options of a connection whose transactions write: they take the lock when they begin, not half-way."""


def open_engine(path: Path) -> Engine:
    """Connections that begin their transactions themselves and are closed after use (the writer keeps its own)."""
    engine = create_engine(
        f"sqlite:///{path}", poolclass=NullPool, connect_args={"isolation_level": None, "timeout": 10}
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("ossfn_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def only_process(path: Path) -> IO[bytes]:
    """Hold the lock file beside the database; a second service on the same file would give deliveries out twice."""
    lock = path.with_name(path.name + ".lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise BackendUnavailable(
            f"{path} is in use by another ossfn process: stop it, or choose another --data"
        ) from None
    return lock
