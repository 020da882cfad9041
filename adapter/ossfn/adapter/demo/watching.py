"""What ossfn says it has done so far: its deliveries, read from the API again and again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ossfn.adapter.demo.service import Service
from ossfn.adapter.demo.story import Call

Asked = dict[tuple[str, str, str], float]
"""When the demo itself asked for something (Unix seconds), by event name, bucket and key."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One delivery as it stands."""

    id: str
    call: Call
    store: str
    """The dialect of the notification."""
    state: str
    called_at: float | None
    """When the function was called last, in Unix seconds; None before the first call has ended."""
    seconds: float
    """How long that call took."""
    reason: str
    """Why it failed; empty when it did not."""


class Watcher:
    """Reads the deliveries at each look, and the attempts of those that have not ended before."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ended: dict[str, Seen] = {}

    def look(self) -> list[Seen]:
        """The last deliveries, oldest first."""
        return [self._ended.get(delivery["id"]) or self._seen(delivery) for delivery in self._service.deliveries()]

    def _seen(self, delivery: Mapping[str, Any]) -> Seen:
        now = seen(delivery, self._service.attempts(delivery["id"]))
        if now.state != "pending":
            self._ended[now.id] = now
        return now


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
        called_at=datetime.fromisoformat(last["started_at"]).timestamp() if last else None,
        seconds=last.get("seconds", 0.0),
        reason=last.get("reason", ""),
    )
