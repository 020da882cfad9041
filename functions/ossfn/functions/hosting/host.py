"""One hosted function: a socket that is always there, and a process behind it whenever one is needed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from ossfn.functions.errors import DeployRefused
from ossfn.functions.hosting.launch import Launch
from ossfn.functions.hosting.logs import FunctionLog
from ossfn.functions.hosting.process import HostProcess, readable
from ossfn.functions.hosting.sockets import connections, listen
from ossfn.functions.hosting.states import Backoff, Idle, Ready, Starting, State, Stopped, backoff_seconds
from ossfn.functions.model import Version

# gunicorn itself gives requests 30 s to end and then stops its workers.
GRACE_SECONDS = 35
STEADY_SECONDS = 60
"""After so long without a crash the next one counts as the first."""

Plan = Callable[[], Awaitable[Launch]]
"""Prepares a start: makes the environment when it is missing; raises DeployRefused."""


class FunctionHost:
    """Serves one function on `address`, from `serve` until `close`. Coroutines of one event loop."""

    def __init__(self, name: str, run: Path, log: FunctionLog) -> None:
        self.name = name
        self.log = log
        self.state: State = Stopped()
        self._run = run
        self._listener = listen(run, name)
        self._path = Path(self._listener.getsockname())
        self.address = f"unix:{self._path}"
        self._used_at = time.monotonic()
        self._process: HostProcess | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()

    def touch(self) -> None:
        """A request is about to come."""
        self._used_at = time.monotonic()

    async def start(self, plan: Plan) -> HostProcess:
        """Start a version beside the one that serves; both take requests until `serve`. Raises DeployRefused."""
        return await HostProcess.start(await plan(), self._listener, self.log, self._run)

    def serve(self, version: Version, process: HostProcess | None, plan: Plan) -> None:
        """Keep this version running from now on; the one before finishes what it works on and ends."""
        if self._keeper:
            self._keeper.cancel()
            self._retire(self._keeper)
        if self._process:
            self._retire(asyncio.create_task(self._process.stop(grace_seconds=GRACE_SECONDS)))
        self._process = process
        self.touch()
        self._keeper = asyncio.create_task(self._keep(version, plan))

    async def close(self, *, grace_seconds: float) -> None:
        """Stop for good and let go of the socket."""
        if self._keeper:
            self._keeper.cancel()
            self._retire(self._keeper)
        if self._process:
            await self._process.stop(grace_seconds=grace_seconds)
        await asyncio.gather(*self._retiring, return_exceptions=True)
        self.state = Stopped()
        self._listener.close()
        self._path.unlink(missing_ok=True)
        self.log.close()

    def _retire(self, task: asyncio.Task[None]) -> None:
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _keep(self, version: Version, plan: Plan) -> None:
        failures = 0
        while True:
            if self._process is None and version.idle_seconds:
                self.state = Idle()
                await readable(self._listener)
            began = time.monotonic()
            problem = await self._run_once(version, plan)
            if problem is None:
                failures = 0
                continue
            failures = failures + 1 if time.monotonic() - began < STEADY_SECONDS else 1
            wait = backoff_seconds(failures)
            self.state = Backoff(version.number, time.time() + wait, failures, problem.reason, problem.tail)
            await asyncio.sleep(wait)

    async def _run_once(self, version: Version, plan: Plan) -> DeployRefused | None:
        """Run until it ends; None when it was stopped for being idle, else what went wrong."""
        if self._process is None:
            self.state = Starting(version.number, time.time())
            try:
                self._process = await self.start(plan)
            except DeployRefused as problem:
                return problem
        process = self._process
        self.state = Ready(version.number, time.time(), process.pid)
        if await self._ended_before_idle(process, version.idle_seconds):
            self._process = None
            process.note(f"the host {process.ended.result()}")
            return DeployRefused(f"the host {process.ended.result()}", tuple(process.tail))
        await process.stop(grace_seconds=GRACE_SECONDS)
        self._process = None
        return None

    async def _ended_before_idle(self, process: HostProcess, idle_seconds: int) -> bool:
        while True:
            left = self._used_at + idle_seconds - time.monotonic() if idle_seconds else None
            await asyncio.wait([process.ended], timeout=None if left is None else max(left, 0.1))
            if process.ended.done():
                return True
            if time.monotonic() - self._used_at >= idle_seconds:
                if not connections(str(self._path)):
                    return False
                self.touch()
