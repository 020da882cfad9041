"""What `/metrics` says, over a real outbox, and to whom."""

import time
from collections.abc import AsyncIterator, Mapping

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from ossfn.adapter.backends.memory import MemoryBackend
from ossfn.adapter.delivery import Attempt, Delivered, Delivery, Entry, NewDelivery
from ossfn.adapter.events import ObjectEvent
from ossfn.adapter.metrics import MOST_TARGETS, Metrics
from ossfn.adapter.web.api_guard import Token
from ossfn.adapter.web.health import health_routes

EVENT = ObjectEvent(
    name="s3:ObjectCreated:Put", bucket="b", key="k", time="", dialect="aws", event_source="aws:s3",
    record=msgspec.Raw(b"{}"),
)  # fmt: skip
HOOK = "callback:https://hooks.example.com/in"


@pytest.fixture
async def backend() -> AsyncIterator[MemoryBackend]:
    backend = MemoryBackend(clock=time.time)
    await backend.open()
    yield backend
    await backend.close()


async def keep(backend: MemoryBackend, *targets: str, at: float = 1.0) -> None:
    event_id = f"{time.monotonic_ns():032x}"
    deliveries = tuple(NewDelivery(f"{event_id}-{n}", target, "r") for n, target in enumerate(targets))
    await backend.append([Entry(event_id, EVENT, at, 1, None, deliveries)])


def samples(text: bytes, name: str) -> Mapping[str, str]:
    """The samples of a name: what stands in the braces, and the value."""
    lines = [line for line in text.decode().splitlines() if line.startswith(f"{name}{{")]
    return dict(line.removeprefix(f"{name}{{").rsplit("} ", 1) for line in lines)


async def test_callbacks_are_named_without_their_query(backend: MemoryBackend) -> None:
    metrics = Metrics(backend, clock_start=0)
    await keep(backend, f"{HOOK}?token=SECRET1", at=3)
    await keep(backend, f"{HOOK}?token=SECRET2", HOOK, at=2)
    text = await metrics.render(ready=True)
    assert samples(text, "ossfn_waiting") == {f'target="{HOOK}?…"': "2.0", f'target="{HOOK}"': "1.0"}
    assert samples(text, "ossfn_oldest_accepted_seconds")[f'target="{HOOK}?…"'] == "2.0"
    (claimed, *_) = await backend.claim(limit=1, room={}, default_room=1)
    metrics.attempt(claimed, Attempt(1, 0, 0, 200, ""), Delivered())
    assert b"SECRET" not in await metrics.render(ready=True)


async def test_tries_of_many_targets_are_counted_together(backend: MemoryBackend) -> None:
    metrics = Metrics(backend, clock_start=0)
    await keep(backend, *(f"function:f{number}" for number in range(MOST_TARGETS + 5)))
    claimed = await backend.claim(limit=2 * MOST_TARGETS, room={}, default_room=1)
    for delivery in [*claimed, claimed[0], claimed[-1]]:
        tried(metrics, delivery)
    counts = samples(await metrics.render(ready=True), "ossfn_attempts_total")
    assert len(counts) == MOST_TARGETS + 1
    assert counts['result="delivered",target="other"'] == "6.0"
    assert counts[f'result="delivered",target="{claimed[0].target}"'] == "2.0"


def tried(metrics: Metrics, delivery: Delivery) -> None:
    metrics.attempt(delivery, Attempt(1, 0, 0, 200, ""), Delivered())


async def statuses(backend: MemoryBackend, *tokens: Token, headers: Mapping[str, str]) -> list[int]:
    """What the three routes answer."""
    routes = health_routes(Metrics(backend, clock_start=0), lambda: "", tokens=tokens)
    transport = httpx.ASGITransport(Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8450") as http:
        return [(await http.get(path, headers=headers)).status_code for path in ("/healthz", "/readyz", "/metrics")]


async def test_with_tokens_metrics_need_one_that_may_read(backend: MemoryBackend) -> None:
    tokens = [Token("api", "s3cret"), Token("grafana", "look", may_write=False)]
    for given, status in (("", 401), ("Bearer wrong", 401), ("Bearer look", 200), ("Bearer s3cret", 200)):
        headers = {"Authorization": given, "Host": "ossfn.example.com"}
        assert await statuses(backend, *tokens, headers=headers) == [200, 200, status]


async def test_without_tokens_metrics_are_for_this_machine(backend: MemoryBackend) -> None:
    assert await statuses(backend, headers={}) == [200, 200, 200]
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert await statuses(backend, headers=headers) == [200, 200, 403]
