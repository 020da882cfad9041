"""One change to many deliveries: counted first, asked for, then done page by page with a bar that shows how far."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import typer

from ossfn.adapter.client import Client, api

PAGE = 500
"""Deliveries changed with one request; the service goes on with other work in between."""
MOST = 10_000
"""The API counts no further; no more than were counted are changed, so that what fails again does not go round."""


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
    """Count; unless that was all, ask a person at a terminal, and do it at `rate` a second."""
    counted = service.send("POST", api(action.path), {"filter": wanted, "dry_run": True, "limit": MOST}).json()
    matched: int = counted["matched"]
    told = f"{matched} {action.what} match" if matched < MOST else f"{matched} {action.what} or more match"
    if dry_run or not matched:
        return typer.echo(told)
    if not yes and sys.stdin.isatty():
        typer.confirm(f"{told}. Go on with {matched}?", abort=True)
    done = 0
    with _bar(matched) as advance:
        for count in _pages(service, action, wanted, matched, rate):
            done += count
            advance(count)
    return typer.echo(f"{done} {action.done}")


def _pages(
    service: Client, action: Action, wanted: Mapping[str, str], matched: int, rate: float | None
) -> Iterator[int]:
    """Do it, about a second's worth or a page at a time; how many each time."""
    size = PAGE if rate is None else max(1, min(PAGE, round(rate)))
    pace = {} if rate is None else {"rate": rate}
    left = matched
    while left > 0:
        begun = time.monotonic()
        request = {"filter": wanted, "limit": min(size, left), **pace}
        count: int = service.send("POST", api(action.path), request).json()[action.done]
        if not count:
            return
        yield count
        left -= count
        if rate is not None and left > 0:
            time.sleep(max(0.0, begun + count / rate - time.monotonic()))


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
