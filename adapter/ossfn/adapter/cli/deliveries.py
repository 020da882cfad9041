"""`ossfn deliveries …`: what was sent, what was given up, and sending it again."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ossfn.adapter.cli.bulk import CANCEL, REDELIVER, in_bulk
from ossfn.adapter.cli.locate import client
from ossfn.adapter.cli.printing import Json, local_time, say, write_fields, write_json, write_table
from ossfn.adapter.cli.reading import moment
from ossfn.adapter.client import api

app = typer.Typer(no_args_is_help=True, help="Deliveries: what was sent, what was given up, sending it again.")

Bucket = Annotated[str | None, typer.Option(help="Of events in this bucket.")]
Prefix = Annotated[str | None, typer.Option(help="Of keys that begin with this.")]
Rule = Annotated[str | None, typer.Option(help="Made by this rule.")]
Target = Annotated[str | None, typer.Option(help="To this target: function:NAME or callback:URL.")]
Reason = Annotated[str | None, typer.Option(help="Whose last failure says this.")]
EventId = Annotated[str | None, typer.Option(help="Of this event.")]
Since = Annotated[str | None, typer.Option(help="Accepted since then: RFC 3339, Unix seconds, or 15m, 2h, 7d ago.")]
Until = Annotated[str | None, typer.Option(help="Accepted until then, as --since.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count them.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Everything = Annotated[bool, typer.Option("--all", help="Without any filter: all of them.")]


@app.command()
def ls(
    ctx: typer.Context,
    state: Annotated[str | None, typer.Option(help="pending, delivered, dead or cancelled.")] = None,
    bucket: Bucket = None,
    prefix: Prefix = None,
    rule: Rule = None,
    target: Target = None,
    reason: Reason = None,
    event_id: EventId = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 50,
    before: Annotated[str | None, typer.Option(help="Go on where an earlier answer ended.")] = None,
    as_json: Json = False,
) -> None:
    """Deliveries, newest first.

    For example:

    \b
        ossfn deliveries ls --state dead --since 2h
    """
    wanted = _filter(bucket, prefix, rule, target, reason, event_id, since, until)
    answer = client(ctx).get(api("deliveries"), {"state": state, **wanted, "limit": limit, "before": before})
    if as_json:
        return write_json(answer)
    page = answer.json()
    write_table(
        ("id", "state", "object", "event", "target", "reason", "rule", "try", "accepted"),
        [_row(delivery) for delivery in page["deliveries"]],
    )
    return say(f"There are more: --before {page['next']}") if page["next"] else None


@app.command()
def show(
    ctx: typer.Context,
    delivery_id: Annotated[str, typer.Argument(metavar="ID", help="The delivery's id.")],
    as_json: Json = False,
) -> None:
    """One delivery with every attempt and what the target answered.

    For example:

    \b
        ossfn deliveries show 019abf1c53e0b7d1c2f3a4958677
    """
    answer = client(ctx).get(api("deliveries", delivery_id))
    if as_json:
        return write_json(answer)
    delivery = answer.json()
    own = [(name, value) for name, value in delivery.items() if not isinstance(value, list | dict)]
    write_fields([*own, *((f"event {name}", value) for name, value in delivery["event"].items())])
    return write_table(
        ("try", "at", "seconds", "status", "reason", "answer"),
        [
            (a["number"], local_time(a["started_at"]), f"{a['seconds']:.3f}", a["status"], a["reason"], a["answer"])
            for a in delivery["attempts"]
        ],
    )


@app.command()
def redeliver(
    ctx: typer.Context,
    delivery_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="One dead letter, instead of a filter.")
    ] = None,
    bucket: Bucket = None,
    prefix: Prefix = None,
    rule: Rule = None,
    target: Target = None,
    reason: Reason = None,
    event_id: EventId = None,
    since: Since = None,
    until: Until = None,
    everything: Everything = False,
    rate: Annotated[float | None, typer.Option(help="At most so many a second.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Send dead letters again, each as a new delivery that names the old one; those sent again before are left out.

    For example:

    \b
        ossfn deliveries redeliver 019abf1c53e0b7d1c2f3a49586771f2c-0
        ossfn deliveries redeliver --target function:thumbs --since 2h --dry-run
        ossfn deliveries redeliver --target function:thumbs --since 2h --rate 50
    """
    wanted = _filter(bucket, prefix, rule, target, reason, event_id, since, until)
    if delivery_id is not None:
        if wanted or everything or dry_run:
            raise typer.BadParameter("give an ID alone, or a filter")
        client(ctx).send("POST", api("deliveries", f"{delivery_id}:redeliver"))
        return typer.echo("1 redelivered")
    return in_bulk(client(ctx), REDELIVER, _chosen(wanted, everything), dry_run=dry_run, yes=yes, rate=rate)


@app.command()
def cancel(
    ctx: typer.Context,
    bucket: Bucket = None,
    prefix: Prefix = None,
    rule: Rule = None,
    target: Target = None,
    reason: Reason = None,
    event_id: EventId = None,
    since: Since = None,
    until: Until = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """End deliveries that wait for their next try, for ever.

    For example:

    \b
        ossfn deliveries cancel --target callback:https://gone.example.com/ --dry-run
    """
    wanted = _filter(bucket, prefix, rule, target, reason, event_id, since, until)
    in_bulk(client(ctx), CANCEL, _chosen(wanted, everything), dry_run=dry_run, yes=yes)


def _filter(
    bucket: str | None,
    prefix: str | None,
    rule: str | None,
    target: str | None,
    reason: str | None,
    event_id: str | None,
    since: str | None,
    until: str | None,
) -> dict[str, str]:
    """What was said, in the API's words."""
    said = {
        "bucket": bucket, "prefix": prefix, "rule": rule, "target": target, "reason": reason, "event_id": event_id,
        "since": moment(since), "until": moment(until),
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


def _chosen(wanted: dict[str, str], everything: bool) -> dict[str, str]:
    if bool(wanted) == everything:
        raise typer.BadParameter("say which with a filter such as --target, or --all without one")
    return wanted


def _row(delivery: Mapping[str, Any]) -> tuple[object, ...]:
    event = delivery["event"]
    return (
        delivery["id"],
        delivery["state"],
        f"{event['bucket']}/{event['key']}",
        event["name"].removeprefix("s3:"),
        delivery["target"],
        delivery["reason"],
        delivery["rule"],
        delivery["attempt"],
        local_time(delivery["accepted_at"]),
    )
