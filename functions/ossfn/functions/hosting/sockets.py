"""Unix sockets in one folder: the ones functions listen on, and the ones hosts say READY=1 to."""

import hashlib
import shutil
import socket
import tempfile
from pathlib import Path

# sockaddr_un holds 108 bytes with the closing NUL; below the run folder stand names of at most 48 bytes.
PATH_BYTES = 107 - 48
BACKLOG = 2048


def make_run_folder(wanted: Path) -> Path:
    """An empty folder for sockets that only we may enter: `wanted`, or a temporary one when that path is too long."""
    if len(str(wanted.absolute()).encode()) > PATH_BYTES:
        return Path(tempfile.mkdtemp(prefix="ossfn-"))
    shutil.rmtree(wanted, ignore_errors=True)
    wanted.mkdir(parents=True, mode=0o700)
    return wanted.absolute()


def listen(folder: Path, name: str) -> socket.socket:
    """The socket of function `name`, listening before any process serves it. Its path is `getsockname()`."""
    path = folder / f"{name[:24]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.sock"
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    listener.bind(str(path))
    listener.listen(BACKLOG)
    return listener


def connections(path: str) -> int:
    """How many connections to the socket at `path` are open or waiting to be taken."""
    # proc(5), /proc/net/unix: Num RefCount Protocol Flags Type St Inode Path; state 03 is connected.
    with Path("/proc/net/unix").open() as table:
        rows = (line.split(maxsplit=7) for line in table)
        return sum(1 for row in rows if len(row) == 8 and row[7].rstrip("\n") == path and row[5] in ("02", "03"))
