"""The load: posts notifications like a store that sends each again until it is taken, and remembers what was."""

import itertools
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from .service import notification


class Stream:
    """What was answered 200 so far."""

    def __init__(self, url: str, seed: int) -> None:
        self.accepted: list[tuple[str, str]] = []
        """(bucket, key) of every record that was taken."""
        self.refusals = 0
        """Answers of 503."""
        self.fault: str = ""
        self._url = f"{url}/ingest/auto"
        self._seed = seed
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Post nothing more."""
        self._stopped.set()

    def run(self, number: int) -> None:
        """One sender of several."""
        dice = random.Random(self._seed * 1000 + number)
        with httpx.Client(timeout=30) as client:
            for n in itertools.count():
                bucket = dice.choice(("hosted", "remote", "remote"))
                kinds = [dice.choices(("", "-flaky", "-refused"), (90, 7, 3))[0] for _ in range(dice.randint(1, 5))]
                keys = [f"{number}/{n}-{i}{kind}" for i, kind in enumerate(kinds)]
                body = notification(bucket, keys)
                while not self._taken(client, body):
                    if self._stopped.wait(0.02):
                        return
                self.accepted += [(bucket, key) for key in keys]
                if self._stopped.wait(dice.uniform(0, 0.02)):
                    return

    def _taken(self, client: httpx.Client, body: bytes) -> bool:
        try:
            status = client.post(self._url, content=body).status_code
        except httpx.TransportError:
            return False
        if status not in (200, 503):
            self.fault = f"a notification was answered {status}"
            self._stopped.set()
        self.refusals += status == 503
        return status == 200


@contextmanager
def streaming(url: str, seed: int, senders: int = 3) -> Iterator[Stream]:
    """Post until the block ends."""
    stream = Stream(url, seed)
    threads = [threading.Thread(target=stream.run, args=(n,), daemon=True) for n in range(senders)]
    for thread in threads:
        thread.start()
    try:
        yield stream
    finally:
        stream.stop()
        end = time.monotonic() + 40
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
