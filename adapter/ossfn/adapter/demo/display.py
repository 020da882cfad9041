"""Deliveries on the screen: a table that changes in place, or plain lines where the output is no terminal."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table

from ossfn.adapter.demo.watching import Asked, Seen

Show = Callable[[Sequence[Seen]], None]

_STYLES = {"delivered": "green", "dead": "red"}
_HEADINGS = ("from", "event", "object", "rule", "function", "result", "after")
_ROOM = 8
"""Lines of the terminal that are not for deliveries."""


@contextlib.contextmanager
def display(console: Console, asked: Asked) -> Iterator[Show]:
    """What to call with all deliveries whenever they may have changed."""
    if not console.is_terminal:
        yield _lines(console, asked)
        return
    with Live(console=console, refresh_per_second=10) as live:
        yield lambda seen: live.update(_table(seen[-max(1, console.height - _ROOM) :], asked))


def after_milliseconds(each: Seen, asked: Asked) -> float | None:
    """From the request to the store to the call of the function; None for what the demo did not ask for itself."""
    asked_at = asked.get((each.call.event, each.call.bucket, each.call.key))
    return None if asked_at is None or each.called_at is None else (each.called_at - asked_at) * 1000


def _cells(each: Seen, asked: Asked) -> tuple[str, ...]:
    call, after = each.call, after_milliseconds(each, asked)
    took = f"in {each.seconds * 1000:.0f} ms" if each.called_at is not None else ""
    return (
        each.store,
        call.event.removeprefix("s3:"),
        f"{call.bucket}/{call.key}",
        call.rule,
        call.function,
        " ".join(filter(None, (each.state, took, each.reason))),
        "" if after is None else f"{after:.0f} ms",
    )


def _table(seen: Sequence[Seen], asked: Asked) -> Table:
    table = Table(title="event → rule → function")
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold", justify="right" if heading == "after" else "left")
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
                console.print(*_cells(each, asked), sep="  ", soft_wrap=True)

    return show
