"""One version of a function: a socket that is always there, and a process behind it whenever one is needed."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from ossfn.functions.errors import DeployRefused
from ossfn.functions.hosting.launch import Launch
from ossfn.functions.hosting.logs import FunctionLog
from ossfn.functions.hosting.process import HostProcess
from ossfn.functions.hosting.sockets import connections, listen, make_socket_folder, readable
from ossfn.functions.hosting.states import Backoff, Idle, Ready, Starting, State, Stopped, backoff_seconds
from ossfn.functions.model import Version

# gunicorn itself gives requests 30 s to end and then stops its workers.
GRACE_SECONDS = 35
STEADY_SECONDS = 60
"""After so long without a crash the next one counts as the first."""
LATECOMER_SECONDS = 1.0
"""Who was told the address of a version that is being replaced has so long to connect."""

Plan = Callable[[], Awaitable[Launch]]
"""Prepares a start: makes the environment when it is missing; raises DeployRefused."""


class FunctionHost:
    """Serves one version on `address` until `close`. Coroutines of one event loop.

    Every version has an address of its own. Two of them on one socket were tried: while the old one ends, it takes
    connections and drops them unread.
    """

    def __init__(self, name: str, version: Version, plan: Plan, run: Path, log: FunctionLog) -> None:
        self.name = name
        self.state: State = Idle()
        self._version = version
        self._plan = plan
        self._log = log
        self._folder = make_socket_folder(run, name)
        self._path = self._folder / "http"
        self._listener = listen(self._path)
        self.address = f"unix:{self._path}"
        self._used_at = time.monotonic()
        self._process: HostProcess | None = None
        self._keeper: asyncio.Task[None] | None = None

    def touch(self) -> None:
        """A request is about to come."""
        self._used_at = time.monotonic()

    async def start(self) -> HostProcess:
        """Start it; raises DeployRefused."""
        self.state = Starting(self._version.number, time.time())
        try:
            process = await HostProcess.start(await self._plan(), self._listener, self._log, self._folder)
        except (OSError, RuntimeError) as error:  # files or memory have run out; or threads, says RuntimeError
            raise DeployRefused(f"version {self._version.number} cannot be started: {error}") from error
        self.state = Ready(self._version.number, time.time(), process.pid)
        self._process = process
        return process

    def keep(self) -> None:
        """From now on start it whenever it ends or a request needs it, and stop it when it is idle."""
        self.touch()
        self._keeper = asyncio.create_task(self._keep())

    async def retire(self) -> None:
        """Close once everybody who had its address is served; nobody is told it any more."""
        await asyncio.sleep(LATECOMER_SECONDS)
        deadline = time.monotonic() + self._version.timeout_seconds
        while self._is_needed() and time.monotonic() < deadline:  # noqa: ASYNC110  # nothing announces it
            await asyncio.sleep(0.1)
        await self.close(grace_seconds=GRACE_SECONDS)

    def _is_needed(self) -> bool:
        # One that does not start keeps its callers waiting in vain; they do better to ask again.
        return not isinstance(self.state, Backoff) and connections(self._path) > 0

    async def close(self, *, grace_seconds: float) -> None:
        """Stop for good and let go of the socket; requests it works on get `grace_seconds`."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._process:
            await self._process.stop(grace_seconds=grace_seconds)
        self.state = Stopped()
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _keep(self) -> None:
        failures = 0
        while True:
            if self._process is None and self._version.idle_seconds:
                self.state = Idle()
                await readable(self._listener)
            began = time.monotonic()
            problem = await self._run_once()
            if problem is None:
                failures = 0
                continue
            failures = failures + 1 if time.monotonic() - began < STEADY_SECONDS else 1
            wait = backoff_seconds(failures)
            self.state = Backoff(self._version.number, time.time() + wait, failures, problem.reason, problem.tail)
            await asyncio.sleep(wait)

    async def _run_once(self) -> DeployRefused | None:
        """Run until it ends; None when it was stopped for being idle, else what went wrong."""
        try:
            process = self._process or await self.start()
        except DeployRefused as problem:
            return problem
        crashed = await self._ended_before_idle(process)
        await process.stop(grace_seconds=GRACE_SECONDS)
        self._process = None
        if not crashed:
            return None
        reason = f"the host {process.ended.result()}"
        process.note(reason)
        return DeployRefused(reason, process.tail)

    async def _ended_before_idle(self, process: HostProcess) -> bool:
        idle_seconds = self._version.idle_seconds
        while True:
            left = max(0.1, self._used_at + idle_seconds - time.monotonic()) if idle_seconds else None
            await asyncio.wait([process.ended], timeout=left)
            if process.ended.done():
                return True
            if connections(self._path):
                self.touch()
            elif time.monotonic() - self._used_at >= idle_seconds:
                return False
