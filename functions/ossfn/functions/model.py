"""What a function is: a name, and either a version of an author's code that we host or the URL of another host."""

from dataclasses import dataclass, field
from typing import Literal

SignatureType = Literal["http", "cloudevent", "event", "typed"]
"""What the handler is called with, in functions-framework's words."""


@dataclass(frozen=True, slots=True)
class Version:
    """One deployed bundle with everything it runs with. Never changes."""

    number: int
    sha256: str
    """Of the bundle, in hexadecimal."""
    source: str
    """The file in the bundle that holds the entry point."""
    entry_point: str
    signature_type: SignatureType
    asgi: bool
    """Served by an event loop (`functions_framework.aio`); else one request per worker process."""
    concurrency: int
    """Requests it takes at a time."""
    timeout_seconds: int
    memory_mb: int | None
    """Of each of its processes; None: no cap."""
    idle_seconds: int
    """Stopped after so long without a request and started by the next one; 0: always kept running."""
    region: str
    requirements: str | None
    """Key of its own Python environment; None: it runs with the service's."""
    env: dict[str, str] = field(default_factory=dict, repr=False)
    created_at: float = 0.0
    """Unix seconds."""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Remote:
    """A function that runs elsewhere: any functions-framework, Knative or Cloud Run URL."""

    url: str
    region: str
    concurrency: int
    timeout_seconds: int
    created_at: float = 0.0
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """A function as the rest of the service sees it; `runs` is the version that serves, or the remote address."""

    name: str
    runs: Version | Remote
    created_at: float
    updated_at: float
    """Unix seconds of the last deploy or rollback."""

    @property
    def kind(self) -> Literal["hosted", "remote"]:
        """Whether we run it or somebody else does."""
        return "remote" if isinstance(self.runs, Remote) else "hosted"
