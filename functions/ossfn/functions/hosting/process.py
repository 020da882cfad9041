"""One running functions-framework: its process group, its output, its READY=1."""

import asyncio
import contextlib
import io
import os
import signal
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from ossfn.functions.errors import DeployRefused
from ossfn.functions.hosting.launch import Launch
from ossfn.functions.hosting.logs import Lines, Log, LogLine, Stream
from ossfn.functions.hosting.sockets import ReadySocket, readable

START_SECONDS = 60
TAIL_LINES = 40
CHUNK_BYTES = 64 * 1024
SHIM = Path(__file__).with_name("exec_shim.py")


class HostProcess:
    """A process group that serves one version on a socket that is not its own. Made by `start`."""

    def __init__(self, spawned: "Spawned", version: int, log: Log) -> None:
        self._process = spawned.process
        self.version = version
        self.pid = spawned.process.pid
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._log = log
        self.ended = asyncio.create_task(self._see_to_the_end(spawned))
        """Done when the whole group is gone and its output is read; its result says how it ended."""

    @classmethod
    async def start(cls, launch: Launch, listener: socket.socket, log: Log, folder: Path) -> "HostProcess":
        """Start and wait until it is ready; `folder` is for its sockets.

        Raises DeployRefused when it ends before that or takes too long, OSError when there is nothing to start.
        """
        with contextlib.closing(ReadySocket(folder / "notify")) as notify:
            host = cls(await _spawn(launch, listener, folder), launch.version, log)
            try:
                await host._until_ready(notify)
            except BaseException:
                await host.stop(grace_seconds=0)
                raise
        host.note(f"version {launch.version} is ready, pid {host.pid}")
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

    async def _until_ready(self, notify: ReadySocket) -> None:
        ready = asyncio.create_task(notify.ready())
        try:
            await asyncio.wait([ready, self.ended], timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if self.ended.done():
                raise DeployRefused(f"version {self.version} does not start: it {self.ended.result()}", self.tail)
            if not ready.done():
                raise DeployRefused(f"version {self.version} is not ready after {START_SECONDS} s", self.tail)
        finally:
            ready.cancel()

    async def _see_to_the_end(self, spawned: "Spawned") -> str:
        outputs: list[tuple[io.FileIO, Stream]] = [(spawned.stdout, "stdout"), (spawned.stderr, "stderr")]
        readers = [asyncio.create_task(self._read(file, stream)) for file, stream in outputs]
        code = await self._process.wait()
        # Workers of a killed master, and whatever the author's code has started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        # A grandchild that left the group may hold the pipes open for ever.
        _, unread = await asyncio.wait(readers, timeout=1)
        for reader in unread:
            reader.cancel()
        return f"exited with status {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"

    async def _read(self, file: io.FileIO, stream: Stream) -> None:
        lines = Lines()
        chunk: bytes | None = None
        with file:
            while chunk != b"":
                await readable(file)
                chunk = file.read(CHUNK_BYTES)
                now = time.time()
                entries = [LogLine(now, self.version, stream, text) for text in lines.feed(chunk)]
                self.tail.extend(entry.text for entry in entries)
                self._log.append(entries)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


@dataclass(frozen=True, slots=True)
class Spawned:
    """A new process and our ends of its output.

    The pipes are ours, not asyncio's: its wait() returns only when all pipes have ended, and a child of the author's
    code may hold them.
    """

    process: asyncio.subprocess.Process
    stdout: io.FileIO
    stderr: io.FileIO


async def _spawn(launch: Launch, listener: socket.socket, folder: Path) -> Spawned:
    arguments = (str(os.getpid()), str(listener.fileno()), str(launch.memory_bytes))
    with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
        (stdout, to_stdout), (stderr, to_stderr) = _pipe(ours, theirs), _pipe(ours, theirs)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(SHIM), *arguments, *launch.command),
            cwd=launch.folder,
            # gunicorn puts a control socket into XDG_RUNTIME_DIR, under one name for all its masters.
            env={**launch.env, "NOTIFY_SOCKET": str(folder / "notify"), "XDG_RUNTIME_DIR": str(folder)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=to_stdout,
            stderr=to_stderr,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        ours.pop_all()
        return Spawned(process, stdout, stderr)


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[io.FileIO, io.FileIO]:
    reading, writing = os.pipe()
    return ours.enter_context(io.FileIO(reading, "r")), theirs.enter_context(io.FileIO(writing, "w"))
