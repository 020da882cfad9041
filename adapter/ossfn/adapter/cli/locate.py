"""Where the running service is: said on the command line, in the environment, or left behind by the service itself."""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer

from ossfn.adapter.client import Client

DEFAULT_DATA = "ossfn-data"
DEFAULT_URL = "http://127.0.0.1:8450"

# `ossfn.toml` and the environment are read here by hand, because the settings model takes longer to import than most
# commands take.


@dataclass(frozen=True, slots=True)
class Place:
    """What was said before the command."""

    server: str | None = None
    data: Path | None = None


def place(ctx: typer.Context) -> Place:
    """What was said before the command that runs in this context."""
    return ctx.find_object(Place) or Place()


def client(ctx: typer.Context) -> Client:
    """A client for the service that the command is meant for."""
    return Client(server_url(place(ctx), os.environ), os.environ.get("OSSFN_API_TOKEN", "").strip())


def server_url(place: Place, environ: Mapping[str, str]) -> str:
    """The first that is given: option, OSSFN_SERVER, OSSFN_HOST/OSSFN_PORT, the data directory, the default port."""
    return (
        place.server
        or environ.get("OSSFN_SERVER")
        or _listening(environ.get("OSSFN_HOST", ""), environ.get("OSSFN_PORT", ""))
        or _left_behind(data_directory(place, environ))
        or DEFAULT_URL
    )


def data_directory(place: Place, environ: Mapping[str, str]) -> Path:
    """The service's data directory: option, OSSFN_DATA, `ossfn.toml`, or the default."""
    return place.data or Path(environ.get("OSSFN_DATA") or _configured() or DEFAULT_DATA)


def _listening(host: str, port: str) -> str:
    if not host and port in ("", "0"):  # 0 was a wish for any free port: the data directory knows which
        return ""
    host = host or "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port if port not in ('', '0') else 8450}"


def _left_behind(data: Path) -> str:
    try:
        return str(json.loads((data / "running.json").read_bytes())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _configured() -> str:
    try:
        return str(tomllib.loads(Path("ossfn.toml").read_text("utf-8")).get("data", ""))
    except (OSError, ValueError):
        return ""
