"""Structured logs on standard error: JSON lines, or colours when a person watches."""

import logging
import sys

import orjson
import structlog


def set_up(level: str) -> None:
    """Call once, before anything is logged. Standard output stays free for answers."""
    number = getattr(logging, level.upper())
    render = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer(serializer=_json)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=sys.stderr, level=max(number, logging.WARNING), format="%(name)s: %(message)s")


def _json(event: object, **_: object) -> str:
    """One line, keys in any script as they are."""
    return orjson.dumps(event, default=repr).decode()
