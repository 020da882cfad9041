"""The JSON API in this process, over a real registry, a real outbox and real functions."""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.types import ASGIApp

from ossfn.adapter.backend import Backend
from ossfn.adapter.backends import backend_for
from ossfn.adapter.delivery import Attempt, DeadLetter, Delivered, Delivery, Entry, NewDelivery, NextStep, Settlement
from ossfn.adapter.events import ObjectEvent
from ossfn.adapter.web.admin_api import admin_app
from ossfn.adapter.web.api_faults import Problem
from ossfn.functions.service import Functions
from ossfn.trigger_registry.registry import Registry
from ossfn.trigger_registry.stores.sql import SqlRuleStore

RECORD = b'{"s3":{"object":{"key":"a+b.txt"}}, "odd":1e400}'


@dataclass
class Clock:
    """Time that moves when told to."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Api:
    """A client of the API, and what stands behind it."""

    http: httpx.AsyncClient
    app: ASGIApp
    registry: Registry
    functions: Functions
    backend: Backend
    clock: Clock
    folder: Path

    async def ask(
        self, method: str, path: str, json: Any = None, *, status: int = 200, **headers: str
    ) -> httpx.Response:
        """One request below `/api/v1`, which must be answered so; underscores in names of headers become hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.http.request(method, f"/api/v1{path}", json=json, headers=named)
        assert answer.status_code == status, answer.text
        return answer

    async def get(self, path: str) -> Any:
        """The JSON of a GET."""
        return (await self.ask("GET", path)).json()

    async def refused(self, method: str, path: str, json: Any = None, *, status: int = 400, **headers: str) -> Problem:
        """The problem with which a request is refused."""
        return problem(await self.ask(method, path, json, status=status, **headers))

    async def claim(self, limit: int) -> Sequence[Delivery]:
        """Take deliveries as the dispatcher does."""
        return await self.backend.claim(limit=limit, room={}, default_room=limit)

    async def keep(self, key: str, *steps: NextStep, bucket: str = "photos", target: str = "function:thumbs") -> str:
        """Bring in an event for one target; each step is what follows a try. The delivery's id."""
        event_id = f"{next(_ids):032x}"
        delivery = NewDelivery(f"{event_id}-0", target, "images")
        await self.backend.append([Entry(event_id, an_event(key, bucket), self.clock(), 3, None, (delivery,))])
        for step in steps:
            (claimed,) = await self.claim(limit=1)
            reason = step.reason if isinstance(step, DeadLetter) else ""
            attempt = Attempt(claimed.attempt, self.clock(), 0.25, 422 if reason else 200, reason, b"no \xff")
            await self.backend.settle([Settlement(claimed, attempt, step)])
        return delivery.id

    async def keep_dead(self, key: str, **more: str) -> str:
        """Bring in an event whose delivery ends as a dead letter."""
        return await self.keep(key, DeadLetter("422: dropped"), **more)

    async def keep_delivered(self, key: str, **more: str) -> str:
        """Bring in an event that is delivered."""
        return await self.keep(key, Delivered(), **more)


_ids = itertools.count(1)


def an_event(key: str, bucket: str) -> ObjectEvent:
    """A file put into a bucket."""
    return ObjectEvent(
        name="s3:ObjectCreated:Put",
        bucket=bucket,
        key=key,
        time="2026-11-22T15:57:26.221Z",
        dialect="aws",
        event_source="aws:s3",
        record=msgspec.Raw(RECORD),
        size=3,
    )


def problem(answer: httpx.Response) -> Problem:
    """The problem in an answer, of exactly the documented shape."""
    assert answer.headers["content-type"] == "application/problem+json"
    found = Problem.model_validate_json(answer.content)
    assert found.status == answer.status_code
    assert found.faults
    assert found.faults[0].code == found.code
    return found


def client(app: ASGIApp, **settings: Any) -> httpx.AsyncClient:
    """A client that speaks to an app in this process."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), **({"base_url": "http://localhost:8450"} | settings))


@pytest.fixture(params=["memory"])
async def api(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Api]:
    """An API without a token; parametrize it with `sqlite` for an outbox on disk."""
    clock = Clock()
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'outbox.db'}"
    async with AsyncExitStack() as stack:
        backend = backend_for(url, clock=clock, lease_seconds=60, duplicate_window_seconds=60, max_pending=100_000)
        await backend.open()
        stack.push_async_callback(backend.close)
        functions = await stack.enter_async_context(Functions(tmp_path))
        registry = a_registry(tmp_path, functions, clock)
        stack.callback(registry.close)
        app = admin_app(registry=registry, functions=functions, history=backend)
        http = await stack.enter_async_context(client(app))
        yield Api(http, app, registry, functions, backend, clock, tmp_path)


def a_registry(folder: Path, functions: Functions, clock: Callable[[], float]) -> Registry:
    """A registry in a file; rules without a name are called r1, r2 and so on."""
    numbers = itertools.count(1)
    store = SqlRuleStore(f"sqlite:///{folder / 'registry.db'}")
    registry = Registry(store, functions, clock=clock, new_name=lambda: f"r{next(numbers)}")
    registry.open()
    return registry
