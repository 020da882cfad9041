"""`ossfn targets …`: what waits for whom, and who gets nothing for now."""

from typing import Annotated

import typer

from ossfn.adapter.cli.locate import client
from ossfn.adapter.cli.printing import Json, local_time, write_json, write_table
from ossfn.adapter.client import api

app = typer.Typer(no_args_is_help=True, help="Targets: what waits for them, pause and resume.")

Target = Annotated[str, typer.Argument(metavar="TARGET", help="function:NAME or callback:URL.")]


@app.command()
def ls(ctx: typer.Context, as_json: Json = False) -> None:
    """Targets that something waits for or that are paused.

    For example:

    \b
        ossfn targets ls
    """
    answer = client(ctx).get(api("targets"))
    if as_json:
        return write_json(answer)
    rows = [
        (t["target"], t["pending"], local_time(t["oldest_at"]), t["paused_reason"]) for t in answer.json()["targets"]
    ]
    return write_table(("target", "waiting", "oldest", "paused because"), rows)


@app.command()
def pause(
    ctx: typer.Context,
    target: Target,
    reason: Annotated[str, typer.Option(help="Why, for those who find it paused.")] = "paused by an operator",
) -> None:
    """Give a target nothing until it is resumed; its deliveries wait.

    For example:

    \b
        ossfn targets pause function:thumbs --reason "new model on its way"
    """
    client(ctx).send("POST", api("targets", f"{target}:pause"), {"reason": reason})
    typer.echo(f"{target}: paused")


@app.command()
def resume(ctx: typer.Context, target: Target) -> None:
    """Let a target's deliveries go on.

    For example:

    \b
        ossfn targets resume function:thumbs
    """
    client(ctx).send("POST", api("targets", f"{target}:resume"))
    typer.echo(f"{target}: resumed")
