"""Whether one target delays another: 98 that answer, measured alone and beside one that hangs and one that fails."""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx

from . import load
from .processes import Ossfn, ossfn

GOOD = 98
HANGS_SECONDS = 30.0
RATE = 200
"""Events a second to all that answer; the two others get as many as one of them, and a heap at the start."""

_numbers = count(1)


def isolation(rounds: int, seconds: float) -> dict[str, list[float]]:
    """Latency from POST to receipt at the targets that answer, on two services: one with the bad ones, one without."""
    figures: dict[str, list[float]] = {}
    names = [*(f"good{n}" for n in range(GOOD)), "hangs", "fails"]
    with (
        tempfile.TemporaryDirectory() as folder,
        receiver() as url,
        ossfn(Path(folder) / "alone") as alone,
        ossfn(Path(folder) / "beside") as beside,
    ):
        for service in (alone, beside):
            register(service, url, names)
            run(service, names[:GOOD], 1.0)
        post(beside, [key for n in range(150) for key in (f"hangs/{n}", f"fails/{n}")])
        measure(url)
        for _ in range(rounds):
            run(alone, names[:GOOD], seconds)
            p99_alone = note(figures, "alone", measure(url))
            run(beside, names, seconds)
            p99 = note(figures, "beside one that hangs and one that fails", measure(url))
            figures.setdefault("p99 beside / alone [ratio]", []).append(p99 / p99_alone)
    return figures


def register(service: Ossfn, url: str, names: list[str]) -> None:
    """One rule and one callback for each name, in a bucket of their own."""
    with httpx.Client(base_url=f"{service.url}/api/v1", timeout=30) as api:
        api.put("buckets/isolation", json={"region": "cn-north-1"}).raise_for_status()
        for name in names:
            target = {"callbacks": [f"{url}/{name}"]}
            rule = {"name": name, "events": ["s3:ObjectCreated:*"], "prefix": f"{name}/", "target": target}
            api.post("buckets/isolation/rules", json=rule).raise_for_status()


def run(service: Ossfn, names: list[str], seconds: float) -> None:
    """Post one event at a time to the targets in turn, evenly paced."""
    start = time.monotonic()
    for n in range(int(seconds * RATE)):
        time.sleep(max(0.0, start + n / RATE - time.monotonic()))
        post(service, [f"{names[n % len(names)]}/{n}"])
    time.sleep(0.3)


_client = httpx.Client(timeout=30)


def post(service: Ossfn, keys: list[str]) -> None:
    """One notification with the time in it."""
    records = [
        load.RECORD
        | {"requestParameters": {"sentAt": str(time.time())}}
        | {"s3": {"bucket": {"name": "isolation"}, "object": {"key": key, "sequencer": f"{next(_numbers):016x}"}}}
        for key in keys
    ]
    _client.post(f"{service.url}/ingest/auto", json={"Records": records}).raise_for_status()


def measure(url: str) -> list[float]:
    """Milliseconds that events took to the targets that answer, since this was asked last."""
    return sorted(httpx.get(f"{url}/taken", timeout=30).json())


def note(figures: dict[str, list[float]], what: str, taken: list[float]) -> float:
    """Keep median and p99; gives the p99."""
    figures.setdefault(f"{what}: p50 [ms]", []).append(statistics.median(taken))
    figures.setdefault(f"{what}: p99 [ms]", []).append(taken[int(len(taken) * 0.99)])
    return taken[int(len(taken) * 0.99)]


@contextmanager
def receiver() -> Iterator[str]:
    """All targets in one process of their own; gives its URL."""
    with subprocess.Popen([sys.executable, "-m", "bench.isolation"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.kill()


_taken: list[float] = []


async def _serve() -> None:
    server = await asyncio.start_server(_connected, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


async def _connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")), 0)
            body = await reader.readexactly(length)
            status, answer = await _answer(head.split(b" ", 2)[1].decode(), body)
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(answer), answer))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _answer(path: str, body: bytes) -> tuple[int, bytes]:
    if path == "/taken":
        taken = json.dumps(_taken).encode()
        _taken.clear()
        return 200, taken
    if path == "/hangs":
        await asyncio.sleep(HANGS_SECONDS)
    if path == "/fails":
        return 503, b""
    if path.startswith("/good"):
        _taken.append((time.time() - float(json.loads(body)["data"]["requestParameters"]["sentAt"])) * 1000)
    return 200, b""


if __name__ == "__main__":
    asyncio.run(_serve())
