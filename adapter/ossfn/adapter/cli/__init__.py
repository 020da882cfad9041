"""The command line `ossfn`: parses, asks the running service, prints."""

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from ossfn.adapter.cli import buckets, callbacks, deliveries, events, functions, keys, rules, targets
from ossfn.adapter.cli.doctor import doctor
from ossfn.adapter.cli.insight import explain, stats
from ossfn.adapter.cli.locate import Place
from ossfn.adapter.cli.printing import say, shown
from ossfn.adapter.cli.up import up
from ossfn.adapter.client import NoService, Refused

# What a command needs beyond its arguments it imports when it runs, so that `ossfn --help` answers at once; rich would
# draw the help more slowly than a reader can read it.
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

_IN_A_TERMINAL = {
    "`users` lists them; a bucket or a function is deleted with them by ?cascade=true": (
        "With --cascade a bucket or a function is deleted with them"
    ),
    "PUT /api/v1/buckets/{bucket} makes one": "`ossfn buckets set BUCKET` makes one",
    "?store_unverified=true in the JSON API": "--store-unverified",
    "Send it as `Authorization: Bearer TOKEN`": "Put it into OSSFN_API_TOKEN",
    "callback:URL, percent-encoded": "callback:URL",
    "`tail` holds what it wrote last": "What it wrote last",
}
"""What the service advises in the words of HTTP, in those of this command line."""

app.command()(up)
app.add_typer(functions.app, name="functions")
app.add_typer(rules.app, name="rules")
app.add_typer(buckets.app, name="buckets")
app.add_typer(callbacks.app, name="callbacks")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(targets.app, name="targets")
app.add_typer(events.app, name="events")
app.add_typer(keys.app, name="keys")
app.command()(explain)
app.command()(stats)
app.command()(doctor)


@app.callback()
def ossfn(
    ctx: typer.Context,
    server: Annotated[str | None, typer.Option(help="Address of the running service, http://HOST:PORT.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data directory; the service on it is found by itself.")] = None,
) -> None:
    """Object-storage events to functions.

    Commands ask a running service: the one that --server or OSSFN_SERVER names, else the one at OSSFN_HOST and
    OSSFN_PORT, else the one that runs on the data directory (--data, OSSFN_DATA, ossfn.toml), else
    http://127.0.0.1:8450. Its token, where it has one, is read from OSSFN_API_TOKEN.

    Exit status: 0 done; 1 refused or failed; 2 wrong usage; 3 no service answers.

    For example:

    \b
        ossfn up
        ossfn functions deploy ./thumbs --name thumbs
        ossfn rules add photos --event 's3:ObjectCreated:*' --suffix .jpg --function thumbs
    """
    ctx.obj = Place(server, data)


def main() -> None:
    """The console script. Ends with 0: done; 1: refused or failed; 2: wrong usage; 3: no service answers."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # keys come in any script, and not every terminal knows it
    try:
        app()
    except Refused as refusal:
        for fault in refusal.faults:
            say(_line(fault))
        for line in refusal.more:
            say(f"  {shown(line)}")
        sys.exit(1)
    except NoService as fault:
        say(f"ossfn: {shown(str(fault))}. Start a service with `ossfn up`, or name one with --server.")
        sys.exit(3)


def _line(fault: dict[str, str]) -> str:
    place = f"{fault['field']}: " if fault.get("field") else ""
    message = f"{place}{fault['message']}"
    if advice := fault.get("advice"):
        for http, here in _IN_A_TERMINAL.items():
            advice = advice.replace(http, here)
        message = f"{message if message.endswith('.') else message + '.'} {advice}"
    return f"ossfn: {shown(message)}"
