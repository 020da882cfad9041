"""`ossfn explain` and `ossfn stats`: why an event goes where it goes, and how much has gone."""

from typing import Annotated, Any

import typer

from ossfn.adapter.cli.locate import client
from ossfn.adapter.cli.printing import Json, write_fields, write_json, write_table
from ossfn.adapter.client import api


def explain(
    ctx: typer.Context,
    bucket: Annotated[str | None, typer.Argument(metavar="BUCKET", help="Name of the bucket.")] = None,
    key: Annotated[str | None, typer.Argument(metavar="KEY", help="Key of the object, in plain characters.")] = None,
    event: Annotated[str | None, typer.Argument(metavar="EVENT", help="Such as s3:ObjectCreated:Put.")] = None,
    event_id: Annotated[str | None, typer.Option(help="Rather say what became of this event.")] = None,
    as_json: Json = False,
) -> None:
    """Say of each rule whether it would take such an event, and why; or what became of one that came in.

    For example:

    \b
        ossfn explain photos holiday/beach.jpg s3:ObjectCreated:Put
        ossfn explain --event-id 0193a1b2c3d4e5f60718293a4b5c6d7e
    """
    answer = client(ctx).get(api("explain"), {"bucket": bucket, "key": key, "event": event, "event_id": event_id})
    if as_json:
        return write_json(answer)
    said = answer.json()
    return _write_verdicts(said) if event_id is None else _write_deliveries(said)


def _write_verdicts(said: dict[str, Any]) -> None:
    write_table(
        ("rule", "verdict", "because"),
        [(rule["rule"], rule["why"], rule["reason"]) for rule in said["rules"]],
    )
    targets = ", ".join(said["targets"])
    typer.echo(f"goes to {targets}" if targets else "goes nowhere")


def _write_deliveries(said: dict[str, Any]) -> None:
    tries = [
        (
            delivery["rule"],
            delivery["target"],
            delivery["state"],
            attempt["number"],
            attempt["status"],
            attempt["reason"],
        )
        for delivery in said["deliveries"]
        for attempt in delivery["attempts"] or [{"number": 0, "status": None, "reason": "not tried yet"}]
    ]
    write_table(("rule", "target", "state", "try", "status", "reason"), tries)
    event = said["event"]
    matched = f"matched by rules of generation {said['generation']}" if tries else "no rule wanted it"
    typer.echo(f"{event['name']} of {event['bucket']}/{event['key']}: {matched}")


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
