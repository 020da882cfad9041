"""The real service while its disk fills up, its network drops and it is restarted under load: nothing is lost."""

import asyncio
import os
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import pytest

from .soak.receiver import Receiver, receiving
from .soak.service import Service, notification
from .soak.stream import streaming

pytestmark = pytest.mark.slow


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A function that runs elsewhere."""
    with receiving() as receiver:
        yield receiver


def running(service: Service, receiver: Receiver) -> None:
    """Start it with one rule, for the receiver."""
    service.start()
    service.wait_ready()
    service.put("functions/remote", {"url": receiver.url})
    for bucket in ("remote", "hosted"):
        service.rule(bucket, target={"function": "remote"})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", disk]).returncode:
        pytest.skip("needs to mount a small file system: run as root")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_said_refused_and_survived(small_disk: Path, tmp_path: Path, receiver: Receiver) -> None:
    accepted: list[str] = []
    with closing(Service(tmp_path, {"OSSFN_DATA": str(small_disk), "OSSFN_DISK_RESERVE_MB": "0"})) as service:
        service.data = small_disk
        running(service, receiver)
        filler = small_disk / "filler"
        left = os.statvfs(small_disk)
        filler.write_bytes(bytes(left.f_bavail * left.f_frsize - 256 * 1024))
        answer = fill(service, accepted)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert "disk is full" in answer.json()["detail"]
        ready = httpx.get(f"{service.url}/readyz")
        assert (ready.status_code, "disk is full" in ready.text) == (503, True)
        assert httpx.get(f"{service.url}/healthz").status_code == 200
        filler.unlink()
        end = time.monotonic() + 10
        while httpx.get(f"{service.url}/readyz").status_code != 200:  # by itself: nobody posts anything
            assert time.monotonic() < end
            time.sleep(0.05)
        accepted.append("after")
        httpx.post(f"{service.url}/ingest/auto", content=notification("remote", ["after"])).raise_for_status()
        stats = service.drain()
        assert stats["delivered"] == stats["accepted"] == len(accepted)
        assert set(accepted) <= set(receiver.got)
        service.stop()


def fill(service: Service, accepted: list[str]) -> httpx.Response:
    """Post until it is refused; gives the refusal."""
    with httpx.Client() as client:
        while True:
            keys = [f"{len(accepted)}-{n}-{'x' * 500}" for n in range(10)]
            answer = client.post(f"{service.url}/ingest/auto", content=notification("remote", keys))
            if answer.status_code != 200:
                return answer
            accepted += keys


def test_restarts_under_load_lose_nothing_and_repeat_nothing(tmp_path: Path, receiver: Receiver) -> None:
    with closing(Service(tmp_path, {})) as service:
        running(service, receiver)
        stops = []
        with streaming(service.url, seed=1) as stream:
            for _ in range(3):
                time.sleep(0.7)
                stops.append(service.stop())
                service.start()
                service.wait_ready()
            time.sleep(0.3)
        receiver.healed = True
        service.drain()
        service.post("deliveries:redeliver", {"filter": {}, "limit": 10_000})
        stats = service.drain()
        service.stop()
    assert not stream.fault
    keys = [key for _, key in stream.accepted]
    assert len(keys) > 100
    assert set(keys) <= set(receiver.got)
    assert [key for key, ids in receiver.got.items() if len(ids) > 1] == []
    assert stats["accepted"] == stats["delivered"] + stats["dead"]
    assert max(stops) < 5


def test_an_idle_service_stops_at_once(tmp_path: Path, receiver: Receiver) -> None:
    with closing(Service(tmp_path, {})) as service:
        running(service, receiver)
        time.sleep(0.5)
        assert service.stop() < 1.5


class CuttingProxy:
    """Passes bytes on to a port; every second connection is cut, each time at another place."""

    WAYS = ("at once", "", "within the request", "", "before the answer", "", "within the answer", "")

    def __init__(self, port: int) -> None:
        self._port = port
        self._number = 0
        self.cut: Counter[str] = Counter()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self._number += 1
        way = self.WAYS[self._number % len(self.WAYS)]
        self.cut[way] += 1
        try:
            if way != "at once":
                await self._pass_on(reader, writer, way)
        finally:
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            request = await reader.read(64) if way == "within the request" else await reader.read(65_536)
            inner_writer.write(request)
            if way == "within the request":
                return
            answer = await inner_reader.read(65_536)
            if way != "before the answer":
                writer.write(answer[:20] if way == "within the answer" else answer)
                await writer.drain()
        finally:
            inner_writer.close()


@asynccontextmanager
async def cutting(port: int) -> AsyncIterator[tuple[int, CuttingProxy]]:
    """Such a proxy on a free port."""
    proxy = CuttingProxy(port)
    server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], proxy


def test_a_network_that_drops_half_way_delays_and_repeats_but_loses_nothing(tmp_path: Path, receiver: Receiver) -> None:
    quickly = {"OSSFN_TARGETS": '{"callback:*": {"retry": {"first_delay": 0.1, "max_delay": 0.3}}}'}
    with closing(Service(tmp_path, quickly)) as service:
        running(service, receiver)

        async def through_the_proxy() -> CuttingProxy:
            port = int(receiver.url.rpartition(":")[2].rstrip("/"))
            async with cutting(port) as (proxy_port, proxy):
                await asyncio.to_thread(service.rule, "cut", target={"callbacks": [f"http://127.0.0.1:{proxy_port}/x"]})
                keys = [f"cut/{n}" for n in range(20)]
                url = f"{service.url}/ingest/auto"
                await asyncio.to_thread(httpx.post, url, content=notification("cut", keys))
                await asyncio.to_thread(service.drain, 60)
                return proxy

        proxy = asyncio.run(through_the_proxy())
        stats = service.stats()
        service.stop()
    assert {f"cut/{n}" for n in range(20)} == set(receiver.got)
    assert all(len(set(ids)) == 1 for ids in receiver.got.values())  # repeats carry the same id
    assert (stats["delivered"], stats["dead"]) == (20, 0)
    assert set(proxy.cut) == set(CuttingProxy.WAYS)


def test_a_function_host_that_is_killed_in_the_middle_of_a_request(tmp_path: Path) -> None:
    source, notes = tmp_path / "function", tmp_path / "notes"
    source.mkdir()
    (source / "main.py").write_text(
        "import os, pathlib, time\nimport functions_framework\n\n\n"
        "@functions_framework.cloud_event\ndef handle(event):\n"
        "    notes = pathlib.Path(os.environ['NOTES'])\n"
        "    with notes.open('a') as file:\n        file.write(f\"begun {event['id']}\\n\")\n"
        "    time.sleep(0.3)\n"
        "    with notes.open('a') as file:\n        file.write(f\"ended {event['id']}\\n\")\n"
    )
    with closing(Service(tmp_path, {})) as service:
        service.start()
        service.wait_ready()
        service.deploy(source, "slow", NOTES=str(notes))
        service.rule("slow", target={"function": "slow"})
        httpx.post(f"{service.url}/ingest/auto", content=notification("slow", ["k1", "k2", "k3"])).raise_for_status()
        end = time.monotonic() + 20
        while not (notes.exists() and "begun" in notes.read_text()):
            assert time.monotonic() < end
            time.sleep(0.01)
        for pid in service.hosts():
            service.kill_one(pid)
        stats = service.drain(60)
        service.stop()
    seen = Counter(notes.read_text().split("\n"))
    ended = {line for line in seen if line.startswith("ended")}
    assert len(ended) == 3
    assert stats["delivered"] == 3
    assert sum(seen[line] for line in seen if line.startswith("begun")) > 3  # one was tried again
