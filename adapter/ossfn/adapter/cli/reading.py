"""What a person types or hands over: files, moments, header lines."""

import re
import sys
import time
from pathlib import Path

import typer

_AGO = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def read_input(file: Path) -> bytes:
    """The bytes of a file, or of standard input for `-`."""
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as fault:
        raise typer.BadParameter(f"{file}: {fault.strerror}") from None


def moment(text: str | None) -> str | None:
    """A moment as the API takes it: `15m`, `2h`, `7d` ago become Unix seconds, all else is left to the API."""
    if text is None or not (ago := _AGO.fullmatch(text)):
        return text
    return f"{time.time() - int(ago[1]) * _SECONDS[ago[2]]:.3f}"


def header(line: str) -> tuple[str, str]:
    """`Name: value`, taken apart; the name in lower case."""
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise typer.BadParameter(f"{line!r} is no header; write it as 'Name: value'")
    return name.strip().lower(), value.strip()
