"""`ossfn up`: the service itself, in this process."""

from collections.abc import Mapping
from errno import EADDRINUSE
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ossfn.adapter.cli.locate import place
from ossfn.adapter.cli.printing import say

if TYPE_CHECKING:
    from ossfn.adapter.settings import Settings


def up(
    ctx: typer.Context,
    data: Annotated[Path | None, typer.Option(help="Directory for everything that ossfn keeps.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of ingest and JSON API; 0 picks a free one.")] = None,
    s3_port: Annotated[int | None, typer.Option(help="Port of the S3 notification API; 0 picks a free one.")] = None,
    registry_url: Annotated[str | None, typer.Option(help="Where rules are kept.")] = None,
    backend_url: Annotated[str | None, typer.Option(help="Where deliveries are kept.")] = None,
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
        }
    )
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


def _why(fault: Exception, settings: "Settings") -> str:
    if isinstance(fault, OSError) and fault.errno == EADDRINUSE:
        ports = f"port {settings.port} or {settings.s3_port} of {settings.host}"
        return f"{ports} is in use: stop what listens there, or choose with --port and --s3-port (0: any free one)"
    return str(fault)
