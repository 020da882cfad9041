"""What a function prints, kept line by line in files that never grow without end."""

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, Protocol

import msgspec

FILE_BYTES = 5 * 1024 * 1024
OLD_FILES = 3
LINE_CHARACTERS = 16 * 1024

Stream = Literal["stdout", "stderr", "host"]
"""Where a line was written; `host` lines are ours (started, stopped, crashed)."""


class LogLine(msgspec.Struct, frozen=True):
    """One line."""

    time: float
    """Unix seconds at which we read it."""
    version: int
    stream: Stream
    text: str


class Log(Protocol):
    """Where lines go."""

    def append(self, lines: Iterable[LogLine]) -> None:
        """Take lines; must not fail."""
        ...


class FunctionLog:
    """The log files of one function: `current.jsonl`, then `1.jsonl` … `3.jsonl`, older and older."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = self._path(0).open("ab", buffering=0)

    def append(self, lines: Iterable[LogLine]) -> None:
        """Keep lines; they can be read at once. When the disk is full they are lost, and the function goes on."""
        # ValueError: the log is closed already, and a host that stops late still says something.
        with contextlib.suppress(OSError, ValueError):
            self._file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
            if self._file.tell() > FILE_BYTES:
                self._rotate()

    def last(self, count: int) -> Sequence[LogLine]:
        """The last `count` lines, oldest first. Reads files: not for the event loop."""
        found: list[LogLine] = []
        for number in range(OLD_FILES + 1):
            if len(found) < count:
                found = _read(self._path(number))[len(found) - count :] + found
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _rotate(self) -> None:
        """Begin a new file; when that is not possible, nothing moves and writing goes on in the old one."""
        fresh = (self._folder / "next.jsonl").open("ab", buffering=0)
        for number in reversed(range(OLD_FILES)):
            if self._path(number).exists():
                self._path(number).replace(self._path(number + 1))
        (self._folder / "next.jsonl").replace(self._path(0))
        self._file.close()
        self._file = fresh

    def _path(self, number: int) -> Path:
        return self._folder / (f"{number}.jsonl" if number else "current.jsonl")


def _read(path: Path) -> list[LogLine]:
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    entries = []
    for line in lines:
        with contextlib.suppress(msgspec.DecodeError):  # cut off by a full disk
            entries.append(msgspec.json.decode(line, type=LogLine))
    return entries


class Lines:
    """Cuts the bytes of a pipe into lines, longer ones into pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Sequence[str]:
        """The lines that are whole now; an empty chunk means that the pipe has ended."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (not chunk or len(self._rest) > LINE_CHARACTERS):
            whole.append(self._rest)
            self._rest = b""
        texts = [line.decode(errors="replace").removesuffix("\r") for line in whole]
        return [text[at : at + LINE_CHARACTERS] for text in texts for at in range(0, len(text) or 1, LINE_CHARACTERS)]
