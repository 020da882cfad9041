"""Kill, restart, compare: what the functions got against what was answered 200."""

import random
import shutil
import sqlite3
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from . import power
from .receiver import Receiver, receiving
from .service import Service
from .stream import Stream, streaming


@dataclass(slots=True)
class Findings:
    """What a campaign counted. Nothing may be lost, renamed or missing."""

    kills: int = 0
    kills_of_hosts: int = 0
    during_start: int = 0
    writes_taken_back: int = 0
    accepted: int = 0
    lost: int = 0
    repeated: int = 0
    renamed: int = 0
    """Repeats that came with another CloudEvent id."""
    refusals: int = 0
    redelivered: int = 0
    missing: int = 0
    """Accepted deliveries that are in no state afterwards."""
    cleaned_up: int = 0
    seconds: float = 0.0

    def good(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.renamed or self.missing)


def campaign(folder: Path, *, kills: int, seed: int, power_cuts: bool) -> Findings:
    """Run one; raises RuntimeError when it cannot go on."""
    findings, dice, start = Findings(), random.Random(seed), time.monotonic()
    # Small enough that clean-up runs between the kills.
    env = {"OSSFN_RETENTION_DAYS": "0.00001", "OSSFN_DUPLICATE_WINDOW_SECONDS": "15"}
    if power_cuts:
        library = power.build(folder)
        if library is None:
            raise RuntimeError("power cuts need a C compiler: apt-get install gcc")
        env["LD_PRELOAD"] = str(library)
    service, notes = Service(folder, env), folder / "notes"
    with receiving() as receiver:
        try:
            _set_up(service, folder, notes, receiver)
            with streaming(service.url, seed) as stream:
                while findings.kills < kills and not stream.fault:
                    _one_life(service, findings, dice, power_cuts)
                service.wait_ready()
            _finish(service, receiver, findings)
            if stream.fault:
                raise RuntimeError(stream.fault)
            _compare(stream, receiver, notes, findings)
            _take_stock(service, findings)
        finally:
            service.close()
    findings.seconds = time.monotonic() - start
    return findings


def _set_up(service: Service, folder: Path, notes: Path, receiver: Receiver) -> None:
    source = folder / "function"
    source.mkdir()
    shutil.copy(Path(__file__).with_name("function.py"), source / "main.py")
    service.start()
    service.wait_ready()
    service.deploy(source, "hosted", NOTES=str(notes))
    service.put("functions/remote", {"url": receiver.url})
    service.rule("hosted", target={"function": "hosted"})
    service.rule("remote", target={"function": "remote"})


def _one_life(service: Service, findings: Findings, dice: random.Random, power_cuts: bool) -> None:
    """Let it live for a moment, kill it at another, start it again."""
    if dice.random() < 0.4:  # while it starts: migration, taking back what was claimed, first clean-up
        time.sleep(dice.uniform(0.3, 1.8))
        findings.during_start += 1
    else:
        service.wait_ready()
        time.sleep(dice.choice((dice.uniform(0, 0.4),) * 5 + (dice.uniform(0.6, 2.5),)))
        if dice.random() < 0.3:
            findings.kills_of_hosts += _kill_a_host(service, dice)
            time.sleep(dice.uniform(0, 0.3))
        if dice.random() < 0.5:
            _redeliver_in_haste(service)
    service.kill()
    findings.kills += 1
    if power_cuts:
        findings.writes_taken_back += power.cut(service.data, dice)
    service.start()


def _kill_a_host(service: Service, dice: random.Random) -> int:
    """SIGKILL one process that runs a function, maybe in the middle of a request."""
    hosts = service.hosts()
    if hosts:
        service.kill_one(dice.choice(hosts))
    return len(hosts[:1])


def _redeliver_in_haste(service: Service) -> None:
    """Ask for a redelivery and do not wait for its end: the kill comes in the middle of it."""
    try:
        httpx.post(f"{service.url}/api/v1/deliveries:redeliver", json={"filter": {}, "limit": 200}, timeout=0.01)
    except httpx.TransportError:
        return


def _finish(service: Service, receiver: Receiver, findings: Findings) -> None:
    """Let everything come to its end, dead letters too, and stop as one should."""
    receiver.healed = True
    service.drain()
    while made := service.post("deliveries:redeliver", {"filter": {}, "limit": 10_000})["redelivered"]:
        findings.redelivered += made
        service.drain()
    service.stop()


def _compare(stream: Stream, receiver: Receiver, notes: Path, findings: Findings) -> None:
    got: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for line in notes.read_text().splitlines():
        event_id, _, key = line.partition(" ")
        got["hosted", key].append(event_id)
    for key, ids in receiver.got.items():
        got["remote", key] += ids
    findings.accepted = len(stream.accepted)
    findings.refusals = stream.refusals
    findings.lost = sum(place not in got for place in stream.accepted)
    findings.repeated = sum(len(ids) - 1 for ids in got.values())
    findings.renamed = sum(len(set(ids)) > 1 for ids in got.values())


def _take_stock(service: Service, findings: Findings) -> None:
    """The counters against the rows, on the stopped service's file."""
    with sqlite3.connect(f"file:{service.data / 'outbox.db'}?mode=ro", uri=True) as outbox:
        counters: Mapping[str, int] = dict(outbox.execute("SELECT name, value FROM counters"))
        rows: Mapping[str, int] = dict(outbox.execute("SELECT state, count(*) FROM deliveries GROUP BY state"))
    outbox.close()
    ended = sum(counters[name] for name in ("delivered", "dead", "cancelled"))
    findings.missing = abs(counters["accepted"] - ended - rows.get("pending", 0))
    findings.missing += abs(counters["dead"] - rows.get("dead", 0))
    findings.cleaned_up = counters["delivered"] - rows.get("delivered", 0)


def as_lines(findings: Findings) -> str:
    """For people."""
    return "\n".join(f"{name.replace('_', ' '):>20} {value:,.6g}" for name, value in asdict(findings).items())
