"""`@once`: a handler does its work one time for each event, although events may be delivered several times."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from functools import wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, Protocol, TypeVar, overload

from ossfn.functions.kit.answers import RetryLater
from ossfn.functions.kit.events import ObjectEvent

KEEP_SECONDS = 14 * 86400.0
"""How long ids are known: longer than ossfn keeps events, so that a replay is recognised."""
BUSY_SECONDS = 2.0
"""When to come again, for a repeat that arrives while the first one is worked on."""

Handler = TypeVar("Handler", bound=Callable[[Any], Any])


class IdStore(Protocol):
    """Where ids are kept. All functions that share one must be different stores, or do the same work."""

    def begin(self, event_id: str) -> bool | None:
        """True: the work is ours to do now. None: somebody is at it. False: it was done before."""
        ...

    def done(self, event_id: str) -> None:
        """The work is done."""
        ...

    def failed(self, event_id: str) -> None:
        """It is not: the next delivery shall try again."""
        ...


class SqliteIds:
    """Ids in an SQLite file, safe for all worker processes of one machine.

    Who began and was killed is not waited for longer than `hold_seconds`.
    """

    def __init__(self, path: Path, *, hold_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._hold_seconds = hold_seconds
        self._clock = clock

    def begin(self, event_id: str) -> bool | None:
        """See IdStore."""
        now = self._clock()
        with closing(self._open()) as file, file:
            file.execute("BEGIN IMMEDIATE")
            file.execute("DELETE FROM id WHERE at < ?", (now - KEEP_SECONDS,))
            known = file.execute("SELECT done, at FROM id WHERE id = ?", (event_id,)).fetchone()
            if known and known[0]:
                return False
            if known and now - known[1] < self._hold_seconds:
                return None
            file.execute("INSERT OR REPLACE INTO id VALUES (?, 0, ?)", (event_id, now))
        return True

    def done(self, event_id: str) -> None:
        """See IdStore."""
        self._change("INSERT OR REPLACE INTO id VALUES (?, 1, ?)", event_id, self._clock())

    def failed(self, event_id: str) -> None:
        """See IdStore."""
        self._change("DELETE FROM id WHERE id = ?", event_id)

    def _change(self, statement: str, *values: object) -> None:
        with closing(self._open()) as file:
            file.execute(statement, values)

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        file.execute(
            "CREATE TABLE IF NOT EXISTS id (id TEXT PRIMARY KEY, done INTEGER NOT NULL, at REAL NOT NULL) WITHOUT ROWID"
        )
        file.execute("CREATE INDEX IF NOT EXISTS id_at ON id (at)")
        return file


def default_ids() -> IdStore:
    """A file in the function's own folder under ossfn, which outlives its versions; elsewhere in `.ossfn` here."""
    folder = Path(os.environ.get("OSSFN_STATE", ".ossfn"))
    limit = float(os.environ.get("CLOUD_RUN_TIMEOUT_SECONDS") or 0) or 300.0
    return SqliteIds(folder / "once.sqlite", hold_seconds=limit + 30)


@overload
def once(handler: Handler) -> Handler: ...
@overload
def once(*, ids: IdStore) -> Callable[[Handler], Handler]: ...
def once(handler: Any = None, *, ids: IdStore | None = None) -> Any:
    """Run the handler, sync or async, only for events that it has not finished before; put it below other decorators.

    The id is the CloudEvent's `source` and `id`; a repeat returns None. A handler that raises has not finished. A
    repeat that arrives meanwhile raises RetryLater, so it needs `@object_event` above. One thing it cannot do: a
    handler that is killed after its work and before its return will do the work again.
    """
    if handler is None:
        return lambda decorated: _once(decorated, ids)
    return _once(handler, ids)


def _once(handler: Callable[[Any], Any], ids: IdStore | None) -> Callable[[Any], Any]:
    if iscoroutinefunction(handler):
        return _once_async(handler, ids)

    @wraps(handler)
    def run(event: Any) -> Any:
        store, event_id = ids or default_ids(), _id(event)
        if not _begun(store, event_id):
            return None
        try:
            result = handler(event)
        except BaseException:
            store.failed(event_id)
            raise
        store.done(event_id)
        return result

    return run


def _once_async(handler: Callable[[Any], Any], ids: IdStore | None) -> Callable[[Any], Any]:
    @wraps(handler)
    async def run(event: Any) -> Any:
        store, event_id = ids or default_ids(), _id(event)
        if not await asyncio.to_thread(_begun, store, event_id):
            return None
        try:
            result = await handler(event)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(store.failed, event_id))
            raise
        await asyncio.to_thread(store.done, event_id)
        return result

    return run


def _begun(store: IdStore, event_id: str) -> bool:
    begun = store.begin(event_id)
    if begun is None:
        raise RetryLater(BUSY_SECONDS, f"event {event_id} is being worked on")
    return begun


def _id(event: Any) -> str:
    source, number = (event.source, event.id) if isinstance(event, ObjectEvent) else (event["source"], event["id"])
    return f"{source}\n{number}"
