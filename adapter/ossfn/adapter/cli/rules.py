"""`ossfn rules …`: which events of a bucket go where."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ossfn.adapter.cli.locate import client
from ossfn.adapter.cli.printing import Json, target_of, write_fields, write_json, write_table
from ossfn.adapter.cli.reading import read_input
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
Verification = Annotated[str | None, typer.Option(help="How callbacks agree to get events: none, jd or cloudevents.")]
Unverified = Annotated[
    bool, typer.Option("--store-unverified", help="Keep it when its callbacks do not agree; they are paused.")
]


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
            rule["enabled"],
        )
        for rule in found
    ]  # fmt: skip
    return write_table(("bucket", "rule", "events", "prefix", "suffix", "send to", "enabled"), rows)


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
    verification: Verification = None,
    store_unverified: Unverified = False,
    as_json: Json = False,
) -> None:
    """Add a rule behind the others of a bucket.

    For example:

    \b
        ossfn rules add photos --name thumbnails --event 's3:ObjectCreated:*' --suffix .jpg --function thumbs
        ossfn rules add photos --event 's3:ObjectRemoved:*' --callback https://example.com/hook
    """
    rule = _given(events, prefix, suffix, function, callbacks, ordered, enabled, event_format, verification)
    if "target" not in rule or "events" not in rule:
        raise typer.BadParameter("--event, and either --function or --callback, are needed")
    if name:
        rule["name"] = name
    answer = client(ctx).send("POST", api("buckets", bucket, "rules"), rule, query=_query(store_unverified))
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
    verification: Verification = None,
    store_unverified: Unverified = False,
    as_json: Json = False,
) -> None:
    """Change what is given of a rule and leave the rest; nothing changes when somebody else was faster.

    For example:

    \b
        ossfn rules set photos thumbnails --suffix .png
        ossfn rules set photos thumbnails --disabled
    """
    changes = _given(events, prefix, suffix, function, callbacks, ordered, enabled, event_format, verification)
    if not changes:
        raise typer.BadParameter("say what to change, for example --suffix .png")
    service = client(ctx)
    path = api("buckets", bucket, "rules", name)
    now = service.get(path)
    seen = {"if-match": now.headers["etag"]}
    answer = service.send("PUT", path, now.json() | changes, query=_query(store_unverified), headers=seen)
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


@app.command()
def export(
    ctx: typer.Context,
    buckets: Annotated[list[str] | None, typer.Argument(metavar="BUCKET...", help="Which; else every bucket.")] = None,
) -> None:
    """Print buckets with all their rules as one JSON document, for `ossfn rules apply`.

    For example:

    \b
        ossfn rules export photos videos > rules.json
    """
    service = client(ctx)
    names = buckets or _bucket_names(service)
    typer.echo(json.dumps({"buckets": [_exported(service, name) for name in names]}, ensure_ascii=False, indent=2))


@app.command()
def apply(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `ossfn rules export` printed; `-` reads it.")],
) -> None:
    """Make the buckets in a document as they stand there; other buckets are left alone.

    Buckets are changed one after another; `ossfn buckets rollback` takes one back to where it was.

    For example:

    \b
        ossfn rules apply rules.json
    """
    service = client(ctx)
    for bucket in _document(file):
        _apply(service, **bucket)
        typer.echo(f"{bucket['name']}: {len(bucket['rules'])} rules")


def _given(
    events: list[str] | None,
    prefix: str | None,
    suffix: str | None,
    function: str | None,
    callbacks: list[str] | None,
    ordered: bool | None,
    enabled: bool | None,
    event_format: str | None,
    verification: str | None,
) -> dict[str, Any]:
    """The rule's members that were said."""
    if function and callbacks:
        raise typer.BadParameter("a rule sends either to a --function or to --callback URLs")
    target: Mapping[str, object] | None = {"function": function} if function else None
    if callbacks:
        target = {"callbacks": callbacks}
    members = {
        "events": events, "prefix": prefix, "suffix": suffix, "target": target, "ordered": ordered,
        "enabled": enabled, "format": event_format, "verification": verification,
    }  # fmt: skip
    return {name: value for name, value in members.items() if value is not None}


def _query(store_unverified: bool) -> dict[str, str | None]:
    return {"store_unverified": "true" if store_unverified else None}


def _rules_of(service: Client, bucket: str) -> list[dict[str, Any]]:
    rules = service.get(api("buckets", bucket, "rules")).json()["rules"]
    return [{"bucket": bucket, **rule} for rule in rules]


def _all_rules(service: Client) -> list[dict[str, Any]]:
    return [rule for name in _bucket_names(service) for rule in _rules_of(service, name)]


def _bucket_names(service: Client) -> list[str]:
    return [bucket["name"] for bucket in service.get(api("buckets")).json()["buckets"]]


def _exported(service: Client, name: str) -> dict[str, Any]:
    bucket = service.get(api("buckets", name)).json()
    rules = service.get(api("buckets", name, "rules")).json()["rules"]
    return {"name": name, "region": bucket["region"], "mode": bucket["mode"], "rules": rules}


def _document(file: Path) -> list[dict[str, Any]]:
    try:
        buckets: list[dict[str, Any]] = json.loads(read_input(file))["buckets"]
        if all(b.keys() == {"name", "region", "mode", "rules"} and isinstance(b["name"], str) for b in buckets):
            return buckets
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    raise typer.BadParameter(f"{file} is not what `ossfn rules export` prints")


def _apply(service: Client, name: str, region: str, mode: str, rules: list[dict[str, Any]]) -> None:
    # Rules that overlap need a mode that lets them; the strict one may have to wait until they are gone.
    early = {"region": region} if mode == "strict" else {"region": region, "mode": mode}
    service.send("PUT", api("buckets", name), early)
    service.send("PUT", api("buckets", name, "rules"), {"rules": rules})
    service.send("PUT", api("buckets", name), {"mode": mode})
