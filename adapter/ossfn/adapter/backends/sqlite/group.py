"""One transaction of the writer thread: appends together, settlements together, then the rest in order."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine

from ossfn.adapter.backends.sql_order import follow, keys_of, note_delivered
from ossfn.adapter.backends.sqlite.claims import claim, release
from ossfn.adapter.backends.sqlite.file import WRITES, unavailable
from ossfn.adapter.backends.sqlite.outbox import Outbox, Touched, count
from ossfn.adapter.backends.sqlite.work import Append, Call, Claim, Release, Settle


def driver(connection: Connection) -> sqlite3.Connection:
    """The sqlite3 connection under SQLAlchemy's, in the same transaction."""
    return cast("sqlite3.Connection", connection.connection.driver_connection)


class SqliteGroup:
    """What the writer thread holds: the writing connection and the statements on it."""

    def __init__(self, path: Path, engine: Engine, *, lease_seconds: float, duplicate_window_seconds: float) -> None:
        self._path = path
        self._engine = engine
        self._lease = lease_seconds
        self._window = duplicate_window_seconds
        self._connection: Connection | None = None
        self._outbox: Outbox | None = None
        self.pending = 0
        """Deliveries that wait, as of the last transaction; read from any thread."""

    def run(self, work: Sequence[Any]) -> list[Any]:
        """Do all of it in one transaction; raises BackendUnavailable when the storage is to blame."""
        try:
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(**WRITES)
            with self._connection.begin():
                if self._outbox is None:
                    self._outbox = Outbox(driver(self._connection), self._lease, self._window)
                return self._do(work, self._connection, self._outbox)
        except Exception as error:
            self.close()  # a connection that failed may be beyond use: the next group opens another
            if fault := unavailable(self._path, error):
                raise fault from error
            raise

    def _do(self, work: Sequence[Any], connection: Connection, outbox: Outbox) -> list[Any]:
        results: dict[int, Any] = {}
        appends = [i for i, piece in enumerate(work) if isinstance(piece, Append)]
        if appends:
            results.update(zip(appends, outbox.append([work[i] for i in appends]), strict=True))
        settles = [piece for piece in work if isinstance(piece, Settle)]
        if settles:
            changed = outbox.settle(settles)
            results.update({i: changed for i, piece in enumerate(work) if isinstance(piece, Settle)})
        for i, piece in enumerate(work):
            match piece:
                case Claim():
                    results[i] = claimed = claim(outbox.connection, piece, self._lease)
                    outbox.touched.receipts |= claimed.damaged
                case Release():
                    release(outbox.connection, piece)
                    outbox.touched.receipts |= {d.receipt for d in piece.deliveries if d.ordered}
                case Call(function, now):
                    results[i] = function(connection, now)
                    outbox.forget()  # it may have made deliveries of its own, with numbers that were next here
        _follow_order(connection, outbox, max(piece.now for piece in work))
        self.pending = _pending(outbox.connection)
        return [results.get(i) for i in range(len(work))]

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._outbox = None


def _follow_order(connection: Connection, outbox: Outbox, now: float) -> None:
    """Let the next of each key go whose ordered deliveries have changed."""
    touched, outbox.touched = outbox.touched, Touched()
    for receipt in touched.delivered:
        note_delivered(connection, receipt)
    keys = touched.keys | keys_of(connection, touched.receipts)
    count(outbox.connection, cancelled=follow(connection, keys, now))


def _pending(connection: sqlite3.Connection) -> int:
    (pending,) = connection.execute(
        "SELECT sum(CASE name WHEN 'accepted' THEN value ELSE -value END) FROM counters"
        " WHERE name IN ('accepted', 'delivered', 'dead', 'cancelled')"
    ).fetchone()
    return int(pending)
