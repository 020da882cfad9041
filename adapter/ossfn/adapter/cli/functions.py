"""`ossfn functions …`: deploy an author's folder, see how it does, call it, go back, remove it."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from ossfn.adapter.cli.author import dev, init
from ossfn.adapter.cli.folders import Folder, find
from ossfn.adapter.cli.invoke import invoke
from ossfn.adapter.cli.locate import client
from ossfn.adapter.cli.printing import Json, local_time, shown, write_fields, write_json, write_table
from ossfn.adapter.client import Answer, Client, Query, api

app = typer.Typer(no_args_is_help=True, help="Deploy functions and look after them.")

app.command()(init)
app.command()(dev)
app.command()(invoke)

DEPLOY_SECONDS = 900.0
"""For a deploy with its own dependencies, which are installed before it answers."""

FOLLOW_SECONDS = 0.5
FOLLOW_LINES = 1000

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the function.")]


@app.command()
def deploy(
    ctx: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Folder with main.py, or with template.yaml of JD Cloud's sca."),
    ] = None,
    url: Annotated[str | None, typer.Option(help="Address of a function that runs elsewhere, instead of DIR.")] = None,
    name: Annotated[str | None, typer.Option(help="Its name; else the one in DIR/functions.toml.")] = None,
    entry_point: Annotated[str | None, typer.Option(help="The handler; else the only decorated function.")] = None,
    signature_type: Annotated[str | None, typer.Option(help="cloudevent, http, event or typed.")] = None,
    source: Annotated[str | None, typer.Option(help="The file with the handler; else main.py.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests that it takes at a time.")] = None,
    timeout_seconds: Annotated[int | None, typer.Option(help="Time for one request, 1 to 300.")] = None,
    memory_mb: Annotated[int | None, typer.Option(help="Memory of each of its processes, in MiB.")] = None,
    idle_seconds: Annotated[int | None, typer.Option(help="Stop it after so long without a request.")] = None,
    region: Annotated[str | None, typer.Option(help="Region in which it counts as running.")] = None,
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An environment variable; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Deploy a folder as the next version of a function, or put a name to one that runs elsewhere.

    Options win over DIR/functions.toml. The version before serves until the new one is ready.

    For example:

    \b
        ossfn functions deploy ./thumbs --name thumbs --env SIZE=128
        ossfn functions deploy --url https://fn.example.com/ --name thumbs
    """
    options = {"concurrency": concurrency, "timeout_seconds": timeout_seconds, "region": region}
    hosted = {
        "entry_point": entry_point, "signature_type": signature_type, "source": source, "memory_mb": memory_mb,
        "idle_seconds": idle_seconds,
    }  # fmt: skip
    match folder, url:
        case Path(), None:
            found = find(folder, name)
            said = found.options_under({**options, **hosted}, env or ())
            answer = _put_folder(client(ctx), _needed(found.name), found, said)
        case None, str():
            _refuse_hosted_options({**hosted, "env": env})
            answer = _put_url(client(ctx), url, _needed(name), options)
        case _:
            raise typer.BadParameter("give either DIR or --url URL")
    if as_json:
        return write_json(answer)
    function = answer.json()
    runs = f"version {function['version']} serves" if function["version"] else f"calls {function['url']}"
    return typer.echo(f"{function['name']}: {runs}")


@app.command()
def ls(ctx: typer.Context, as_json: Json = False) -> None:
    """Every function.

    For example:

    \b
        ossfn functions ls
    """
    answer = client(ctx).get(api("functions"))
    if as_json:
        return write_json(answer)
    rows = [
        (f["name"], f["state"], f["version"], f["region"], local_time(f["updated_at"]), f["url"] or "")
        for f in answer.json()["functions"]
    ]
    return write_table(("name", "state", "version", "region", "updated", "runs at"), rows)


@app.command()
def describe(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """All about one function: how it runs, what it is doing, what triggers it.

    For example:

    \b
        ossfn functions describe thumbs
    """
    service = client(ctx)
    answer = service.get(api("functions", name))
    if as_json:
        return write_json(answer)
    function = answer.json()
    triggers = service.get(api("functions", name, "triggers")).json()
    members = {**function, **(function["serving"] or {}), "triggers": f"{triggers['count']} of {triggers['limit']}"}
    write_fields([(name, value) for name, value in members.items() if name not in ("serving", "tail")])
    for line in function["tail"]:
        typer.echo(f"  {shown(line)}")
    return write_table(
        ("bucket", "rule", "events", "prefix", "suffix"),
        [(t["bucket"], t["rule"], t["events"], t["prefix"], t["suffix"]) for t in triggers["triggers"]],
    )


@app.command()
def logs(
    ctx: typer.Context,
    name: Name,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """The last lines that a function printed, oldest first.

    For example:

    \b
        ossfn functions logs thumbs -n 20
        ossfn functions logs thumbs -f
    """
    service = client(ctx)
    answer = service.get(api("functions", name, "logs"), {"lines": lines})
    if as_json:
        return write_json(answer)
    seen = _echo_new(answer, [])
    while follow:
        time.sleep(FOLLOW_SECONDS)
        seen = _echo_new(service.get(api("functions", name, "logs"), {"lines": FOLLOW_LINES}), seen)
    return None


@app.command()
def versions(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """The versions that a function can go back to, newest first.

    For example:

    \b
        ossfn functions versions thumbs
    """
    answer = client(ctx).get(api("functions", name, "versions"))
    if as_json:
        return write_json(answer)
    found = answer.json()
    named = {
        v["number"]: [a for a, number in found["aliases"].items() if number == v["number"]] for v in found["versions"]
    }
    rows = [
        (
            v["number"],
            named[v["number"]],
            local_time(v["created_at"]),
            v["source"],
            v["entry_point"],
            v["signature_type"],
            v["sha256"][:12],
        )
        for v in found["versions"]
    ]
    return write_table(("version", "alias", "deployed", "source", "entry point", "signature", "sha256"), rows)


@app.command()
def alias(
    ctx: typer.Context,
    name: Name,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="Name for the version, such as `stable`.")],
    version: Annotated[int | None, typer.Option(help="Which one; else the one that serves.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Forget the name; the version stays.")] = False,
) -> None:
    """Name a version, to keep it and to find the way back to it.

    For example:

    \b
        ossfn functions alias thumbs stable
        ossfn functions rollback thumbs --alias stable
    """
    place = api("functions", name, "aliases", alias)
    if remove:
        client(ctx).send("DELETE", place)
        return typer.echo(f"{name}: {alias} removed")
    answer = client(ctx).send("PUT", place, {"version": version})
    return typer.echo(f"{name}: {alias} is version {answer.json()['version']}")


@app.command()
def rollback(
    ctx: typer.Context,
    name: Name,
    version: Annotated[int | None, typer.Option(help="Which one; else the one before the present one.")] = None,
    alias: Annotated[str | None, typer.Option(help="The same, by its alias.")] = None,
) -> None:
    """Let an earlier version serve again.

    For example:

    \b
        ossfn functions rollback thumbs --version 3
    """
    if version is not None and alias is not None:
        raise typer.BadParameter("give either --version or --alias")
    wanted = {"version": version, "alias": alias}
    answer = client(ctx).send("POST", api("functions", f"{name}:rollback"), wanted)
    typer.echo(f"{name}: version {answer.json()['version']} serves")


@app.command()
def rm(
    ctx: typer.Context,
    name: Name,
    cascade: Annotated[bool, typer.Option("--cascade", help="Delete the rules that call it, too.")] = False,
) -> None:
    """Remove a function with its versions and logs.

    For example:

    \b
        ossfn functions rm thumbs --cascade
    """
    client(ctx).send("DELETE", api("functions", name), query={"cascade": "true" if cascade else None})
    typer.echo(f"{name}: removed")


def _echo_new(answer: Answer, seen: list[dict[str, str]]) -> list[dict[str, str]]:
    """Print the lines that come after those seen before; returns them all."""
    lines: list[dict[str, str]] = answer.json()["lines"]
    known = [number for number, line in enumerate(lines, start=1) if seen and line == seen[-1]]
    new = lines[known[-1] :] if known else lines
    for line in new:
        typer.echo(f"{local_time(line['time'])} v{line['version']} {line['stream']:<6} {shown(line['text'])}")
    return lines or seen


def _put_folder(service: Client, name: str, folder: Folder, options: Query) -> Answer:
    return service.request(
        "PUT",
        api("functions", name),
        folder.packed(),
        query=options,
        headers={"content-type": "application/zip"},
        timeout_seconds=DEPLOY_SECONDS,
    )


def _put_url(service: Client, url: str, name: str, options: Mapping[str, object]) -> Answer:
    given = {option: value for option, value in options.items() if value is not None}
    return service.send("PUT", api("functions", name), {"url": url, **given})


def _needed(name: str | None) -> str:
    if not name:
        raise typer.BadParameter("--name NAME is needed (or `name` in DIR/functions.toml)")
    return name


def _refuse_hosted_options(hosted: Mapping[str, object]) -> None:
    if given := [f"--{option.replace('_', '-')}" for option, value in hosted.items() if value is not None]:
        raise typer.BadParameter(f"{', '.join(given)}: only with DIR, not with --url")
