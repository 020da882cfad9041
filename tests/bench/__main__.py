"""`./dev bench`: runs the measurements asked for, prints their tables, optionally writes them as JSON."""

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from . import load
from .isolation import isolation
from .processes import Ossfn, ossfn, stock

Figures = dict[str, list[float]]


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[*MEASURES, []], metavar="|".join(MEASURES), help="default: all")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it runs, not how fast")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    given = parser.parse_args()
    rounds, seconds = (1, 1.0) if given.quick else (5, 4.0)
    every: dict[str, Figures] = {}
    for what in given.what or MEASURES:
        figures = every[what] = MEASURES[what](rounds, seconds)
        show(what, figures)
    if given.json:
        given.json.write_text(json.dumps(every, indent=1))


def end_to_end(rounds: int, seconds: float) -> Figures:
    """Durable ingest to delivered, beside wrk straight into the stock host; rounds interleaved."""
    figures: Figures = {"stock functions-framework, wrk straight in [events/s]": []}
    ways = {"ossfn, 1 record a notification": 1, "ossfn, 10 records a notification": 10}
    with both() as (service, url, _):
        load.cloudevents_per_second(url, seconds=1)
        drained(service, 1, 1)
        for _ in range(rounds):
            straight = load.cloudevents_per_second(url, seconds=seconds)
            figures["stock functions-framework, wrk straight in [events/s]"].append(straight)
            for way, records in ways.items():
                accepted, delivered = drained(service, records, seconds)
                figures.setdefault(f"{way}: accepted [events/s]", []).append(accepted)
                figures.setdefault(f"{way}: delivered [events/s]", []).append(delivered)
                figures.setdefault(f"{way}: delivered / straight in [ratio]", []).append(delivered / straight)
    return figures


@contextmanager
def both() -> Iterator[tuple[Ossfn, str, Path]]:
    """The service, the stock host's URL and the notes that the stock host's handler takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ossfn(folder / "ossfn") as service, stock(folder / "stock") as url:
            yield service, url, folder / "stock" / "notes"


def drained(service: Ossfn, records: int, seconds: float) -> tuple[float, float]:
    """Events accepted a second while posting, and delivered a second until all of them are."""
    before, start = service.stats()["delivered"], time.monotonic()
    rate = load.notifications_per_second(f"{service.url}/ingest/auto", records=records, seconds=seconds)
    delivered = service.drain()["delivered"] - before
    return rate * records, delivered / (time.monotonic() - start)


def latency(rounds: int, seconds: float) -> Figures:
    """From POST to handler entry when idle: one notification at a time, 100 a second."""
    figures: Figures = {}
    with both() as (service, url, notes):
        drained(service, 1, 1)
        for _ in range(rounds):
            paced(lambda: straight(url), seconds)
            note(figures, "stock functions-framework, POST straight in", notes)
            paced(lambda: notify(service), seconds)
            service.drain()
            note(figures, "ossfn, POST to ingest", service.notes)
    return figures


def paced(send: Callable[[], None], seconds: float, rate: float = 100) -> None:
    """Call `send` so many times a second."""
    start = time.monotonic()
    for n in range(int(seconds * rate)):
        time.sleep(max(0.0, start + n / rate - time.monotonic()))
        send()


def straight(url: str) -> None:
    """One CloudEvent to the stock host, with the time in it."""
    event = {
        "specversion": "1.0", "id": str(next(_numbers)), "source": "bench", "type": "bench",
        "datacontenttype": "application/json",
        "data": load.RECORD | {"requestParameters": {"sentAt": str(time.time())}},
    }  # fmt: skip
    headers = {"Content-Type": "application/cloudevents+json"}
    _client.post(url, content=json.dumps(event), headers=headers).raise_for_status()


def notify(service: Ossfn) -> None:
    """One notification, with the time in it."""
    body = json.dumps({"Records": [load.RECORD | {"requestParameters": {"sentAt": str(time.time())}}]})
    _client.post(
        f"{service.url}/ingest/auto", content=body.replace("SEQUENCER", f"{next(_numbers):016x}")
    ).raise_for_status()


def note(figures: Figures, what: str, notes: Path) -> None:
    """Take the handler's notes: one latency in seconds a line."""
    taken = sorted(float(line) * 1000 for line in notes.read_text().split())
    notes.write_text("")
    figures.setdefault(f"{what}: p50 [ms]", []).append(statistics.median(taken))
    figures.setdefault(f"{what}: p99 [ms]", []).append(taken[int(len(taken) * 0.99)])


def show(what: str, figures: Figures) -> None:
    """Median and spread of each figure."""
    table = Table("figure", "median", "least", "most", title=what)
    for name, values in figures.items():
        table.add_row(name, *(f"{value:,.2f}" for value in (statistics.median(values), min(values), max(values))))
    Console().print(table)


MEASURES: dict[str, Callable[[int, float], Figures]] = {
    "end-to-end": end_to_end,
    "latency": latency,
    "isolation": isolation,
}
_client = httpx.Client(timeout=30)
_numbers = itertools.count(1)

if __name__ == "__main__":
    main()
