"""Where each target is and how much it takes: functions from the catalog, callbacks from their URL."""

import time
from dataclasses import dataclass

from ossfn.adapter.delivery import Attempt, Delivery, Failed, Outcome
from ossfn.adapter.senders import Callbacks, Endpoint, HttpSender
from ossfn.functions.service import Functions

# The function's own host stops it at its limit and answers; a little later we stop waiting for that answer.
_GRACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Targets:
    """Looks a target up at each try, so that a function deployed meanwhile is found."""

    functions: Functions
    sender: HttpSender
    callback_concurrency: int
    callbacks: Callbacks

    def concurrency_of(self, target: str) -> int:
        """How many deliveries it takes at a time."""
        kind, _, name = target.partition(":")
        return self.callback_concurrency if kind == "callback" else self.functions.concurrency_of(name) or 1

    async def send(self, delivery: Delivery) -> tuple[Outcome, Attempt]:
        """Try once; a function that is not deployed (yet) is a failure that may pass."""
        endpoint = self._endpoint(delivery.target)
        if endpoint is None:
            reason = f"{delivery.target.partition(':')[2]} is not deployed"
            return Failed(reason), Attempt(delivery.attempt, time.time(), 0.0, None, reason)
        return await self.sender.send(delivery, endpoint)

    def _endpoint(self, target: str) -> Endpoint | None:
        kind, _, name = target.partition(":")
        if kind == "callback":
            return self.callbacks.endpoint(name)
        address, timeout = self.functions.address_of(name), self.functions.timeout_of(name)
        if address is None or timeout is None:
            return None
        return Endpoint(address, timeout + _GRACE_SECONDS, guarded=False)
