"""Runs a function while it is being written: every saved change is tried, and served if it works."""

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from time import time

from ossfn.functions.bundle import LEFT_OUT, REQUIREMENTS_FILE, STATE_FOLDER, pack, read_bundle
from ossfn.functions.config import RESERVED
from ossfn.functions.environment import Environments
from ossfn.functions.errors import DeployRefused, FunctionRefused
from ossfn.functions.hosting.launch import Launch, launch
from ossfn.functions.hosting.logs import LogLine
from ossfn.functions.hosting.process import HostProcess
from ossfn.functions.resolve import resolve

WATCHED = {".py", ".toml", ".txt", ".yaml"}
"""Code and what says how it is run. A function may write other files into its folder without being started anew."""
LOOK_SECONDS = 0.3

Say = Callable[[str], None]
Seen = Mapping[str, tuple[int, int]]


class Terminal:
    """Lets what the function prints through, as it is."""

    def append(self, lines: Iterable[LogLine]) -> None:
        """See hosting.logs.Log."""
        for line in lines:
            if line.stream != "host":
                (sys.stdout if line.stream == "stdout" else sys.stderr).write(line.text + "\n")
        sys.stdout.flush()


class Workshop:
    """One author's folder, served on `listener` until `run` is cancelled. `options` are those of a deploy."""

    def __init__(
        self, folder: Path, name: str, options: Mapping[str, object], listener: socket.socket, say: Say
    ) -> None:
        self._folder = folder.resolve()
        self._name = name
        self._options = options
        self._listener = listener
        self._say = say
        self._kept = self._folder / STATE_FOLDER
        self._environments = Environments(self._kept / "venvs")
        self._sockets = Path(tempfile.mkdtemp(prefix="ossfn-"))
        self._tried = 0

    async def run(self) -> None:
        """Serve the folder as it is, then each change that works."""
        serving: HostProcess | None = None
        try:
            while True:
                seen = snapshot(self._folder)
                if started := await self._try():
                    if serving:
                        await serving.stop(grace_seconds=0)
                    serving = started
                await self._until_changed(seen, serving)
        finally:
            if serving:
                await serving.stop(grace_seconds=1)
            shutil.rmtree(self._sockets, ignore_errors=True)

    async def _try(self) -> HostProcess | None:
        self._tried += 1
        began = time()
        try:
            plan = await self._plan()
        except (FunctionRefused, DeployRefused, OSError) as refused:
            self._say(f"✗ {refused}")
            return None
        try:
            process = await HostProcess.start(plan, self._listener, Terminal(), self._sockets)
        except (DeployRefused, OSError) as refused:
            # What it wrote stands on the terminal already.
            self._say(f"✗ {refused.reason if isinstance(refused, DeployRefused) else refused}")
            return None
        host, port = self._listener.getsockname()[:2]
        self._say(f"✓ {self._name} serves on http://{host}:{port}/ ({time() - began:.1f} s)")
        return process

    async def _plan(self) -> Launch:
        bundle = await asyncio.to_thread(lambda: read_bundle(pack(self._folder)))
        version = resolve(self._tried, bundle, self._options, actor="", now=time())
        python = Path(sys.executable)
        if version.requirements:
            self._kept.mkdir(exist_ok=True)
            python = await self._environments.python(version.requirements, self._folder / REQUIREMENTS_FILE)
        environ = {name: value for name, value in os.environ.items() if name == "PATH" or not RESERVED.fullmatch(name)}
        return launch(
            self._name,
            version,
            code=self._folder,
            python=python,
            data=self._kept,
            # A cached module counts as current for a second after a change.
            environ=environ | {"PYTHONDONTWRITEBYTECODE": "1", "OSSFN_JD_SCA": "1"},
        )

    async def _until_changed(self, seen: Seen, serving: HostProcess | None) -> None:
        while snapshot(self._folder) == seen:
            await asyncio.sleep(LOOK_SECONDS)
            if serving and serving.ended.done():
                self._say(f"✗ it {serving.ended.result()}; save a file to start it again")
                serving = None
        # An editor may be half way through several files.
        await asyncio.sleep(0.2)


def snapshot(folder: Path) -> Seen:
    """Time and size of each file that matters, by its path."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        for file in files:
            path = Path(place, file)
            with suppress(FileNotFoundError):  # an editor's temporary file
                if path.suffix in WATCHED:
                    found[str(path)] = ((status := path.stat()).st_mtime_ns, status.st_size)
    return found
