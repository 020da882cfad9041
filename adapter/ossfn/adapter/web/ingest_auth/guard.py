"""What a guard of the ingest door sees of a request, and how it refuses one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Posted:
    """A request, as far as any sender signs it."""

    method: str
    target: str
    """Path and query as they were sent."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Refused(Exception):
    """A request that is not let in. `reason` is one of a few words that are counted, `detail` is for people."""

    def __init__(self, status: int, reason: str, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.headers = headers or {}


def check_age(seconds: float, window_seconds: float) -> None:
    """Raises Refused for a request signed so long ago, or so far in the future, that somebody may be repeating it."""
    if abs(seconds) > window_seconds:
        raise Refused(
            403, "DateNotAccepted", f"signed {seconds:.0f} s ago, {window_seconds:g} s is the most that is taken"
        )


class Guard(Protocol):
    """Lets requests of one sender through."""

    async def check(self, posted: Posted) -> None:
        """Return when it is authentic; raises Refused with 403, or with 503 when that cannot be told at the moment."""
        ...
