"""Opening the outbox's SQLite file: durable settings, transactions that begin as they should, faults in words."""

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ossfn.adapter.backend import BackendUnavailable

WRITES = {"ossfn_writes": True}
"""Execution options of a connection whose transactions write: they take the lock when they begin, not half-way."""

BUSY_SECONDS = 2.0
"""How long a write waits for another program's lock; meanwhile stores wait for their answer."""

_FAULTS = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_READONLY: "it cannot be written: make it and its directory writable again",
    sqlite3.SQLITE_BUSY: "another program holds it locked: close that program",
    sqlite3.SQLITE_CORRUPT: "it is damaged: put back a copy, or what `sqlite3 FILE .recover` can save",
    sqlite3.SQLITE_NOTADB: "it is not a database any more: put back a copy",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: is its directory there and writable?",
    sqlite3.SQLITE_IOERR: "the disk fails to read or write: see the system's log",
}
# What the work itself is to blame for, not the storage: the same work fails again, other work does not.
_OF_THE_WORK = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


def open_engine(path: Path) -> Engine:
    """Connections that begin their transactions themselves and are closed after use (the writer keeps its own)."""
    engine = create_engine(
        f"sqlite:///{path}", poolclass=NullPool, connect_args={"isolation_level": None, "timeout": BUSY_SECONDS}
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


def unavailable(path: Path, error: Exception) -> BackendUnavailable | None:
    """The same fault in words with its cure when it is the storage's, else None."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, OSError):
        return BackendUnavailable(f"{path}: {cause}")
    if not isinstance(cause, sqlite3.Error) or isinstance(cause, _OF_THE_WORK):
        return None
    said = _FAULTS.get((getattr(cause, "sqlite_errorcode", 0) or 0) & 0xFF)
    return BackendUnavailable(f"{path}: {said} ({cause})" if said else f"{path}: {cause}")


def space_left(path: Path) -> int:
    """Bytes that may still be written beside this file."""
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize


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
