"""What a command writes: the API's own JSON, tables that fit the terminal, plain columns when there is none."""

import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import Annotated, Any

import typer

from ossfn.adapter.client import Answer

_CUT = 24
"""Characters that a long value keeps at least on a terminal, before columns on the right are left out."""

_PADDED = 80
"""Characters up to which a column is filled up where there is no terminal: one endless key moves its own row alone."""

Json = Annotated[bool, typer.Option("--json", help="Print the API's JSON as it is.")]


def write_json(answer: Answer) -> None:
    """The body as the service sent it."""
    typer.echo(answer.body.decode().rstrip("\n"))


def write_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Rows under their headings: on a terminal cut to its width, what matters most on the left; elsewhere whole."""
    cells = [[shown(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _write_rich(columns, cells)
    else:
        _write_plain(columns, cells)


def write_fields(fields: Sequence[tuple[str, object]]) -> None:
    """One value a line, behind its name; what is empty is left out."""
    width = max(len(name) for name, _ in fields) + 2
    for name, value in fields:
        if (text := shown(value)) != "":
            typer.echo(f"{name.replace('_', ' '):<{width}}{text}")


def write_text(text: str) -> None:
    """Many lines from a stranger: harmless on a terminal, as they are elsewhere."""
    typer.echo("\n".join(map(shown, text.splitlines())) if sys.stdout.isatty() else text)


def say(text: str) -> None:
    """A remark for people; it goes to stderr, so that it never stands among the data."""
    typer.echo(text, err=True)


def shown(value: object) -> str:
    """A value as text in which nothing can move the cursor or change colours: keys and logs come from strangers."""
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case list() | tuple():
            text = " ".join(map(str, value))
        case _:
            text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def local_time(moment: str | None) -> str:
    """An RFC 3339 time in the reader's own zone, to the second."""
    if not moment:
        return ""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def target_of(rule: dict[str, Any]) -> str:
    """Where a rule of the API sends to."""
    target = rule["target"]
    return target["function"] if target.get("function") else " ".join(target["callbacks"])


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode()


def _write_rich(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    fitting = _fitting(columns, cells, console.width)
    for number, column in enumerate(columns[:fitting]):
        table.add_column(column, no_wrap=number == 0)  # the first one names the row: it is wanted whole
    for row in cells:
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row[:fitting]))
    console.print(table)


def _fitting(columns: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> int:
    """How many columns, from the left, have room on a line when the long ones are cut."""
    longest = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    needed = [longest[0], *(min(_CUT, length) for length in longest[1:])]
    ends = accumulate(length + 2 for length in needed)
    return max(1, sum(end <= width + 2 for end in ends))


def _write_plain(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    lines = [[column.upper() for column in columns], *cells]
    widths = [min(_PADDED, max(map(len, column))) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())
