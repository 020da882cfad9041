"""Becomes the function's host: does what only the new process can do to itself, then turns into the given command.

Run by path with `python -I -S`, arguments PARENT_PID LISTENER_FD MEMORY_BYTES COMMAND…; imports nothing of ours.
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
LISTENER = 3
"""Where sd_listen_fds(3) says the first socket is."""


def main() -> None:
    parent, listener, memory_bytes = (int(argument) for argument in sys.argv[1:4])
    # A service that is killed takes its hosts with it; gunicorn's master in turn stops its workers.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("the service is gone")
    if listener == LISTENER:
        os.set_inheritable(LISTENER, True)
    else:
        os.dup2(listener, LISTENER)
        os.close(listener)
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    command = sys.argv[4:]
    env = os.environ | {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    os.execve(command[0], command, env)  # noqa: S606  # a shell is what we do not want


if __name__ == "__main__":
    main()
