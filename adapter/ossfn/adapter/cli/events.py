"""`ossfn events …`: send a notification as a store would."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from ossfn.adapter.cli.locate import client
from ossfn.adapter.cli.printing import Json, say, shown, write_json, write_text
from ossfn.adapter.cli.reading import header, read_input

app = typer.Typer(no_args_is_help=True, help="Send notifications as a store would.")


@app.callback()
def _events() -> None:
    """Keep `send` a command of its own while it is the only one."""


@app.command()
def send(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File with the notification; `-` reads standard input.")],
    source: Annotated[str, typer.Option(help="Ingest source, or the name of a format; auto finds it out.")] = "auto",
    headers: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="'Name: value' as the store sends it; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Post a notification from a file; the events in it are real from then on.

    For example:

    \b
        ossfn events send notification.json
    """
    given = {"content-type": "application/json", **dict(header(line) for line in headers or ())}
    answer = client(ctx).request("POST", f"/ingest/{quote(source, safe='')}", read_input(file), headers=given)
    if as_json:
        return write_json(answer)
    is_receipt = answer.headers["content-type"].startswith("application/json") and "events" in answer.json()
    if not is_receipt:  # the store wants something confirmed
        return write_text(answer.body.decode(errors="replace"))
    taken = answer.json()
    for record in taken["ignored"]:
        say(f"ignored: {shown(record)}")
    return typer.echo(
        f"{taken['events']} events, {taken['deliveries']} deliveries, {taken['duplicates']} known already"
    )
