"""`ossfn functions invoke`: call a function by hand and see what it answers."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from ossfn.adapter.cli.locate import client
from ossfn.adapter.cli.made_events import (
    BucketOption,
    Event,
    EventOption,
    KeyOption,
    SizeOption,
    Store,
    StoreOption,
    content_type,
    made_event,
)
from ossfn.adapter.cli.printing import Json, say, write_json, write_text
from ossfn.adapter.cli.reading import read_input
from ossfn.adapter.client import Answer, Client, api

INVOKE_SECONDS = 330.0
"""A function's longest time-out is 300 s."""


def invoke(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Name of the function.")] = None,
    given: Annotated[Path | None, typer.Argument(metavar="FILE", help="The same as --file.")] = None,
    file: Annotated[Path | None, typer.Option(help="A CloudEvent, or any JSON; `-` reads standard input.")] = None,
    url: Annotated[str | None, typer.Option(help="Call this address, as `dev` prints it, instead of NAME.")] = None,
    event: EventOption = None,
    store: StoreOption = Store.minio,
    bucket: BucketOption = "photos",
    key: KeyOption = "cats/1.jpg",
    size: SizeOption = 24576,
    as_json: Json = False,
) -> None:
    """Call a function, with a made-up event or one from a file, and print its answer; ends with 1 when it failed.

    For example:

    \b
        ossfn functions invoke thumbs --event put --store ceph --bucket photos --key 'cats/a b.jpg'
        ossfn functions invoke thumbs --file event.json
        ossfn functions invoke --url http://127.0.0.1:8080/ --event delete
    """
    if (file := file or given) and event:
        raise typer.BadParameter("give either --file or --event")
    body = read_input(file) if file else made_event(event or Event.put, store, bucket, key, size)
    match name, url:
        case str(), None:
            _show_answer(_invoked(client(ctx), name, body), as_json)
        case None, str():
            _call(url, body)
        case _:
            raise typer.BadParameter("give either NAME or --url URL")


def _invoked(service: Client, name: str, body: bytes) -> Answer:
    return service.request(
        "POST",
        api("functions", f"{name}:invoke"),
        body,
        headers={"content-type": "application/json"},
        timeout_seconds=INVOKE_SECONDS,
    )


def _show_answer(answer: Answer, as_json: bool) -> None:
    result = answer.json()
    if as_json:
        write_json(answer)
    else:
        say(f"status {result['status']} after {result['seconds']:.3f} s")
        write_text(result["body"])
    if result["status"] >= 300:
        raise typer.Exit(1)


def _call(url: str, body: bytes) -> None:
    answer = Client(url).request(
        "POST", "" if urlsplit(url).path else "/", body, headers=content_type(body), timeout_seconds=INVOKE_SECONDS
    )
    say(f"status {answer.status}")
    write_text(answer.body.decode(errors="replace"))
