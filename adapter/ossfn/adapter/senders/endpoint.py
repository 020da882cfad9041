"""Where a target listens and how it wants to be called."""

import ssl
from dataclasses import dataclass, field

from ossfn.adapter.signing import Signer


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a target listens: `http(s)://…`, or `unix:/path` for a function hosted here.

    A `guarded` one (a callback) is reached at public and allowed addresses only, never at a unix socket.
    """

    url: str
    timeout_seconds: float = 30.0
    """From the first byte sent to the last byte of the answer, waiting and connecting included."""
    guarded: bool = True
    connect_seconds: float = 10.0
    """Connecting either works soon or not at all; the rest of the time is the function's."""
    read_seconds: float | None = None
    """Between two parts of the answer; None: all of the time there is."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Sent with each request."""
    signer: Signer | None = None
    tls: ssl.SSLContext | None = None
    """Whom to trust and which certificate to show; None: public authorities, no certificate."""
