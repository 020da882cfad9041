"""Processes that an earlier service left behind when it was killed."""

import contextlib
import os
import signal
from pathlib import Path

from ossfn.functions.hosting.launch import MARK


def hosted_by(data: Path) -> list[int]:
    """Processes, of any parent, that serve functions of this data directory."""
    mark = f"{MARK}={data}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
        except OSError:  # it has ended, or is not ours
            continue
    return found


def end_orphans(data: Path) -> None:
    """Kill them; the caller holds the data directory's lock, so no living service is looking after them."""
    for pid in hosted_by(data):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
