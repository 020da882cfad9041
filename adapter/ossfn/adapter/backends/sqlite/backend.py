"""Deliveries in one SQLite file: nothing to install, durable at each answer, one process at a time."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ossfn.adapter.backend import (
    BackendUnavailable,
    DeliveryRecord,
    EventRecord,
    Query,
    Stats,
    TargetState,
)
from ossfn.adapter.backends import sql_history as history
from ossfn.adapter.backends.fresh import Fresh
from ossfn.adapter.backends.migrations import upgrade
from ossfn.adapter.backends.sqlite.file import WRITES, only_process, open_engine
from ossfn.adapter.backends.sqlite.group import SqliteGroup, driver
from ossfn.adapter.backends.sqlite.outbox import Outbox, delivery_id
from ossfn.adapter.backends.sqlite.work import Append, Call, Claim, Claimed, Kept, Release, Settle
from ossfn.adapter.backends.writer import Writer
from ossfn.adapter.delivery import Attempt, Delivery, Entry, PauseTarget, RetryAt, Settlement

T = TypeVar("T")


class SqliteBackend:
    """A backend on one file. `clock` gives Unix seconds. See `backend.py` for what each verb promises."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float],
        lease_seconds: float = 900,
        duplicate_window_seconds: float = 3600,
        max_pending: int = 10_000_000,
        fresh_per_target: int = 1024,
        fresh_total: int = 16_384,
    ) -> None:
        self._path = path
        self._clock = clock
        self._lease = lease_seconds
        self._window = duplicate_window_seconds
        self._max_pending = max_pending
        self._fresh = Fresh(fresh_per_target, fresh_total)
        self._paused: set[str] = set()
        self._pending = 0
        self._crowded: frozenset[str] = frozenset()
        """Targets with more due in the file than they had room for: what is new queues up behind that."""
        self._next_due = 0.0
        self._wake = asyncio.Event()
        self._ill = ""

    async def open(self) -> None:
        """Make or migrate the file, take back what an earlier process had claimed."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = only_process(self._path)
        self._engine = open_engine(self._path)
        await asyncio.to_thread(self._begin)
        self._writer = Writer(SqliteGroup(self._engine, self._new_outbox))
        self._paused = {t.target for t in await self.paused_targets()}

    def _begin(self) -> None:
        with self._engine.connect().execution_options(**WRITES) as connection, connection.begin():
            upgrade(connection)
            self._new_outbox(driver(connection)).recover(self._clock())
            self._pending = history.stats(connection).pending

    def _new_outbox(self, connection: sqlite3.Connection) -> Outbox:
        return Outbox(connection, lease_seconds=self._lease, duplicate_window_seconds=self._window)

    async def close(self) -> None:
        """Give back what was committed but never given out, commit, let go of the file."""
        left = [d for target in self._fresh.targets() for d in self._fresh.drop(target)]
        await self.release(left)
        await self._writer.close()
        self._engine.dispose()
        self._lock.close()

    def healthy(self) -> str:
        """Empty, or the reason why the last write failed."""
        return self._ill

    async def append(self, entries: Sequence[Entry]) -> Sequence[bool]:
        """See `EventLog.append`."""
        new = [d for entry in entries for d in entry.deliveries]
        if self._pending + len(new) > self._max_pending:
            raise BackendUnavailable(f"the outbox is full: {self._pending} deliveries are waiting", 30)
        now = self._clock()
        leased = [self._flows(d.target) and self._fresh.reserve(d.target) for d in new]
        try:
            kept: list[Kept] = await self._write(Append(entries, leased, now))
        except BaseException:
            self._hand_out(entries, [Kept(new=False)] * len(entries), leased, now)
            raise
        self._hand_out(entries, kept, leased, now)
        return [k.new for k in kept]

    def _hand_out(self, entries: Sequence[Entry], kept: Sequence[Kept], leased: Sequence[bool], now: float) -> None:
        """Hand leased deliveries of new entries to the dispatcher; give places back where nothing came of them."""
        places = iter(leased)
        for entry, what in zip(entries, kept, strict=True):
            for number, new in enumerate(entry.deliveries):
                reserved = next(places)
                self._pending += what.new
                if what.new and reserved:
                    self._fresh.put(_claimed(entry, number, what.first_receipt + number, now + self._lease))
                elif reserved:
                    self._fresh.release(new.target)
                elif what.new and self._flows(new.target):
                    self._next_due = now
        self._wake.set()

    def _flows(self, target: str) -> bool:
        return target not in self._crowded and target not in self._paused

    async def claim(self, *, limit: int, per_target: int, held: Mapping[str, int]) -> Sequence[Delivery]:
        """See `DeliveryQueue.claim`: what was just committed first, then what waits in the file."""
        self._wake.clear()
        now = self._clock()
        taken = self._fresh.take(limit, per_target, held, now)
        if len(taken) < limit and self._next_due <= now:
            self._next_due = float("inf")  # what becomes due while the claim runs lowers it again
            mine = dict(held)
            for delivery in taken:
                mine[delivery.target] = mine.get(delivery.target, 0) + 1
            claimed: Claimed = await self._write(Claim(limit - len(taken), per_target, mine, now))
            self._next_due = min(self._next_due, claimed.next_due)
            self._crowded = claimed.crowded
            taken += claimed.deliveries
        return taken

    async def wait(self, timeout_seconds: float) -> None:
        """See `DeliveryQueue.wait`."""
        timeout = max(0.0, min(timeout_seconds, self._next_due - self._clock()))
        try:
            await asyncio.wait_for(self._wake.wait(), timeout)
        except TimeoutError:
            return

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """See `DeliveryQueue.settle`."""
        now = self._clock()
        self._pending -= await self._write(Settle(settlements, now))
        for s in settlements:
            if isinstance(s.step, RetryAt):
                self._due(s.step.at)
            elif isinstance(s.step, PauseTarget):
                await self._stop_handing_out(s.delivery.target)
            if s.delivery.target in self._crowded:
                self._due(now)

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """See `DeliveryQueue.release`."""
        if deliveries:
            receipts, now = [d.receipt for d in deliveries], self._clock()
            await self._write(Release(receipts, now))
            self._due(now)

    def _due(self, at: float) -> None:
        self._next_due = min(self._next_due, at)
        self._wake.set()

    async def _stop_handing_out(self, target: str) -> None:
        self._paused.add(target)
        await self.release(self._fresh.drop(target))

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

    async def redeliver(self, query: Query, *, limit: int) -> int:
        """See `History.redeliver`."""
        made: int = await self._write(Call(lambda c: history.redeliver(c, query, limit, self._clock())))
        self._pending += made
        self._due(0.0)
        return made

    async def cancel(self, query: Query, *, limit: int) -> int:
        """See `History.cancel`."""
        ended: int = await self._write(Call(lambda c: history.cancel(c, query, limit, self._clock())))
        self._pending -= ended
        return ended

    async def paused_targets(self) -> Sequence[TargetState]:
        """See `History.paused_targets`."""
        return await self._read(history.paused_targets)

    async def pause(self, target: str, reason: str) -> None:
        """See `History.pause`."""
        await self._write(Call(lambda c: history.pause(c, target, reason, self._clock())))
        await self._stop_handing_out(target)

    async def resume(self, target: str) -> None:
        """See `History.resume`."""
        await self._write(Call(lambda c: history.resume(c, target)))
        self._paused.discard(target)
        self._due(0.0)

    async def clean_up(self, *, delivered_before: float, limit: int) -> int:
        """See `Backend.clean_up`."""
        forgotten: int = await self._write(Call(lambda c: history.clean_up(c, delivered_before, limit)))
        return forgotten

    async def _write(self, work: object) -> Any:
        try:
            result = await self._writer.submit(work)
        except (sqlite3.Error, DBAPIError) as error:
            self._ill = f"{self._path}: {getattr(error, 'orig', None) or error}"
            raise BackendUnavailable(self._ill) from error
        self._ill = ""
        return result

    async def _read(self, function: Callable[[Connection], T]) -> T:
        def run() -> T:
            with self._engine.connect() as connection:
                return function(connection)

        try:
            return await asyncio.to_thread(run)
        except (sqlite3.Error, DBAPIError) as error:
            raise BackendUnavailable(f"{self._path}: {getattr(error, 'orig', None) or error}") from error


def _claimed(entry: Entry, number: int, receipt: int, lease_until: float) -> Delivery:
    """The first claim of a delivery that was just committed."""
    new = entry.deliveries[number]
    return Delivery(
        id=delivery_id(entry.event_id, number),
        event_id=entry.event_id,
        event=entry.event,
        target=new.target,
        rule=new.rule,
        generation=entry.generation,
        format=new.format,
        attempt=1,
        accepted_at=entry.received_at,
        receipt=receipt,
        lease_until=lease_until,
    )
