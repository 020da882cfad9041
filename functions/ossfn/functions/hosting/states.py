"""What a hosted function is doing at this moment."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Idle:
    """Not running; the next request starts it. Nothing is lost meanwhile: its socket takes connections."""


@dataclass(frozen=True, slots=True)
class Starting:
    """The process is there and loads the author's code."""

    version: int
    since: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Ready:
    """It answers requests."""

    version: int
    since: float
    pid: int


@dataclass(frozen=True, slots=True)
class Backoff:
    """It stopped by itself, and is started again at `until` (Unix seconds)."""

    version: int
    until: float
    failures: int
    """In a row."""
    reason: str
    tail: tuple[str, ...]
    """What it wrote last."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The service is closing, or the function was removed."""


State = Idle | Starting | Ready | Backoff | Stopped


def backoff_seconds(failures: int) -> float:
    """How long to wait after so many failures in a row: 1 s, doubling, at most 60 s."""
    return min(60.0, 2.0 ** min(failures - 1, 6))
