"""Where each target is and how much it takes: functions from the catalog, callbacks from their URL."""

import time
from dataclasses import dataclass

from ossfn.adapter.delivery import Attempt, Delivery, Failed, Outcome
from ossfn.adapter.retry import PRESETS, LanePolicy
from ossfn.adapter.senders import Callbacks, Endpoint, HttpSender
from ossfn.adapter.settings import Settings, TargetSettings
from ossfn.functions.service import Functions

# The function's own host stops it at its limit and answers; a little later we stop waiting for that answer.
_GRACE_SECONDS = 10.0

_NOTHING_SAID = TargetSettings.model_construct()


@dataclass(frozen=True, slots=True)
class Targets:
    """Looks a target up at each try, so that a function deployed meanwhile is found."""

    functions: Functions
    sender: HttpSender
    callbacks: Callbacks
    settings: Settings

    def lane_of(self, target: str) -> LanePolicy:
        """How it is treated: as its settings say, else as the function was deployed, else like all callbacks."""
        own = self._own_settings(target)
        concurrency, timeout_seconds = self._defaults(target)
        return LanePolicy(
            own.concurrency or concurrency,
            own.retry_policy or PRESETS[self.settings.retry],
            own.per_second,
            timeout_seconds,
        )

    def _own_settings(self, target: str) -> TargetSettings:
        """Those of the longest pattern that matches."""
        patterns = [p for p in self.settings.targets if _matches(p, target)]
        return self.settings.targets[max(patterns, key=len)] if patterns else _NOTHING_SAID

    def _defaults(self, target: str) -> tuple[int, float]:
        """(concurrency, the longest that a try takes)."""
        kind, _, name = target.partition(":")
        if kind == "callback":
            return self.settings.callback_concurrency, self.callbacks.endpoint(name).timeout_seconds
        timeout = self.functions.timeout_of(name) or 0
        return self.functions.concurrency_of(name) or 1, timeout + _GRACE_SECONDS

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


def _matches(pattern: str, target: str) -> bool:
    return target.startswith(pattern[:-1]) if pattern.endswith("*") else target == pattern
