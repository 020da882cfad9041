"""A race: eight processes try 50 registrations each on one new store; prints how many were taken.

Arguments: the store's URL, and `triggers` (each in a bucket of its own, all for one function) or `rules` (all in one
bucket).
"""

import sys
import time
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

from ossfn.trigger_registry.errors import RuleRefused
from ossfn.trigger_registry.registry import Registry
from ossfn.trigger_registry.rules import Callback, FunctionRef, KeyFilter, Rule
from ossfn.trigger_registry.stores.sql import SqlRuleStore

PROCESSES = 8
TRIES = 50


class Everywhere:
    """Every function exists."""

    def region_of(self, name: str) -> str | None:
        """Where the function is."""
        return "cn-north-1"


def main(url: str, plan: str) -> None:
    """Let the processes loose and count what they got."""
    context = get_context("fork")
    start, taken = context.Barrier(PROCESSES), context.Queue()
    racers = [context.Process(target=race, args=(url, plan, n, start, taken)) for n in range(PROCESSES)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    if any(racer.exitcode for racer in racers):
        sys.exit("a process failed")
    print(sum(taken.get() for _ in racers))


def race(url: str, plan: str, process: int, start: Barrier, taken: "Queue[int]") -> None:
    """One process: opens the store, with all others making its tables too, and registers."""
    registry = Registry(SqlRuleStore(url), Everywhere(), clock=time.time, new_name=lambda: "unused")
    start.wait()
    registry.open()
    taken.put(sum(_try(registry, plan, f"{process}-{n}") for n in range(TRIES)))
    registry.close()


def _try(registry: Registry, plan: str, name: str) -> bool:
    bucket = f"{plan}-{name}" if plan == "triggers" else plan
    target = FunctionRef("f") if plan == "triggers" else Callback("http://127.0.0.1/")
    limit = "triggers_per_function" if plan == "triggers" else "rules_per_bucket"
    registry.put_bucket(bucket, actor="race")
    rule = Rule(f"r{name}", ("s3:ObjectCreated:*",), KeyFilter(f"{name}/"), (target,))
    try:
        registry.put_rule(bucket, rule, actor="race")
    except RuleRefused as refusal:
        if [fault.limit for fault in refusal.faults] != [limit]:
            raise
        return False
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
