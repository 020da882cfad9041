"""Structured logs on standard error: JSON lines, or colours when a person watches."""

import contextlib
import logging
import sys
from typing import TextIO, cast

import orjson
import structlog


def set_up(level: str) -> None:
    """Call once, before anything is logged. Standard output stays free for answers."""
    number = getattr(logging, level.upper())
    colours, lines = structlog.dev.ConsoleRenderer, structlog.processors.JSONRenderer
    render = colours() if sys.stderr.isatty() else lines(serializer=_json)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", Unfailing(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    logging.raiseExceptions = False
    logging.basicConfig(stream=sys.stderr, level=max(number, logging.WARNING), format="%(name)s: %(message)s")


class Unfailing:
    """A file whose writes are lost when they cannot be made: a full disk under the log must not end deliveries."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Write, or not."""
        with contextlib.suppress(OSError, ValueError):
            self._file.write(text)

    def flush(self) -> None:
        """Flush, or not."""
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()


def _json(event: object, **_: object) -> str:
    """One line, keys in any script as they are."""
    return orjson.dumps(event, default=repr).decode()
