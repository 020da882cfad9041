"""Deliveries on the screen: a table that changes in place, or plain lines where there is no terminal or no room."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table

from ossfn.adapter.demo.watching import Asked, Seen

Show = Callable[[Sequence[Seen]], None]

_STYLES = {"delivered": "green", "dead": "red"}
_TABLE_WIDTH = 100
"""Characters; with fewer, the keys could not be told apart."""
_OTHER_LINES = 8
"""Lines of the terminal that deliveries leave free."""


@contextlib.contextmanager
def display(console: Console, asked: Asked) -> Iterator[Show]:
    """What to call with all deliveries whenever they may have changed."""
    if not console.is_terminal or console.width < _TABLE_WIDTH:
        yield _lines(console, asked)
        return
    with Live(console=console, refresh_per_second=10) as live:
        yield lambda seen: live.update(_table(seen[-max(1, console.height - _OTHER_LINES) :], asked))


def after_milliseconds(each: Seen, asked: Asked) -> float | None:
    """From the request to the store to the call of the function; None for what the demo did not ask for itself."""
    asked_at = asked.get((each.call.event, each.call.bucket, each.call.key))
    return None if asked_at is None or each.called_at is None else (each.called_at - asked_at) * 1000


def _cells(each: Seen, asked: Asked) -> tuple[str, ...]:
    call, after = each.call, after_milliseconds(each, asked)
    return (
        each.store,
        call.event.removeprefix("s3:"),
        f"{call.bucket}/{call.key}",
        f"{call.rule} → {call.function}",
        f"{each.state}: {each.reason}" if each.reason else each.state,
        "" if after is None else f"{after:.0f} ms",
        "" if each.called_at is None else f"{each.seconds * 1000:.0f} ms",
    )


def _table(seen: Sequence[Seen], asked: Asked) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=True)
    table.add_column("store", no_wrap=True)
    table.add_column("event", no_wrap=True, max_width=20)
    table.add_column("object", no_wrap=True, min_width=20, ratio=1)
    table.add_column("rule → function", no_wrap=True)
    table.add_column("result", no_wrap=True, max_width=30)
    table.add_column("called after", justify="right", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    for each in seen:
        table.add_row(*_cells(each, asked), style=_STYLES.get(each.state, "yellow"))
    return table


def _lines(console: Console, asked: Asked) -> Show:
    """Each delivery once, when it has ended."""
    shown: set[str] = set()

    def show(seen: Sequence[Seen]) -> None:
        for each in seen:
            if each.state != "pending" and each.id not in shown:
                shown.add(each.id)
                *words, after, took = _cells(each, asked)
                times = f"called after {after}, took {took}" if after else f"took {took}"
                console.print(*words, times, sep="  ", soft_wrap=True)

    return show
