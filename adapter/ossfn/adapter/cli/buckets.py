"""`ossfn buckets …`: the buckets whose events are known here, and what became of their rules."""

from typing import Annotated

import typer

from ossfn.adapter.cli.locate import client
from ossfn.adapter.cli.printing import Json, local_time, write_json, write_table
from ossfn.adapter.client import api

app = typer.Typer(no_args_is_help=True, help="Buckets: region, mode, history of their rules.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the bucket.")]


@app.command()
def ls(ctx: typer.Context, as_json: Json = False) -> None:
    """Every bucket.

    For example:

    \b
        ossfn buckets ls
    """
    answer = client(ctx).get(api("buckets"))
    if as_json:
        return write_json(answer)
    rows = [(b["name"], b["region"], b["mode"], b["rule_count"], b["generation"]) for b in answer.json()["buckets"]]
    return write_table(("bucket", "region", "mode", "rules", "generation"), rows)


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Name,
    region: Annotated[str | None, typer.Option(help="Where it is; cn-north-1 for a new one.")] = None,
    mode: Annotated[str | None, typer.Option(help="When rules overlap: strict, first-match or fan-out.")] = None,
    owner: Annotated[str | None, typer.Option(help="Whose S3 access keys may use it; once said it stays.")] = None,
    as_json: Json = False,
) -> None:
    """Register a bucket, or change what is given of it.

    For example:

    \b
        ossfn buckets set photos --mode fan-out
    """
    wanted = {"region": region, "mode": mode, "owner": owner}
    given = {key: value for key, value in wanted.items() if value is not None}
    answer = client(ctx).send("PUT", api("buckets", name), given)
    if as_json:
        return write_json(answer)
    bucket = answer.json()
    return typer.echo(f"{name}: {bucket['region']}, {bucket['mode']}, generation {bucket['generation']}")


@app.command()
def rm(
    ctx: typer.Context,
    name: Name,
    cascade: Annotated[bool, typer.Option("--cascade", help="Delete its rules, too.")] = False,
) -> None:
    """Forget a bucket; its history stays.

    For example:

    \b
        ossfn buckets rm photos --cascade
    """
    client(ctx).send("DELETE", api("buckets", name), query={"cascade": "true" if cascade else None})
    typer.echo(f"{name}: deleted")


@app.command()
def history(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """What became of a bucket, newest first: which change, when, by whom.

    For example:

    \b
        ossfn buckets history photos
    """
    answer = client(ctx).get(api("buckets", name, "history"))
    if as_json:
        return write_json(answer)
    rows = [(c["generation"], local_time(c["at"]), c["actor"], c["action"]) for c in answer.json()["changes"]]
    return write_table(("generation", "at", "by", "change"), rows)


@app.command()
def rollback(
    ctx: typer.Context,
    name: Name,
    generation: Annotated[
        int, typer.Argument(metavar="GENERATION", help="The generation to go back to; see `ossfn buckets history`.")
    ],
) -> None:
    """Put the rules and the mode of an earlier generation again, as a new one.

    For example:

    \b
        ossfn buckets rollback photos 3
    """
    answer = client(ctx).send("POST", api("buckets", f"{name}:rollback"), {"generation": generation})
    typer.echo(f"{name}: generation {answer.json()['generation']} is as {generation} was")
