"""What ossfn says it has done so far: its deliveries, read from the API again and again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ossfn.adapter.demo.service import Service
from ossfn.adapter.demo.story import Call

Asked = dict[tuple[str, str, str], float]
"""When the demo itself asked for something (Unix seconds), by event name, bucket and key."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One delivery as it stands. Times in Unix seconds."""

    id: str
    call: Call
    store: str
    """The dialect of the notification."""
    state: str
    accepted_at: float
    called_at: float | None
    """When the function was called last; None before the first call has ended."""
    seconds: float
    """How long that call took."""
    reason: str
    """Why it failed; empty when it did not."""


class Watcher:
    """Reads all deliveries at each look, and the attempts of those that have changed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._known: dict[tuple[str, str, int], Seen] = {}

    def look(self) -> list[Seen]:
        """The last deliveries, oldest first."""
        return [self._seen(delivery) for delivery in self._service.deliveries()]

    def _seen(self, delivery: Mapping[str, Any]) -> Seen:
        now = (delivery["id"], delivery["state"], delivery["attempt"])
        if now not in self._known:
            self._known[now] = seen(delivery, self._service.attempts(delivery["id"]))
        return self._known[now]


def seen(delivery: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> Seen:
    """The API's answers about one delivery, as the demo needs them."""
    event = delivery["event"]
    function = delivery["target"].removeprefix("function:")
    call = Call(event["name"], event["bucket"], event["key"], delivery["rule"], function)
    last = attempts[-1] if attempts else {}
    return Seen(
        id=delivery["id"],
        call=call,
        store=event["dialect"],
        state=delivery["state"],
        accepted_at=delivery["accepted_at"],
        called_at=last.get("started_at"),
        seconds=last.get("seconds", 0.0),
        reason=last.get("reason", ""),
    )
