"""Deliveries in one SQLite file: nothing to install, durable at each answer, one process at a time."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from ossfn.adapter.backend import BackendUnavailable
from ossfn.adapter.backends import sql_changes as changes
from ossfn.adapter.backends import sql_history as history
from ossfn.adapter.backends.fresh import Fresh
from ossfn.adapter.backends.migrations import upgrade
from ossfn.adapter.backends.sqlite.claims import recover
from ossfn.adapter.backends.sqlite.file import WRITES, only_process, open_engine, space_left, unavailable
from ossfn.adapter.backends.sqlite.group import SqliteGroup, driver
from ossfn.adapter.backends.sqlite.history import SqliteHistory
from ossfn.adapter.backends.sqlite.outbox import delivery_id
from ossfn.adapter.backends.sqlite.work import Append, Call, Claim, Claimed, Kept, Release, Settle
from ossfn.adapter.backends.writer import Writer
from ossfn.adapter.delivery import Circuit, Delivery, Entry, NewDelivery, PauseTarget, RetryAt, Settlement

T = TypeVar("T")


class SqliteBackend(SqliteHistory):
    """A backend on one file. `clock` gives Unix seconds. See `backend.py` for what each verb promises.

    While less than `reserve_bytes` of disk is left nothing is accepted: what comes of deliveries can still be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float],
        lease_seconds: float = 900,
        duplicate_window_seconds: float = 3600,
        max_pending: int = 10_000_000,
        reserve_bytes: int = 0,
        fresh_per_target: int = 1024,
        fresh_total: int = 16_384,
    ) -> None:
        self._path = path
        self._clock = clock
        self._lease = lease_seconds
        self._window = duplicate_window_seconds
        self._max_pending = max_pending
        self._reserve = reserve_bytes
        self._fresh = Fresh(fresh_per_target, fresh_total)
        self._paused: set[str] = set()
        self._circuits: dict[str, Circuit] = {}
        self._crowded: frozenset[str] = frozenset()
        """Targets with more due in the file than they had room for: what is new queues up behind that."""
        self._next_due = 0.0
        self._wake = asyncio.Event()
        self._faults: dict[type, str] = {}
        """What is wrong with the storage, by the kind of work that met it last."""
        self._mender: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Make or migrate the file, take back what an earlier process had claimed. Raises BackendUnavailable."""
        with contextlib.ExitStack() as undo:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._lock = undo.enter_context(only_process(self._path))
                self._engine = open_engine(self._path)
                await asyncio.to_thread(self._begin)
            except Exception as error:
                if fault := unavailable(self._path, error):
                    raise fault from error
                raise
            self._paused = {t.target for t in await self.paused_targets()}
            self._circuits = await self._read(history.circuits)
            self._group = SqliteGroup(
                self._path, self._engine, lease_seconds=self._lease, duplicate_window_seconds=self._window
            )
            self._writer = Writer(self._group)
            undo.pop_all()
        await self._call(lambda c, _: changes.touch(c))  # and learn how many wait

    def _begin(self) -> None:
        with self._engine.connect().execution_options(**WRITES) as connection, connection.begin():
            upgrade(connection)
            recover(driver(connection), self._clock())

    async def close(self) -> None:
        """Give back what was committed but never given out, commit, let go of the file."""
        if self._mender:
            self._mender.cancel()
        with contextlib.suppress(BackendUnavailable):  # then the next process takes it back
            await self.release([d for target in self._fresh.targets() for d in self._fresh.drop(target)])
        await self._writer.close()
        self._engine.dispose()
        self._lock.close()

    def healthy(self) -> str:
        """Empty, or what is wrong with the storage at this moment."""
        return "; ".join(self._faults.values()) or self._disk_fault()

    def _disk_fault(self) -> str:
        left = space_left(self._path) if self._reserve else 0
        if left >= self._reserve:
            return ""
        return f"{self._path}: {left / 2**20:.0f} MiB of disk are left, {self._reserve / 2**20:.0f} must be: free some"

    async def append(self, entries: Sequence[Entry]) -> Sequence[bool]:
        """See `EventLog.append`."""
        new = [d for entry in entries for d in entry.deliveries]
        if self._group.pending + len(new) > self._max_pending:
            raise BackendUnavailable(f"the outbox is full: {self._group.pending} deliveries are waiting", 30)
        if fault := self._disk_fault():
            raise BackendUnavailable(fault, 30)
        now = self._clock()
        leased = [
            self._flows(d) and self._fresh.reserve(d.target, entry.event) for entry in entries for d in entry.deliveries
        ]
        work = self._writer.submit(Append(entries, leased, now))
        # Not in line below: it must happen even if whoever sent this has gone when it is on disk.
        work.add_done_callback(lambda done: self._hand_out(entries, done, leased, now))
        kept: list[Kept] = await self._done(Append, work)
        return [k.new for k in kept]

    def _hand_out(
        self, entries: Sequence[Entry], done: asyncio.Future[list[Kept]], leased: Sequence[bool], now: float
    ) -> None:
        """Hand leased deliveries of new entries to the dispatcher; give places back where nothing came of them."""
        kept = [Kept(new=False)] * len(entries) if done.exception() else done.result()
        places = iter(leased)
        for entry, what in zip(entries, kept, strict=True):
            for number, new in enumerate(entry.deliveries):
                reserved = next(places)
                if what.new and reserved:
                    self._fresh.put(_claimed(entry, number, what.first_receipt + number, now + self._lease))
                elif reserved:
                    self._fresh.release(new.target, entry.event)
                elif what.new and new.target not in self._crowded:
                    self._next_due = now
        self._wake.set()

    def _flows(self, new: NewDelivery) -> bool:
        """Whether a new delivery may pass to the dispatcher in memory."""
        waits = new.target in self._crowded or new.target in self._paused or new.target in self._circuits
        return not (waits or new.order or new.refused)

    async def claim(self, *, limit: int, room: Mapping[str, int], default_room: int) -> Sequence[Delivery]:
        """See `DeliveryQueue.claim`: what was just committed first, then what waits in the file."""
        self._wake.clear()
        now = self._clock()
        room = {**room, **dict.fromkeys(self._paused, 0)}  # an append may have raced with the pause
        file_may_have_some = self._next_due <= now or self._much_room(room, default_room)
        taken = self._fresh.take(limit, room, default_room, now)
        if not file_may_have_some:
            return taken
        if taken:  # they do not wait for the disk; the file comes next time
            self._wake.set()
            return taken
        return await self._claim_from_file(Claim(limit, room, default_room, now))

    def _much_room(self, room: Mapping[str, int], default_room: int) -> bool:
        """Whether a target with a backlog has half its room again: a claim costs the same for one as for many."""
        return any(2 * room.get(target, default_room) > default_room for target in self._crowded)

    async def _claim_from_file(self, work: Claim) -> Sequence[Delivery]:
        self._next_due = float("inf")  # what becomes due while the claim runs lowers it again
        try:
            claimed: Claimed = await self._done(Claim, self._writer.submit(work))
        except BaseException:
            self._next_due = work.now
            raise
        self._next_due = min(self._next_due, claimed.next_due)
        self._crowded = claimed.crowded
        return claimed.deliveries

    async def wait(self, timeout_seconds: float) -> None:
        """See `DeliveryQueue.wait`."""
        timeout = max(0.0, min(timeout_seconds, self._next_due - self._clock()))
        try:
            await asyncio.wait_for(self._wake.wait(), timeout)
        except TimeoutError:
            return

    def wake(self) -> None:
        """See `DeliveryQueue.wake`."""
        self._due(0.0)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """See `DeliveryQueue.settle`."""
        now = self._clock()
        changed: frozenset[int] = await self._done(Settle, self._writer.submit(Settle(settlements, now)))
        for s in settlements:
            if isinstance(s.step, RetryAt):
                self._due(s.step.at)
            elif isinstance(s.step, PauseTarget) and s.delivery.receipt in changed:
                self._paused.add(s.delivery.target)
                await self._take_back(s.delivery.target)
            if s.delivery.ordered:  # the next of its key may go
                self._due(now)
        if self._crowded:
            self._wake.set()

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """See `DeliveryQueue.release`."""
        if deliveries:
            now = self._clock()
            await self._done(Release, self._writer.submit(Release(deliveries, now)))
            self._due(now)

    def _due(self, at: float) -> None:
        self._next_due = min(self._next_due, at)
        self._wake.set()

    async def _take_back(self, target: str) -> None:
        await self.release(self._fresh.drop(target))

    async def pause(self, target: str, reason: str) -> None:
        """See `History.pause`."""
        await self._call(lambda c, now: changes.pause(c, target, reason, now))
        self._paused.add(target)
        await self._take_back(target)

    async def resume(self, target: str) -> None:
        """See `History.resume`."""
        await self._call(lambda c, _: changes.resume(c, target))
        self._paused.discard(target)
        self._circuits.pop(target, None)
        self._due(0.0)

    def paused(self) -> AbstractSet[str]:
        """See `DeliveryQueue.paused`."""
        return self._paused

    def circuits(self) -> Mapping[str, Circuit]:
        """See `DeliveryQueue.circuits`."""
        return self._circuits

    async def set_circuit(self, target: str, circuit: Circuit | None) -> None:
        """See `DeliveryQueue.set_circuit`."""
        await self._call(lambda c, _: changes.set_circuit(c, target, circuit))
        if circuit:
            self._circuits[target] = circuit
            await self._take_back(target)
        else:
            self._circuits.pop(target, None)
            self._due(0.0)

    async def _call(self, function: Callable[[Connection, float], T]) -> T:
        result: T = await self._done(Call, self._writer.submit(Call(function, self._clock())))
        return result

    async def _done(self, kind: type, work: asyncio.Future[Any]) -> Any:
        """The result of handed-in work; notes whether the storage took it. Cancelling leaves the work alone."""
        try:
            result = await asyncio.shield(work)
        except BackendUnavailable as fault:
            if kind is not Call:  # whoever called has the answer
                self._faults[kind] = str(fault)
                self._mender = self._mender or asyncio.create_task(self._mend())
            raise
        self._faults.pop(kind, None)
        return result

    async def _mend(self) -> None:
        """Try to write each second until it works: stores may send nothing while this says that it is not ready.

        Claims and settlements are tried again by the dispatcher.
        """
        while self._faults:
            await asyncio.sleep(1.0)
            with contextlib.suppress(BackendUnavailable):
                await self._call(lambda c, _: changes.touch(c))
                self._faults.pop(Append, None)
                self._faults.pop(Release, None)
        self._mender = None


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
