"""Power cuts: what was written to the outbox's files and not synced before a kill is taken back, all or its end."""

import os
import random
import shutil
import struct
import subprocess
from pathlib import Path

_HEAD = struct.Struct("=QQQ")


def build(folder: Path) -> Path | None:
    """The library to preload, or None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    library = folder / "power.so"
    source = Path(__file__).with_name("power.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl", "-lpthread"], check=True)
    return library


def cut(data: Path, dice: random.Random) -> int:
    """Take unsynced writes of every outbox file back; how many were. Call it between a kill and the next start."""
    taken_back = 0
    for undo in data.glob("outbox.db*.undo"):
        entries = _entries(undo.read_bytes())
        keep = dice.choice((0, dice.randint(0, len(entries))))
        with undo.with_suffix("").open("r+b") as file:
            for offset, length, old in reversed(entries[keep:]):
                os.pwrite(file.fileno(), old, offset)
                os.ftruncate(file.fileno(), length)
        taken_back += len(entries) - keep
        undo.unlink()
    (data / "outbox.db-shm").unlink(missing_ok=True)  # an index in shared memory: never survives a power cut
    return taken_back


def _entries(undo: bytes) -> list[tuple[int, int, bytes]]:
    """(offset, length of the file before, old bytes) of each write; the last may be cut short itself."""
    entries, at = [], 0
    while at + _HEAD.size <= len(undo):
        offset, length, count = _HEAD.unpack_from(undo, at)
        at += _HEAD.size
        if at + count > len(undo):
            break
        entries.append((offset, length, undo[at : at + count]))
        at += count
    return entries
