"""One thread that owns the database's only writing connection and commits in groups.

What arrives while one group is being committed forms the next: no timer, no linger, and nobody is answered before the
transaction that holds its work is on disk.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from ossfn.adapter.backend import BackendUnavailable

T = TypeVar("T")


class Group(Protocol):
    """What the thread commits: many pieces of work in one transaction."""

    def run(self, work: Sequence[Any]) -> list[Any]:
        """Do all of it and commit, or do none of it and raise. One result for each piece.

        BackendUnavailable says that no piece can be done now; anything else that one of them cannot.
        """
        ...

    def close(self) -> None:
        """Let the connection go."""
        ...


class Writer:
    """The thread and its inbox. Made and used on one event loop."""

    MAX_GROUP = 512
    """Pieces of work in one transaction; bounds how long the first of them waits for the last."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._inbox: queue.SimpleQueue[tuple[Any, asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="ossfn-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Any) -> asyncio.Future[Any]:
        """Hand in one piece of work; the future has its result once that is durable."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._inbox.put((work, future))
        return future

    async def close(self) -> None:
        """Commit what was handed in, then end the thread."""
        self._inbox.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        going_on = True
        while going_on:
            taken, going_on = self._take()
            if taken:
                outcomes = self._commit([work for work, _ in taken])
                futures = [future for _, future in taken]
                self._loop.call_soon_threadsafe(_answer, futures, outcomes)
        self._group.close()

    def _take(self) -> tuple[list[tuple[Any, asyncio.Future[Any]]], bool]:
        taken = []
        item = self._inbox.get()
        while item is not None:
            taken.append(item)
            if len(taken) == self.MAX_GROUP:
                return taken, True
            try:
                item = self._inbox.get_nowait()
            except queue.Empty:
                return taken, True
        return taken, False

    def _commit(self, work: list[Any]) -> list[Callable[[], Any]]:
        try:
            return [_giving(result) for result in self._group.run(work)]
        except BackendUnavailable as fault:
            return [_raising(fault)] * len(work)
        except Exception as error:
            if len(work) == 1:
                return [_raising(error)]
            # One bad piece must not fail its neighbours: each gets a transaction of its own.
            return [outcome for piece in work for outcome in self._commit([piece])]


def _giving(result: T) -> Callable[[], T]:
    return lambda: result


def _raising(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


def _answer(futures: Sequence[asyncio.Future[Any]], outcomes: Sequence[Callable[[], Any]]) -> None:
    for future, outcome in zip(futures, outcomes, strict=True):
        if future.done():  # whoever asked was cancelled; the work is done all the same
            continue
        try:
            future.set_result(outcome())
        except Exception as error:
            future.set_exception(error)
