"""`ossfn explain` and `ossfn stats`: why an event goes where it goes, and how much has gone."""

from typing import Annotated

import typer

from ossfn.adapter.cli.locate import client
from ossfn.adapter.cli.printing import Json, write_fields, write_json, write_table
from ossfn.adapter.client import api


def explain(
    ctx: typer.Context,
    bucket: Annotated[str, typer.Argument(metavar="BUCKET", help="Name of the bucket.")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="Key of the object, in plain characters.")],
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Its name, such as s3:ObjectCreated:Put.")],
    as_json: Json = False,
) -> None:
    """Say of each rule whether it would take such an event, and why.

    For example:

    \b
        ossfn explain photos holiday/beach.jpg s3:ObjectCreated:Put
    """
    answer = client(ctx).get(api("explain"), {"bucket": bucket, "key": key, "event": event})
    if as_json:
        return write_json(answer)
    said = answer.json()
    write_table(
        ("rule", "verdict", "because"),
        [(rule["rule"], rule["why"], rule["reason"]) for rule in said["rules"]],
    )
    targets = ", ".join(said["targets"])
    return typer.echo(f"goes to {targets}" if targets else "goes nowhere")


def stats(ctx: typer.Context, as_json: Json = False) -> None:
    """Counts of deliveries: accepted = delivered + dead + pending + cancelled.

    For example:

    \b
        ossfn stats
    """
    answer = client(ctx).get(api("stats"))
    if as_json:
        return write_json(answer)
    return write_fields(list(answer.json().items()))
