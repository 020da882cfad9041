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
from ossfn.functions.hosting.process import HostProcess
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
        await asyncio.gather(*(host.close(grace_seconds=CLOSE_SECONDS) for host in self._hosts.values()))
        self._hosts.clear()
        if self._run:
            shutil.rmtree(self._run, ignore_errors=True)

    async def unpack(self, name: str, number: int, bundle: Bundle) -> None:
        """Put a version's code where it is run from; what a deploy that failed left there is removed."""
        await self.discard(name, number)
        await asyncio.to_thread(bundle.unpack, self._code(name, number))

    async def start(self, name: str, version: Version) -> HostProcess:
        """Start a version beside the one that serves, which goes on; raises DeployRefused."""
        host = self._hosts.get(name) or self._add(name)
        return await host.start(lambda: self._launch(name, version))

    def serve(self, name: str, version: Version, process: HostProcess | None = None) -> None:
        """Keep this version running from now on, beginning with `process` when it runs already."""
        host = self._hosts.get(name) or self._add(name)
        host.serve(version, process, lambda: self._launch(name, version))

    async def discard(self, name: str, number: int) -> None:
        """Remove a version's code."""
        await asyncio.to_thread(shutil.rmtree, self._code(name, number), ignore_errors=True)

    async def remove(self, name: str) -> None:
        """Stop a function and remove all its files."""
        if host := self._hosts.pop(name, None):
            await host.close(grace_seconds=CLOSE_SECONDS)
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
        return await asyncio.to_thread(self._hosts[name].log.last, count)

    def _add(self, name: str) -> FunctionHost:
        if self._run is None:
            raise RuntimeError("open() comes first")
        host = FunctionHost(name, self._run, FunctionLog(self._folder / name / "logs"))
        self._hosts[name] = host
        return host

    def _code(self, name: str, number: int) -> Path:
        return self._folder / name / "versions" / str(number)

    async def _launch(self, name: str, version: Version) -> Launch:
        code = self._code(name, version.number)
        python = Path(sys.executable)
        if version.requirements:
            python = await self._environments.python(version.requirements, code / REQUIREMENTS_FILE)
        return launch(name, version, code=code, python=python, data=self._data, environ=passed_on(os.environ))
