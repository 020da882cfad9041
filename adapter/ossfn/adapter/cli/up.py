"""The command line `ossfn`: parses, calls, prints."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

app = typer.Typer(no_args_is_help=True, add_completion=True, help="Object-storage events to functions.")


@app.callback()
def _ossfn() -> None:
    """Object-storage events to functions."""


@app.command()
def up(
    data: Annotated[Path | None, typer.Option(help="Directory for everything that ossfn keeps.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of ingest and JSON API; 0 picks a free one.")] = None,
    s3_port: Annotated[int | None, typer.Option(help="Port of the S3 notification API; 0 picks a free one.")] = None,
    registry_url: Annotated[str | None, typer.Option(help="Where rules are kept.")] = None,
    backend_url: Annotated[str | None, typer.Option(help="Where deliveries are kept.")] = None,
) -> None:
    """Run the service until it is asked to stop."""
    from ossfn.adapter.logs import set_up
    from ossfn.adapter.serve import serve
    from ossfn.adapter.settings import Settings

    given: dict[str, Any] = {
        "data": data, "host": host, "port": port, "s3_port": s3_port, "registry_url": registry_url,
        "backend_url": backend_url,
    }  # fmt: skip
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as fault:
        for error in fault.errors():
            typer.echo(f"ossfn: {'.'.join(map(str, error['loc']))}: {error['msg']}", err=True)
        raise typer.Exit(2) from None
    set_up(settings.log_level)
    asyncio.run(serve(settings))


def main() -> None:
    """The console script."""
    app()
