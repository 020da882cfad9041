"""The history's verbs on SQLite: reads on connections of their own, in threads; the few writes through the writer."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine

from ossfn.adapter.backend import DeliveryRecord, EventRecord, Query, Stats, TargetState
from ossfn.adapter.backends import sql_changes as changes
from ossfn.adapter.backends import sql_history as history
from ossfn.adapter.backends.sqlite.file import unavailable
from ossfn.adapter.delivery import Attempt

T = TypeVar("T")


class SqliteHistory(ABC):
    """The part of the backend that API, CLI and console see; its other part keeps the queue in step with it."""

    _path: Path
    _engine: Engine
    _looked_to = 0
    """The number of the last event that the clean-up has looked at."""

    @abstractmethod
    async def _call(self, function: Callable[[Connection, float], T]) -> T:
        """Run this in a transaction of the writer, with the time."""

    @abstractmethod
    def wake(self) -> None:
        """See `DeliveryQueue.wake`."""

    async def _read(self, function: Callable[[Connection], T]) -> T:
        try:
            return await asyncio.to_thread(self._in_snapshot, function)
        except Exception as error:
            if fault := unavailable(self._path, error):
                raise fault from error
            raise

    def _in_snapshot(self, function: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return function(connection)

    async def stats(self) -> Stats:
        """See `History.stats`."""
        return await self._read(history.stats)

    async def recount(self) -> Stats:
        """See `History.recount`."""
        return await self._read(history.recount)

    async def pending_by_target(self) -> Mapping[str, tuple[int, float]]:
        """See `History.pending_by_target`."""
        return await self._read(history.pending_by_target)

    async def find(
        self, query: Query, *, limit: int, before: int | None = None
    ) -> tuple[Sequence[DeliveryRecord], int | None]:
        """See `History.find`."""
        return await self._read(lambda c: history.find(c, query, limit, before))

    async def get(self, delivery_id: str) -> DeliveryRecord | None:
        """See `History.get`."""
        return await self._read(lambda c: history.get(c, delivery_id))

    async def attempts_of(self, delivery_id: str) -> Sequence[Attempt]:
        """See `History.attempts_of`."""
        return await self._read(lambda c: history.attempts_of(c, delivery_id))

    async def event(self, event_id: str) -> EventRecord | None:
        """See `History.event`."""
        return await self._read(lambda c: history.event(c, event_id))

    async def paused_targets(self) -> Sequence[TargetState]:
        """See `History.paused_targets`."""
        return await self._read(history.paused_targets)

    async def redeliverable(self, query: Query) -> int:
        """See `History.redeliverable`."""
        return await self._read(lambda c: history.redeliverable(c, query))

    async def replayable(self, query: Query) -> int:
        """See `History.replayable`."""
        return await self._read(lambda c: history.replayable(c, query))

    async def redeliver(self, query: Query, *, limit: int) -> int:
        """See `History.redeliver`."""
        made = await self._call(lambda c, now: changes.redeliver(c, query, limit, now))
        self.wake()
        return made

    async def replay(
        self, query: Query, *, target: str, rule: str, limit: int, after: int = 0
    ) -> tuple[int, int | None]:
        """See `History.replay`."""
        made = await self._call(lambda c, now: changes.replay(c, query, target, rule, after, limit, now))
        self.wake()
        return made

    async def purge(self, query: Query, *, limit: int) -> int:
        """See `History.purge`."""
        return await self._call(lambda c, now: changes.purge(c, query, limit, now))

    async def cancel(self, query: Query, *, limit: int) -> int:
        """See `History.cancel`."""
        ended = await self._call(lambda c, now: changes.cancel(c, query, limit, now))
        self.wake()
        return ended

    async def clean_up(self, *, delivered_before: float, limit: int) -> int:
        """See `Backend.clean_up`."""
        while True:  # some at a time, so that ingest never waits behind a long look
            forgotten, more = await self._call(
                lambda c, _: changes.clean_up(c, delivered_before, limit, self._looked_to)
            )
            self._looked_to = more or 0
            if forgotten or more is None:
                return forgotten
