"""`ossfn rules …`: which events of a bucket go where."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ossfn.adapter.cli.locate import client
from ossfn.adapter.cli.printing import Json, target_of, write_fields, write_json, write_table
from ossfn.adapter.client import Client, api

app = typer.Typer(no_args_is_help=True, help="Which events of a bucket go to which function or callback.")

Bucket = Annotated[str, typer.Argument(metavar="BUCKET", help="Name of the bucket.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the rule.")]
Events = Annotated[
    list[str] | None, typer.Option("--event", help="Event name, such as s3:ObjectCreated:*; may be repeated.")
]
Prefix = Annotated[str | None, typer.Option(help="Only keys that begin with this.")]
Suffix = Annotated[str | None, typer.Option(help="Only keys that end with this.")]
Function = Annotated[str | None, typer.Option(help="Send to this function.")]
Callbacks = Annotated[list[str] | None, typer.Option("--callback", help="Send to this URL; up to five.")]
Ordered = Annotated[bool | None, typer.Option("--ordered/--unordered", help="One key's events one after another.")]
Enabled = Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether it is in force.")]
Format = Annotated[str | None, typer.Option("--format", help="structured, binary, s3-notification or jd-notification.")]


@app.command()
def ls(
    ctx: typer.Context,
    bucket: Annotated[str | None, typer.Argument(metavar="BUCKET", help="Its name; else every bucket.")] = None,
    as_json: Json = False,
) -> None:
    """The rules of one bucket, or of all, in match order.

    For example:

    \b
        ossfn rules ls photos
    """
    service = client(ctx)
    if as_json and bucket is not None:
        return write_json(service.get(api("buckets", bucket, "rules")))
    found = _all_rules(service) if bucket is None else _rules_of(service, bucket)
    if as_json:
        return typer.echo(json.dumps({"rules": found}, ensure_ascii=False))
    rows = [
        (
            rule["bucket"], rule["name"], rule["events"], rule["prefix"], rule["suffix"], target_of(rule),
            "" if rule["enabled"] else "disabled",
        )
        for rule in found
    ]  # fmt: skip
    return write_table(("bucket", "rule", "events", "prefix", "suffix", "send to", ""), rows)


@app.command()
def show(ctx: typer.Context, bucket: Bucket, name: Name, as_json: Json = False) -> None:
    """One rule.

    For example:

    \b
        ossfn rules show photos thumbnails
    """
    answer = client(ctx).get(api("buckets", bucket, "rules", name))
    if as_json:
        return write_json(answer)
    rule = answer.json()
    fields = [(field, value) for field, value in rule.items() if field != "target"]
    return write_fields([*fields, ("send to", target_of(rule))])


@app.command()
def add(
    ctx: typer.Context,
    bucket: Bucket,
    name: Annotated[str | None, typer.Option(help="Its name; else one is made.")] = None,
    events: Events = None,
    prefix: Prefix = None,
    suffix: Suffix = None,
    function: Function = None,
    callbacks: Callbacks = None,
    ordered: Ordered = None,
    enabled: Enabled = None,
    event_format: Format = None,
    as_json: Json = False,
) -> None:
    """Add a rule behind the others of a bucket.

    For example:

    \b
        ossfn rules add photos --name thumbnails --event 's3:ObjectCreated:*' --suffix .jpg --function thumbs
        ossfn rules add photos --event 's3:ObjectRemoved:*' --callback https://example.com/hook
    """
    rule = _given(events, prefix, suffix, function, callbacks, ordered, enabled, event_format)
    if "target" not in rule or "events" not in rule:
        raise typer.BadParameter("--event, and either --function or --callback, are needed")
    if name:
        rule["name"] = name
    answer = client(ctx).send("POST", api("buckets", bucket, "rules"), rule)
    if as_json:
        return write_json(answer)
    return typer.echo(f"{bucket}/{answer.json()['name']}: added")


@app.command("set")
def set_(
    ctx: typer.Context,
    bucket: Bucket,
    name: Name,
    events: Events = None,
    prefix: Prefix = None,
    suffix: Suffix = None,
    function: Function = None,
    callbacks: Callbacks = None,
    ordered: Ordered = None,
    enabled: Enabled = None,
    event_format: Format = None,
    as_json: Json = False,
) -> None:
    """Change what is given of a rule and leave the rest; nothing changes when somebody else was faster.

    For example:

    \b
        ossfn rules set photos thumbnails --suffix .png
        ossfn rules set photos thumbnails --disabled
    """
    changes = _given(events, prefix, suffix, function, callbacks, ordered, enabled, event_format)
    if not changes:
        raise typer.BadParameter("say what to change, for example --suffix .png")
    service = client(ctx)
    path = api("buckets", bucket, "rules", name)
    now = service.get(path)
    answer = service.send("PUT", path, now.json() | changes, headers={"if-match": now.headers["etag"]})
    if as_json:
        return write_json(answer)
    return typer.echo(f"{bucket}/{name}: changed")


@app.command()
def rm(ctx: typer.Context, bucket: Bucket, name: Name) -> None:
    """Delete a rule; what it has matched already is still delivered.

    For example:

    \b
        ossfn rules rm photos thumbnails
    """
    client(ctx).send("DELETE", api("buckets", bucket, "rules", name))
    typer.echo(f"{bucket}/{name}: deleted")


def _given(
    events: list[str] | None,
    prefix: str | None,
    suffix: str | None,
    function: str | None,
    callbacks: list[str] | None,
    ordered: bool | None,
    enabled: bool | None,
    event_format: str | None,
) -> dict[str, Any]:
    """The rule's members that were said."""
    if function and callbacks:
        raise typer.BadParameter("a rule sends either to a --function or to --callback URLs")
    target: Mapping[str, object] | None = {"function": function} if function else None
    if callbacks:
        target = {"callbacks": callbacks}
    members = {
        "events": events, "prefix": prefix, "suffix": suffix, "target": target, "ordered": ordered,
        "enabled": enabled, "format": event_format,
    }  # fmt: skip
    return {name: value for name, value in members.items() if value is not None}


def _rules_of(service: Client, bucket: str) -> list[dict[str, Any]]:
    rules = service.get(api("buckets", bucket, "rules")).json()["rules"]
    return [{"bucket": bucket, **rule} for rule in rules]


def _all_rules(service: Client) -> list[dict[str, Any]]:
    names = [bucket["name"] for bucket in service.get(api("buckets")).json()["buckets"]]
    return [rule for name in names for rule in _rules_of(service, name)]
