"""What reading a notification can give: events, a subscription to confirm, or the place where it is wrong."""

from dataclasses import dataclass
from typing import Literal, Self

from ossfn.adapter.events import ObjectEvent


@dataclass(frozen=True, slots=True)
class Decoded:
    """The events of one notification, in the order sent."""

    events: tuple[ObjectEvent, ...]
    ignored: tuple[str, ...] = ()
    """For each record that is rightly no object event (a test event, a directory), why."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Not an event: the sender asks whether this address wants its notifications."""

    kind: Literal["sns", "jd"]
    answer: bytes = b""
    """The body to answer with (JD Cloud: the request's body in base64)."""
    topic: str = ""
    """SNS: the topic's ARN."""
    url: str = ""
    """SNS: visiting this address confirms."""
    token: str = ""


class NotDecodable(Exception):
    """The notification is not what its dialect sends. Nothing of it was taken: one bad record refuses them all.

    `place` is a path such as `Records[3].s3.object.key`; `byte 17` is a fault in the JSON itself, `$` the whole body.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason

    def inside(self, outer: str) -> Self:
        """The same fault, seen from outside: `s3.object.key` inside `Records[3]`."""
        return type(self)(outer if self.place == "$" else f"{outer}.{self.place}", self.reason)
