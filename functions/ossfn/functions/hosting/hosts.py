"""All hosted functions of a data directory: their code, environments, logs and sockets on disk, and their hosts."""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ossfn.functions.bundle import REQUIREMENTS_FILE, Bundle
from ossfn.functions.environment import Environments, passed_on
from ossfn.functions.hosting.host import FunctionHost
from ossfn.functions.hosting.launch import Launch, launch
from ossfn.functions.hosting.logs import FunctionLog, LogLine
from ossfn.functions.hosting.orphans import end_orphans
from ossfn.functions.hosting.sockets import make_run_folder
from ossfn.functions.hosting.states import State
from ossfn.functions.model import Version

CLOSE_SECONDS = 10
"""How long requests may go on once a function is removed or the service closes."""


class Hosts:
    """Hosts by function name. Coroutines of one event loop; the caller changes one name once at a time.

    Below the data directory: `functions/NAME/versions/NUMBER`, `functions/NAME/logs`, `functions/.venvs`, `run`.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._folder = data / "functions"
        self._environments = Environments(self._folder / ".venvs")
        self._hosts: dict[str, FunctionHost] = {}
        self._logs: dict[str, FunctionLog] = {}
        self._retiring: dict[FunctionHost, asyncio.Task[None]] = {}
        self._run: Path | None = None

    async def open(self, requirements: Iterable[str]) -> None:
        """Clear away processes that a killed service left, and Python environments other than `requirements`.

        The caller holds the data directory's lock.
        """
        await asyncio.to_thread(end_orphans, self._data)
        await asyncio.to_thread(self._environments.keep_only, requirements)
        self._run = make_run_folder(self._data / "run")

    async def close(self) -> None:
        """Stop all hosts."""
        await asyncio.gather(*(self._close(name) for name in list(self._logs)))
        if self._run:
            shutil.rmtree(self._run, ignore_errors=True)

    async def unpack(self, name: str, number: int, bundle: Bundle) -> None:
        """Put a version's code where it is run from; what a deploy that failed left there is removed."""
        await self.discard(name, number)
        await asyncio.to_thread(bundle.unpack, self._code(name, number))

    def prepare(self, name: str, version: Version) -> FunctionHost:
        """A host for a version, not started yet; the one that serves goes on."""
        if self._run is None:
            raise RuntimeError("open() comes first")
        if name not in self._logs:
            self._logs[name] = FunctionLog(self._folder / name / "logs")
        return FunctionHost(name, version, lambda: self._launch(name, version), self._run, self._logs[name])

    def serve(self, host: FunctionHost) -> None:
        """Let this host be the function's; the one before ends when those who had its address are served."""
        before = self._hosts.get(host.name)
        self._hosts[host.name] = host
        host.keep()
        if before:
            self._retiring[before] = task = asyncio.create_task(before.retire())
            task.add_done_callback(lambda _: self._retiring.pop(before, None))

    async def discard(self, name: str, number: int) -> None:
        """Remove a version's code."""
        await asyncio.to_thread(shutil.rmtree, self._code(name, number), ignore_errors=True)

    async def remove(self, name: str) -> None:
        """Stop a function and remove all its files."""
        await self._close(name)
        await asyncio.to_thread(shutil.rmtree, self._folder / name, ignore_errors=True)

    def state_of(self, name: str) -> State:
        """What a function's host is doing."""
        return self._hosts[name].state

    def address_of(self, name: str) -> str | None:
        """Where a request is about to be sent; None when no such function is hosted."""
        host = self._hosts.get(name)
        if host is None:
            return None
        host.touch()
        return host.address

    async def logs(self, name: str, count: int) -> Sequence[LogLine]:
        """The last lines a function printed."""
        return await asyncio.to_thread(self._logs[name].last, count)

    async def _close(self, name: str) -> None:
        retiring = {host: task for host, task in self._retiring.items() if host.name == name}
        for task in retiring.values():
            task.cancel()
        hosts = [*retiring, *([self._hosts.pop(name)] if name in self._hosts else [])]
        await asyncio.gather(*(host.close(grace_seconds=CLOSE_SECONDS) for host in hosts))
        if log := self._logs.pop(name, None):
            log.close()

    def _code(self, name: str, number: int) -> Path:
        return self._folder / name / "versions" / str(number)

    async def _launch(self, name: str, version: Version) -> Launch:
        code = self._code(name, version.number)
        python = Path(sys.executable)
        if version.requirements:
            python = await self._environments.python(version.requirements, code / REQUIREMENTS_FILE)
        return launch(name, version, code=code, python=python, data=self._data, environ=passed_on(os.environ))
