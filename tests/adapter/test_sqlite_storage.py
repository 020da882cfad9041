"""Storage that fails: said in words, nothing lost, nothing counted twice, well again when the cause goes away."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ossfn.adapter.backend import BackendUnavailable, Query
from ossfn.adapter.backends.sqlite import SqliteBackend
from ossfn.adapter.delivery import (
    Accepted,
    Attempt,
    Delivered,
    Delivery,
    Entry,
    NewDelivery,
    Outcome,
    Settlement,
)
from ossfn.adapter.dispatcher import Dispatcher
from ossfn.adapter.events import ObjectEvent
from ossfn.adapter.retry import LanePolicy

pytestmark = pytest.mark.slow


def entry(name: str, *targets: str, size: int = 100, key: str = "k") -> Entry:
    event = ObjectEvent(
        name="s3:ObjectCreated:Put", bucket="b", key=key, time="2026-11-22T15:57:26Z", dialect="aws",
        event_source="aws:s3", record=msgspec.Raw(b'"' + b"x" * size + b'"'),
    )  # fmt: skip
    deliveries = tuple(NewDelivery(f"{name}-{n}", target, "r") for n, target in enumerate(targets))
    return Entry(name, event, time.time(), 1, None, deliveries)


@asynccontextmanager
async def opened(path: Path, **more: Any) -> AsyncIterator[SqliteBackend]:
    backend = SqliteBackend(path, clock=time.time, **more)
    await backend.open()
    try:
        yield backend
    finally:
        await backend.close()


async def well_again(backend: SqliteBackend) -> None:
    """Return when it says that it is well, without anybody writing anything."""
    async with asyncio.timeout(5):
        while backend.healthy():
            await asyncio.sleep(0.02)


async def check_balance(backend: SqliteBackend, accepted: int) -> None:
    s, r = await backend.stats(), await backend.recount()
    assert s.accepted == accepted == s.delivered + s.dead + s.pending + s.cancelled
    assert (r.accepted, r.delivered, r.dead, r.pending) == (s.accepted, s.delivered, s.dead, s.pending)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk]).returncode:
        pytest.skip("needs to mount a small file system: run as root")
    yield disk
    subprocess.run(["umount", disk], check=True)


async def test_a_full_disk_refuses_keeps_the_rest_and_mends(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(5 * 2**20))
    kept: list[str] = []

    async def fill(backend: SqliteBackend) -> None:
        while True:
            await backend.append([entry(f"e{len(kept)}", "function:a", size=20_000)])
            kept.append(f"e{len(kept)}-0")

    async with opened(small_disk / "outbox.db") as backend:
        with pytest.raises(BackendUnavailable, match="disk is full"):
            await fill(backend)
        assert "disk is full" in backend.healthy()
        await check_balance(backend, len(kept))
        filler.unlink()
        await well_again(backend)
        await backend.append([entry("after", "function:a")])
        claimed = await backend.claim(limit=2000, room={}, default_room=2000)
        assert sorted(d.id for d in claimed) == sorted([*kept, "after-0"])
        await check_balance(backend, len(kept) + 1)
        assert len(kept) > 50


async def test_nothing_is_accepted_from_the_last_of_the_disk_but_outcomes_are(small_disk: Path) -> None:
    async with opened(small_disk / "outbox.db", reserve_bytes=4 * 2**20) as backend:
        await backend.append([entry("e1", "function:a")])
        filler = small_disk / "filler"
        filler.write_bytes(bytes(4 * 2**20))
        assert "MiB of disk are left" in backend.healthy()
        with pytest.raises(BackendUnavailable, match="free some"):
            await backend.append([entry("e2", "function:a")])
        (delivery,) = await backend.claim(limit=10, room={}, default_room=10)
        await backend.settle([Settlement(delivery, Attempt(1, time.time(), 0.1, 200, ""), Delivered())])
        assert (await backend.stats()).delivered == 1
        filler.unlink()
        assert backend.healthy() == ""
        await backend.append([entry("e2", "function:a")])


@contextmanager
def unwritable(*files: Path) -> Iterator[None]:
    """Files that nobody can write, not even root through a handle that was open before."""
    if not shutil.which("chattr") or subprocess.run(["chattr", "+i", *files], capture_output=True).returncode:
        pytest.skip("needs chattr on ext4 as root")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *files], check=True)


async def test_a_file_that_cannot_be_written_is_said_and_mends(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    async with opened(path) as backend:
        await backend.append([entry("e1", "function:a")])
        with unwritable(path, path.with_name("outbox.db-wal")):
            with pytest.raises(BackendUnavailable):
                await backend.append([entry("e2", "function:a")])
            with pytest.raises(BackendUnavailable, match="cannot be written"):
                await backend.append([entry("e2", "function:a")])
            assert "cannot be written" in backend.healthy()
            assert (await backend.stats()).accepted == 1
        await well_again(backend)
        assert await backend.append([entry("e2", "function:a")]) == [True]
        await check_balance(backend, 2)


async def test_a_file_that_is_not_a_database_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"something else entirely, and long enough to be looked at" * 100)
    backend = SqliteBackend(path, clock=time.time)
    with pytest.raises(BackendUnavailable, match="not a database"):
        await backend.open()
    path.unlink()
    await backend.open()  # it let go of everything
    await backend.close()


async def test_damaged_pages_are_said_and_whole_ones_serve_again(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    async with opened(path) as backend:
        await backend.append([entry(f"e{n}", "function:a", size=1000) for n in range(3000)])
    whole = path.read_bytes()
    async with opened(path) as backend:
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * (len(whole) - 4096))
        with pytest.raises(BackendUnavailable, match="damaged"):
            await backend.append([entry("new", "function:b")])
        with pytest.raises(BackendUnavailable, match="damaged"):
            await backend.claim(limit=10, room={}, default_room=10)
        assert "damaged" in backend.healthy()
        path.with_name("outbox.db").write_bytes(whole)
        async with asyncio.timeout(5):
            while True:
                try:
                    claimed = await backend.claim(limit=4000, room={}, default_room=4000)
                    break
                except BackendUnavailable:
                    await asyncio.sleep(0.1)
        await well_again(backend)
        assert len(claimed) == 3000
        await check_balance(backend, 3000)


async def test_one_damaged_event_is_a_dead_letter_and_holds_up_no_other(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    async with opened(path) as backend:
        await backend.append([entry(name, "function:a") for name in ("e1", "e2", "e3")])
        await backend.release(await backend.claim(limit=10, room={}, default_room=10))
        with sqlite3.connect(path) as other:
            other.execute("UPDATE events SET event = x'7b226e' WHERE id = 'e2'")
        other.close()
        claimed = await backend.claim(limit=10, room={}, default_room=10)
        assert [d.id for d in claimed] == ["e1-0", "e3-0"]
        ((dead,), _) = await backend.find(Query(state="dead"), limit=10)
        assert (dead.id, "damaged" in dead.reason) == ("e2-0", True)
        await check_balance(backend, 3)


async def test_one_bad_piece_fails_alone(tmp_path: Path) -> None:
    async with opened(tmp_path / "outbox.db") as backend:
        # None of them waits for another: they meet in one transaction.
        answers = await asyncio.gather(
            *(backend.append([entry(f"a{n}", "function:a"), entry(f"b{n}", "function:b")]) for n in range(20)),
            backend.append([entry("good", "function:a"), entry("bad", "function:a", key="half a \ud83d")]),
            *(backend.append([entry(f"c{n}", "function:a")]) for n in range(20)),
            return_exceptions=True,
        )
        assert [a for a in answers if isinstance(a, BaseException)] == [answers[20]]
        assert isinstance(answers[20], UnicodeEncodeError)
        await check_balance(backend, 60)
        assert await backend.event("good") is None
        assert len(await backend.claim(limit=100, room={}, default_room=100)) == 60


class Counting:
    """Targets that take everything and count it; they wait while `gate` is shut."""

    def __init__(self) -> None:
        self.tries: list[str] = []
        self.gate = asyncio.Event()

    def lane_of(self, target: str) -> LanePolicy:
        """The same for all."""
        return LanePolicy(4)

    async def send(self, delivery: Delivery) -> tuple[Outcome, Attempt]:
        """Count and accept."""
        self.tries.append(delivery.id)
        await self.gate.wait()
        return Accepted(), Attempt(delivery.attempt, time.time(), 0.001, 200, "")


async def test_outcomes_wait_while_another_program_holds_the_file(tmp_path: Path) -> None:
    path, targets = tmp_path / "outbox.db", Counting()
    async with opened(path) as backend:
        dispatcher = Dispatcher(backend, targets, clock=time.time, dice=lambda: 0.5, on_attempt=lambda *_: None)
        running = asyncio.create_task(dispatcher.run())
        await backend.append([entry(f"e{n}", "function:a") for n in range(2000)])
        while len(targets.tries) < 4:
            await asyncio.sleep(0.01)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        targets.gate.set()
        with pytest.raises(BackendUnavailable, match="another program holds it locked"):
            await backend.append([entry("refused", "function:a")])
        await asyncio.sleep(0.5)
        # Only what was in hand when the storage failed was tried.
        assert len(targets.tries) <= Dispatcher.PER_TARGET
        assert backend.healthy()
        other.execute("ROLLBACK")
        other.close()
        async with asyncio.timeout(15):
            while (await backend.stats()).delivered < 2000:
                await asyncio.sleep(0.05)
        assert sorted(targets.tries) == sorted(f"e{n}-0" for n in range(2000))  # each once
        await well_again(backend)
        await check_balance(backend, 2000)
        dispatcher.stop()
        await running
