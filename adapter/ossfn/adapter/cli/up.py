"""`ossfn up`: the service itself, in this process."""

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from errno import EADDRINUSE
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ossfn.adapter.cli.locate import place
from ossfn.adapter.cli.printing import say

if TYPE_CHECKING:
    from ossfn.adapter.settings import Settings

# Read by commands that speak to a service, and by functions run by hand.
_NO_SETTINGS = {"OSSFN_SERVER", "OSSFN_STATE"}


def up(
    ctx: typer.Context,
    data: Annotated[Path | None, typer.Option(help="Directory for everything that ossfn keeps.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of ingest and JSON API; 0 picks a free one.")] = None,
    s3_port: Annotated[int | None, typer.Option(help="Port of the S3 notification API; 0 picks a free one.")] = None,
    registry_url: Annotated[str | None, typer.Option(help="Where rules are kept: sqlite:///FILE.")] = None,
    backend_url: Annotated[str | None, typer.Option(help="Where deliveries are kept: sqlite:///FILE.")] = None,
    role: Annotated[str | None, typer.Option(help="Which parts to run: all, in one process.")] = None,
) -> None:
    """Run the service until it is asked to stop.

    Prints one line of JSON on stdout once it is ready, and logs to stderr.

    For example:

    \b
        ossfn up --data ./ossfn-data --port 8450
    """
    settings = settings_from(
        {
            "data": data or place(ctx).data,
            "host": host,
            "port": port,
            "s3_port": s3_port,
            "registry_url": registry_url,
            "backend_url": backend_url,
            "role": role,
        }
    )
    for line in misspelled(os.environ):
        say(f"ossfn: {line}")
    os.umask(0o077)  # whatever is kept is for this user alone, in a directory that others may read too
    import uvloop

    from ossfn.adapter.backend import BackendUnavailable
    from ossfn.adapter.logs import set_up
    from ossfn.adapter.serve import serve
    from ossfn.functions.errors import FunctionError
    from ossfn.trigger_registry.errors import RegistryError

    set_up(settings.log_level)
    try:
        uvloop.run(serve(settings))
    except (BackendUnavailable, FunctionError, RegistryError, OSError) as fault:
        say(f"ossfn: {_why(fault, settings)}")
        raise typer.Exit(1) from None


def settings_from(options: Mapping[str, Any]) -> "Settings":
    """The settings with these options in front; None stands for "not said". Ends with 2 when they are wrong."""
    from pydantic import ValidationError

    from ossfn.adapter.settings import Settings

    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as fault:
        for error in fault.errors():
            said = error["msg"].removeprefix("Value error, ")
            say("ossfn: " + ": ".join([".".join(map(str, error["loc"])), said] if error["loc"] else [said]))
        raise typer.Exit(2) from None
    except ValueError as fault:  # ossfn.toml or an environment variable cannot be read at all
        say(f"ossfn: {fault}")
        raise typer.Exit(2) from None


def misspelled(environ: Mapping[str, str]) -> list[str]:
    """For each variable that looks like one of ours and is none, a line that says so and names the nearest setting."""
    from ossfn.adapter.settings import Settings

    known = {f"OSSFN_{name.upper()}" for name in Settings.model_fields} | _NO_SETTINGS
    unknown = sorted(name for name in environ if name.startswith("OSSFN_") and name.partition("__")[0] not in known)
    return [f"{name} is not known and changes nothing{_perhaps(name, known)}" for name in unknown]


def _perhaps(name: str, known: Iterable[str]) -> str:
    nearest = get_close_matches(name.partition("__")[0], known, n=1, cutoff=0.8)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def _why(fault: Exception, settings: "Settings") -> str:
    if isinstance(fault, OSError) and fault.errno == EADDRINUSE:
        ports = f"port {settings.port} or {settings.s3_port} of {settings.host}"
        return f"{ports} is in use: stop what listens there, or choose with --port and --s3-port (0: any free one)"
    return str(fault)
