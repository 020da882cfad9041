"""`ossfn events …`: send a notification as a store would, or make one up."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from ossfn.adapter.cli.locate import client
from ossfn.adapter.cli.made_events import (
    BucketOption,
    Event,
    KeyOption,
    SizeOption,
    Store,
    StoreOption,
    made_event,
)
from ossfn.adapter.cli.printing import Json, say, shown, write_json, write_text
from ossfn.adapter.cli.reading import header, read_input

app = typer.Typer(no_args_is_help=True, help="Send notifications as a store would.")


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


@app.command()
def generate(
    event: Annotated[Event, typer.Option(help="What happened to the object.")] = Event.put,
    store: StoreOption = Store.minio,
    bucket: BucketOption = "photos",
    key: KeyOption = "cats/1.jpg",
    size: SizeOption = 24576,
    cloudevent: Annotated[bool, typer.Option("--cloudevent", help="As a function gets it from ossfn.")] = False,
) -> None:
    """Print a made-up notification as the store would send it, or the CloudEvent that a function gets of it.

    For example:

    \b
        ossfn events generate --store ceph --bucket photos --key 'cats/a b.jpg' | ossfn events send -
        ossfn events generate --event delete --cloudevent > event.json
    """
    typer.echo(made_event(event, store, bucket, key, size, notification=not cloudevent))
