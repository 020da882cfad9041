"""Unix sockets: the ones that functions listen on, and the ones their hosts say READY=1 to."""

import asyncio
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Protocol

# sockaddr_un holds 108 bytes with the closing NUL; the longest name below the run folder is
# `/NAME-XXXXXXXX/gunicorn.ctl`.
NAME_CHARACTERS = 16
PATH_BYTES = 107 - len("/") - NAME_CHARACTERS - len("-XXXXXXXX/gunicorn.ctl")
BACKLOG = 2048


def make_run_folder(wanted: Path) -> Path:
    """An empty folder for sockets that only we may enter: `wanted`, or a temporary one when that path is too long."""
    if len(str(wanted).encode()) > PATH_BYTES:
        return Path(tempfile.mkdtemp(prefix="ossfn-"))
    shutil.rmtree(wanted, ignore_errors=True)
    wanted.mkdir(parents=True, mode=0o700)
    return wanted


def make_socket_folder(run: Path, name: str) -> Path:
    """A folder of its own for one host of function `name`."""
    return Path(tempfile.mkdtemp(prefix=f"{name[:NAME_CHARACTERS]}-", dir=run))


def listen(path: Path) -> socket.socket:
    """A socket that takes connections from now on, before any process serves it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    listener.bind(str(path))
    listener.listen(BACKLOG)
    return listener


def connections(path: Path) -> int:
    """How many connections to the socket at `path` are open or waiting to be taken."""
    # proc(5), /proc/net/unix: Num RefCount Protocol Flags Type St Inode Path; 02 waits to be taken, 03 is connected.
    with Path("/proc/net/unix").open() as table:
        rows = (line.split(maxsplit=7) for line in table)
        return sum(row[5] in ("02", "03") and row[7].rstrip("\n") == str(path) for row in rows if len(row) == 8)


class ReadySocket:
    """Where a host says that it is ready, see sd_notify(3)."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(path))

    async def ready(self) -> None:
        """Return when READY=1 was sent."""
        while True:
            await readable(self._socket)
            if b"READY=1" in self._socket.recv(4096).split(b"\n"):
                return

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


class HasFileno(Protocol):
    """An open file or socket."""

    def fileno(self) -> int:
        """Its descriptor."""
        ...


async def readable(file: HasFileno) -> None:
    """Return when there is something to read, or to accept."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_reader(file, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(file)
