"""Deliveries just committed and already leased to this process, waiting for the dispatcher without a read.

Bounded for each target and in all: what does not fit stays in the database and is claimed from there.
"""

from collections import deque
from collections.abc import Mapping

from ossfn.adapter.delivery import Delivery
from ossfn.adapter.events import ObjectEvent, places


class Fresh:
    """A queue for each target, given out in turns. Used on one event loop only."""

    def __init__(self, per_target: int, total: int) -> None:
        self._per_target = per_target
        self._total = total
        self._reserved: dict[str, int] = {}
        self._size = 0
        self._queues: dict[str, deque[Delivery]] = {}

    def reserve(self, target: str, event: ObjectEvent) -> bool:
        """Keep places for a delivery that is about to be committed; False when there are none left."""
        count = self._reserved.get(target, 0)
        if count >= self._per_target or self._size >= self._total:
            return False
        self._reserved[target] = count + places(event)
        self._size += places(event)
        return True

    def release(self, target: str, event: ObjectEvent) -> None:
        """Give the places back: the delivery was taken, or never came to be."""
        self._size -= places(event)
        left = self._reserved[target] - places(event)
        if left:
            self._reserved[target] = left
        else:
            del self._reserved[target]

    def put(self, delivery: Delivery) -> None:
        """Fill reserved places."""
        self._queues.setdefault(delivery.target, deque()).append(delivery)

    def take(self, limit: int, room: Mapping[str, int], default_room: int, now: float) -> list[Delivery]:
        """Up to `limit` deliveries, targets in turns, at most `room[target]` of each (`default_room` if not named).

        One whose lease has ended meanwhile is dropped: it is due again in the database.
        """
        taken: list[Delivery] = []
        left = {target: room.get(target, default_room) for target in self._queues}
        moved = True
        while moved and len(taken) < limit:
            moved = False
            for target in list(self._queues):
                if left[target] > 0 and len(taken) < limit:
                    moved = True
                    delivery = self._pop(target)
                    if delivery.lease_until > now:
                        taken.append(delivery)
                        left[target] -= places(delivery.event)
        return taken

    def targets(self) -> list[str]:
        """Targets for which something waits."""
        return list(self._queues)

    def drop(self, target: str) -> list[Delivery]:
        """Take everything of one target out, e.g. because it was paused."""
        dropped = []
        while target in self._queues:
            dropped.append(self._pop(target))
        return dropped

    def _pop(self, target: str) -> Delivery:
        waiting = self._queues[target]
        delivery = waiting.popleft()
        if not waiting:
            del self._queues[target]
        self.release(target, delivery.event)
        return delivery
