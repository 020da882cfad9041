"""`ossfn doctor`: looks for what is wrong with a running service and says how to cure it."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import typer

from ossfn.adapter.cli.locate import client, data_directory, place
from ossfn.adapter.cli.printing import Json, shown
from ossfn.adapter.client import Client, Refused, api

LOW_DISK_BYTES = 1024**3
"""With less free space, notifications will soon be refused."""
MOST_COUNTED = 1000
RECOUNT_SECONDS = 600.0
"""Counting every delivery takes its time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `cure` is empty when nothing is wrong with it."""

    check: str
    found: str
    cure: str = ""


def doctor(ctx: typer.Context, as_json: Json = False) -> None:
    """Look for what is wrong with the running service; ends with 1 when something is.

    For example:

    \b
        ossfn doctor
    """
    service = client(ctx)
    findings = [
        Finding("reachable", service.url),
        _ready(service),
        _conserved(service),
        _recounted(service),
        *_paused(service),
        *_failing(service),
        *_dead(service),
        *_functions(service),
        *_disk(ctx),
    ]
    if as_json:
        typer.echo(json.dumps({"findings": [asdict(finding) for finding in findings]}, ensure_ascii=False))
    for finding in () if as_json else findings:
        typer.echo(f"{'WRONG' if finding.cure else 'ok   '} {finding.check}: {shown(finding.found)}")
        if finding.cure:
            typer.echo(f"      {shown(finding.cure)}")
    if any(finding.cure for finding in findings):
        raise typer.Exit(1)


def _ready(service: Client) -> Finding:
    try:
        service.get("/readyz")
    except Refused as refusal:
        cure = "Notifications get 503 and stores send them again; free what it names, then it accepts by itself."
        return Finding("ready", str(refusal), cure)
    return Finding("ready", "notifications are accepted")


def _conserved(service: Client) -> Finding:
    counts = service.get(api("stats")).json()
    ends = {name: counts[name] for name in ("delivered", "dead", "pending", "cancelled")}
    told = " + ".join(f"{count} {name}" for name, count in ends.items())
    if missing := counts["accepted"] - sum(ends.values()):
        cure = "Counts and deliveries disagree: keep a copy of the data directory and report it."
        return Finding("conserved", f"{counts['accepted']} accepted, but {told}: {missing} missing", cure)
    return Finding("conserved", f"{counts['accepted']} accepted = {told}")


def _recounted(service: Client) -> Finding:
    """The counters only grow, so those of a recount must lie between those read before and after it."""
    before = service.get(api("stats")).json()
    answer = service.request("GET", api("stats"), query={"recount": "true"}, timeout_seconds=RECOUNT_SECONDS)
    recount, after = answer.json(), service.get(api("stats")).json()
    names = ("accepted", "delivered", "dead", "cancelled")
    wrong = [name for name in names if not before[name] <= recount[name] <= after[name]]
    if wrong:
        told = ", ".join(f"{recount[name]} {name} where {after[name]} are counted" for name in wrong)
        return Finding("recounted", told, "Keep a copy of the data directory and report it.")
    return Finding("recounted", "counters and deliveries agree")


def _failing(service: Client) -> Iterator[Finding]:
    """Targets whose deliveries are tried again and again, among the newest that wait."""
    page = service.get(api("deliveries"), {"state": "pending", "limit": MOST_COUNTED}).json()["deliveries"]
    waiting = Counter(delivery["target"] for delivery in page)
    failing = [delivery for delivery in page if delivery["attempt"] > 1 and delivery["reason"]]
    last_reasons = {delivery["target"]: delivery["reason"] for delivery in reversed(failing)}
    for target, count in Counter(delivery["target"] for delivery in failing).most_common():
        found = (
            f"{target} fails: {count} of {waiting[target]} that wait were tried more than once: {last_reasons[target]}"
        )
        yield Finding("retries", found, f"See them: ossfn deliveries ls --state pending --target {target}")
    if not failing:
        yield Finding("retries", "no target keeps failing")


def _paused(service: Client) -> Iterator[Finding]:
    targets = service.get(api("targets")).json()["targets"]
    paused = [target for target in targets if target["paused_reason"]]
    for target in paused:
        found = f"{target['target']} gets nothing, {target['pending']} wait: {target['paused_reason']}"
        yield Finding("targets", found, f"When its cause is mended: ossfn targets resume {target['target']}")
    if not paused:
        yield Finding("targets", "none is paused")


def _dead(service: Client) -> Iterator[Finding]:
    """Counted by the service as those that can still be sent again."""
    request = {"filter": {}, "dry_run": True, "limit": MOST_COUNTED}
    matched = service.send("POST", api("deliveries:redeliver"), request).json()["matched"]
    if matched:
        cure = "See why: ossfn deliveries ls --state dead. Send again: ossfn deliveries redeliver --all"
        count = f"{matched} or more" if matched == MOST_COUNTED else matched
        yield Finding("dead letters", f"{count} deliveries were given up", cure)
    else:
        yield Finding("dead letters", "none waits to be sent again")


def _functions(service: Client) -> Iterator[Finding]:
    failing = [f for f in service.get(api("functions")).json()["functions"] if f["state"] == "backoff"]
    for function in failing:
        name, reason = function["name"], function["reason"]
        cure = f"See what it wrote: ossfn functions logs {name}. Go back: ossfn functions rollback {name}"
        yield Finding("functions", f"{name} does not run: {reason}", cure)
    if not failing:
        yield Finding("functions", "none fails to run")


def _disk(ctx: typer.Context) -> Iterator[Finding]:
    data = data_directory(place(ctx), os.environ)
    if not data.is_dir():  # the service runs elsewhere
        return
    free = shutil.disk_usage(data).free
    cure = "Free some space: without it notifications are refused." if free < LOW_DISK_BYTES else ""
    yield Finding("disk", f"{free / 1024**3:.1f} GiB free for {data}", cure)
