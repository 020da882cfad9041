"""Places that hold deliveries, one each; `open_backend` picks by the URL's scheme."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from ossfn.adapter.backend import Backend
from ossfn.adapter.backends.memory import MemoryBackend
from ossfn.adapter.backends.sqlite import SqliteBackend


class UnknownBackend(ValueError):
    """No engine here speaks this URL."""


def backend_for(
    url: str,
    *,
    clock: Callable[[], float],
    lease_seconds: float,
    duplicate_window_seconds: float,
    max_pending: int,
    reserve_bytes: int = 0,
) -> Backend:
    """The backend behind `sqlite:///path` (or `memory:` for tests), not opened yet."""
    match urlsplit(url).scheme:
        case "sqlite":
            return SqliteBackend(
                Path(url.removeprefix("sqlite:///")),
                clock=clock,
                lease_seconds=lease_seconds,
                duplicate_window_seconds=duplicate_window_seconds,
                max_pending=max_pending,
                reserve_bytes=reserve_bytes,
            )
        case "memory":
            return MemoryBackend(
                clock=clock, lease_seconds=lease_seconds, duplicate_window_seconds=duplicate_window_seconds
            )
        case scheme:
            raise UnknownBackend(f"no backend for {scheme!r} URLs: use sqlite:///path/to/outbox.db")
