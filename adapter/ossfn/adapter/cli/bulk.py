"""One change to many deliveries: counted first, asked for, then done page by page with a bar that shows how far."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import typer

from ossfn.adapter.client import Client, api

PAGE = 500
"""Deliveries changed with one request: a second or so, and the service goes on with other work in between."""


@dataclass(frozen=True, slots=True)
class Action:
    """What can be done to many deliveries."""

    path: str
    what: str
    done: str


REDELIVER = Action("deliveries:redeliver", "dead letters", "redelivered")
CANCEL = Action("deliveries:cancel", "waiting deliveries", "cancelled")


def in_bulk(
    service: Client, action: Action, wanted: Mapping[str, str], *, dry_run: bool, yes: bool, rate: float | None = None
) -> None:
    """Count; unless that was all, ask a person at a terminal, and do it."""
    path = api(action.path)
    matched: int = service.send("POST", path, {"filter": wanted, "dry_run": True}).json()["matched"]
    if dry_run or not matched:
        return typer.echo(f"{matched} {action.what} match")
    if not yes and sys.stdin.isatty():
        typer.confirm(f"{matched} {action.what} match. Go on?", abort=True)
    pace = {} if rate is None else {"rate": rate}
    done = 0
    with _bar(matched) as advance:
        # No more than were counted: what fails again meanwhile is not sent round and round.
        while done < matched:
            request = {"filter": wanted, "limit": min(PAGE, matched - done), **pace}
            count: int = service.send("POST", path, request).json()[action.done]
            if not count:
                break
            done += count
            advance(count)
    return typer.echo(f"{done} {action.done}")


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """Shows progress on a terminal, to be told how many more are done; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda more: progress.advance(task, more)
