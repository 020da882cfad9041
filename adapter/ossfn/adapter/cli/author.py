"""`ossfn functions init` and `dev`: begin a function, and serve it while it is being written."""

import socket
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ossfn.adapter.cli.folders import Folder, find
from ossfn.adapter.cli.printing import say


class Kind(StrEnum):
    """The names in `ossfn.functions.scaffold`, which is imported when it is needed."""

    cloudevent = "cloudevent"
    object_event = "object-event"
    http = "http"
    jd = "jd"


def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the function.")],
    template: Annotated[Kind, typer.Option(help="What kind of handler.")] = Kind.cloudevent,
    folder: Annotated[Path | None, typer.Option("--dir", help="Where; else a new folder of that name.")] = None,
) -> None:
    """Write the first files of a function: code, a test, an event, and what other hosts need.

    For example:

    \b
        ossfn functions init thumbs
        ossfn functions init thumbs --template object-event
    """
    from ossfn.functions.errors import FunctionRefused
    from ossfn.functions.scaffold import scaffold, write

    place = folder or Path(name)
    try:
        files = scaffold(template.value, name)
        write(place, files)
    except (FunctionRefused, OSError) as fault:
        raise typer.BadParameter(str(fault)) from None
    for file in sorted(files):
        typer.echo(place / file)
    say(f"Next: ossfn functions dev {place}")


def dev(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the function.")] = Path(),
    port: Annotated[int, typer.Option(help="Where to serve it on 127.0.0.1; 0 picks a free port.")] = 8080,
    name: Annotated[str | None, typer.Option(help="Its name; else the one in DIR, or that of the folder.")] = None,
    entry_point: Annotated[str | None, typer.Option(help="The handler; else the only decorated function.")] = None,
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An environment variable; may be repeated.")
    ] = None,
) -> None:
    """Serve a function while you write it: each saved change is tried, and served if it works. Ctrl-C ends it.

    It runs as it would when deployed, in its own environment if it has requirements, and sees your shell's variables.
    A JD Cloud function also answers `sca local`, at /invoke.

    For example:

    \b
        ossfn functions dev ./thumbs
        ossfn functions invoke --url http://127.0.0.1:8080/ --event put --key cats/1.jpg
    """
    import asyncio
    import contextlib

    found = find(folder, name)
    options = found.options_under({"entry_point": entry_point}, env or ())
    variables = dict(_variable(given) for given in options.pop("env"))
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as fault:
        raise typer.BadParameter(f"port {port}: {fault.strerror}; choose another with --port") from None
    with listener, contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
        asyncio.run(_dev(found, {**options, "env": variables}, listener))


async def _dev(folder: Folder, options: Mapping[str, Any], listener: socket.socket) -> None:
    import asyncio
    import signal

    from ossfn.functions.dev import Workshop

    task = asyncio.current_task()
    if task:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await Workshop(folder.code, folder.name or folder.code.resolve().name, options, listener, say).run()


def _variable(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        raise typer.BadParameter(f"{given!r}: write it as NAME=VALUE")
    return name, value
