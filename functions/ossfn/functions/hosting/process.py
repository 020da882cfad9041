"""One running functions-framework: its process group, its output, its READY=1."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

from ossfn.functions.errors import DeployRefused
from ossfn.functions.hosting.launch import Launch
from ossfn.functions.hosting.logs import FunctionLog, Lines, LogLine, Stream

START_SECONDS = 60
TAIL_LINES = 40
CHUNK_BYTES = 64 * 1024
SHIM = Path(__file__).with_name("exec_shim.py")


class HostProcess:
    """A process group that serves one version on a socket that is not its own. Made by `start`."""

    def __init__(self, process: asyncio.subprocess.Process, version: int, log: FunctionLog, folder: Path) -> None:
        self._process = process
        self.version = version
        self.pid = process.pid
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._log = log
        self.ended = asyncio.create_task(self._see_to_the_end(folder))
        """Done when the whole group is gone and its output is read; its result says how it ended."""

    @classmethod
    async def start(cls, launch: Launch, listener: socket.socket, log: FunctionLog, run: Path) -> "HostProcess":
        """Start and wait until it is ready; raises DeployRefused when it ends before that, or takes too long."""
        folder = Path(tempfile.mkdtemp(prefix="h-", dir=run))
        with _notify_socket(folder / "notify") as notify:
            process = await _spawn(launch, listener, folder)
            host = cls(process, launch.version, log, folder)
            try:
                await host._until_ready(notify)
            except BaseException:
                await host.stop(grace_seconds=0)
                raise
        return host

    async def stop(self, *, grace_seconds: float) -> None:
        """End it: no new requests, those it works on get `grace_seconds`."""
        if not self.ended.done():
            self._signal(signal.SIGTERM if grace_seconds else signal.SIGKILL)
            await asyncio.wait([self.ended], timeout=grace_seconds)
            self._signal(signal.SIGKILL)
            await asyncio.wait([self.ended])

    def note(self, text: str) -> None:
        """Put a line of ours among its output."""
        self._log.append([LogLine(time.time(), self.version, "host", text)])

    async def _until_ready(self, notify: socket.socket) -> None:
        ready = asyncio.create_task(_read_ready(notify))
        try:
            await asyncio.wait([ready, self.ended], timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if self.ended.done():
                raise DeployRefused(f"version {self.version} does not start: {self.ended.result()}", tuple(self.tail))
            if not ready.done():
                why = f"version {self.version} is not ready after {START_SECONDS} s"
                raise DeployRefused(why, tuple(self.tail))
        finally:
            ready.cancel()

    async def _see_to_the_end(self, folder: Path) -> str:
        pipes: list[tuple[asyncio.StreamReader | None, Stream]] = [
            (self._process.stdout, "stdout"),
            (self._process.stderr, "stderr"),
        ]
        readers = [asyncio.create_task(self._read(pipe, stream)) for pipe, stream in pipes if pipe]
        code = await self._process.wait()
        # Workers of a killed master, and whatever the author's code has started.
        self._signal_group(signal.SIGKILL)
        # A grandchild that left the group may hold the pipes open for ever.
        _, unread = await asyncio.wait(readers, timeout=1)
        for reader in unread:
            reader.cancel()
        shutil.rmtree(folder, ignore_errors=True)
        return f"exited with status {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"

    async def _read(self, pipe: asyncio.StreamReader, stream: Stream) -> None:
        lines = Lines()
        chunk = b"-"
        while chunk:
            chunk = await pipe.read(CHUNK_BYTES)
            now = time.time()
            entries = [LogLine(now, self.version, stream, text) for text in lines.feed(chunk)]
            self.tail.extend(entry.text for entry in entries)
            self._log.append(entries)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


async def _spawn(launch: Launch, listener: socket.socket, folder: Path) -> asyncio.subprocess.Process:
    arguments = (str(os.getpid()), str(listener.fileno()), str(launch.memory_bytes))
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(SHIM), *arguments, *launch.command),
        cwd=launch.folder,
        # gunicorn puts a control socket into XDG_RUNTIME_DIR, under one name for all its masters.
        env={**launch.env, "NOTIFY_SOCKET": str(folder / "notify"), "XDG_RUNTIME_DIR": str(folder)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=[listener.fileno()],
        start_new_session=True,
    )


def _notify_socket(path: Path) -> socket.socket:
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.setblocking(False)
    notify.bind(str(path))
    return notify


async def _read_ready(notify: socket.socket) -> None:
    """Return when the host has sent READY=1, see sd_notify(3)."""
    while True:
        await readable(notify)
        if b"READY=1" in notify.recv(4096).split(b"\n"):
            return


async def readable(sock: socket.socket) -> None:
    """Return when there is something to read, or to accept."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_reader(sock, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(sock)
