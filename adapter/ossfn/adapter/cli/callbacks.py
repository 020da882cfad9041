"""`ossfn callbacks …`: addresses under a name, for rules whose target is an ARN."""

from typing import Annotated

import typer

from ossfn.adapter.cli.locate import client
from ossfn.adapter.cli.printing import Json, write_json, write_table
from ossfn.adapter.client import api

app = typer.Typer(no_args_is_help=True, help="Callback addresses under a name, for targets given as ARN.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the callback.")]


@app.command()
def ls(ctx: typer.Context, as_json: Json = False) -> None:
    """Every named callback.

    For example:

    \b
        ossfn callbacks ls
    """
    answer = client(ctx).get(api("callbacks"))
    if as_json:
        return write_json(answer)
    rows = [(c["name"], c["region"], c["urls"]) for c in answer.json()["callbacks"]]
    return write_table(("callback", "region", "urls"), rows)


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Name,
    urls: Annotated[list[str], typer.Argument(metavar="URL...", help="One to five addresses.")],
    region: Annotated[str, typer.Option(help="Usable from buckets of this region only.")] = "",
) -> None:
    """Register addresses under a name, or change them; the rules that use the name follow at once.

    For example:

    \b
        ossfn callbacks set billing https://billing.example.com/hook
    """
    client(ctx).send("PUT", api("callbacks", name), {"urls": urls, "region": region})
    typer.echo(f"{name}: {' '.join(urls)}")


@app.command()
def rm(ctx: typer.Context, name: Name) -> None:
    """Forget a named callback that no rule uses.

    For example:

    \b
        ossfn callbacks rm billing
    """
    client(ctx).send("DELETE", api("callbacks", name))
    typer.echo(f"{name}: deleted")
