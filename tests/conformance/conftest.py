"""One suite, every backend: each test below runs on all engines, against the real thing."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ossfn.adapter.backend import Backend
from ossfn.adapter.backends import backend_for


@dataclass
class Clock:
    """Time that moves when told to."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        """Unix seconds."""
        return self.now


@dataclass
class Engine:
    """A backend that can be opened again as a new process would."""

    url: str
    clock: Clock = field(default_factory=Clock)
    durable: bool = True

    def new(self, **changes: float) -> Backend:
        """Another backend over the same storage."""
        settings: dict[str, float] = {"lease_seconds": 60, "duplicate_window_seconds": 3600, "max_pending": 100_000}
        settings |= changes
        return backend_for(
            self.url,
            clock=self.clock,
            lease_seconds=settings["lease_seconds"],
            duplicate_window_seconds=settings["duplicate_window_seconds"],
            max_pending=int(settings["max_pending"]),
            reserve_bytes=0,
        )


@pytest.fixture(params=["memory", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """Each engine in turn."""
    if request.param == "memory":
        return Engine("memory:", durable=False)
    return Engine(f"sqlite:///{tmp_path / 'outbox.db'}")


@pytest.fixture
async def backend(engine: Engine) -> AsyncIterator[Backend]:
    """An open backend."""
    backend = engine.new()
    await backend.open()
    yield backend
    await backend.close()


@pytest.fixture
def clock(engine: Engine) -> Callable[[], float]:
    """The engine's clock."""
    return engine.clock
