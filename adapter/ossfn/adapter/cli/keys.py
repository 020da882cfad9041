"""`ossfn keys …`: who may use the S3 notification API; works on the registry itself, no service is needed."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ossfn.adapter.cli.locate import place
from ossfn.adapter.cli.printing import Json, local_time, say, write_fields, write_table

if TYPE_CHECKING:
    from ossfn.trigger_registry.keys import AccessKey, KeyRing

app = typer.Typer(no_args_is_help=True, help="Access keys of the S3 notification API; no service is needed.")


@app.command()
def add(
    ctx: typer.Context,
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="Who holds it: buckets belong to owners.")],
    as_json: Json = False,
) -> None:
    """Make a key and print its secret, this once. The open local key ends with the first one made.

    For example:

    \b
        ossfn keys add ci
    """
    with _ring(ctx) as ring:
        key, secret = ring.add(owner)
    if as_json:
        return typer.echo(json.dumps(_row(key) | {"secret_key": secret}))
    write_fields([("access key", key.access_key), ("secret key", secret)])
    return say("The secret is not shown again.")


@app.command()
def ls(ctx: typer.Context, as_json: Json = False) -> None:
    """Every key, oldest first, without the secrets.

    For example:

    \b
        ossfn keys ls
    """
    with _ring(ctx) as ring:
        rows = [_row(key) for key in ring.ls()]
    if as_json:
        return typer.echo(json.dumps({"keys": rows}, ensure_ascii=False))
    cells = [(row["access_key"], row["owner"], local_time(row["created_at"])) for row in rows]
    return write_table(("access key", "owner", "made"), cells)


@app.command()
def rm(ctx: typer.Context, access_key: Annotated[str, typer.Argument(metavar="KEY", help="An access key.")]) -> None:
    """Take a key back; it is refused from the next request on.

    For example:

    \b
        ossfn keys rm OSFN2KX4ZB3QYVJ7M6TA
    """
    with _ring(ctx) as ring:
        removed = ring.rm(access_key)
    if not removed:
        say(f"ossfn: there is no access key {access_key}; `ossfn keys ls` shows those there are")
        raise typer.Exit(1)
    typer.echo(f"{access_key}: taken back")


@contextmanager
def _ring(ctx: typer.Context) -> Iterator["KeyRing"]:
    import time

    from ossfn.adapter.cli.up import settings_from
    from ossfn.trigger_registry.errors import RegistryUnavailable
    from ossfn.trigger_registry.keys import KeyRing

    settings = settings_from({"data": place(ctx).data})
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = os.umask(0o077)  # the registry may be made here, for this user alone
    ring = KeyRing(settings.registry, settings.data / "master.key", clock=time.time)
    try:
        ring.open()
        yield ring
    except (RegistryUnavailable, OSError) as fault:
        say(f"ossfn: {fault}")
        raise typer.Exit(1) from None
    finally:
        ring.close()
        os.umask(before)


def _row(key: "AccessKey") -> dict[str, str]:
    from datetime import UTC, datetime

    made = datetime.fromtimestamp(key.created_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"access_key": key.access_key, "owner": key.owner, "created_at": made}
