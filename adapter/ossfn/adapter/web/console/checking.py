"""What the registry would say to a rule that is still being written: its own checks, and nothing is kept."""

import itertools
from collections.abc import Collection, Iterator

from ossfn.trigger_registry import review
from ossfn.trigger_registry.editing import placed, with_names
from ossfn.trigger_registry.errors import Fault, RegistryError, RuleRefused
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.proofs import ProofNeeded
from ossfn.trigger_registry.registry import FunctionDirectory, Registry
from ossfn.trigger_registry.rules import Bucket, Rule
from ossfn.trigger_registry.targets import uses


def faults_of(
    rule: Rule, bucket: Bucket, *, is_new: bool, registry: Registry, functions: FunctionDirectory, limits: Limits
) -> list[Fault]:
    """Everything that would be wrong with the rule; whether callbacks agree is asked only when it is put."""
    around = review.Surroundings(
        limits=limits,
        region_of=functions.region_of,
        callback={each.name: each for each in registry.callbacks()}.get,
        users=lambda keys: list(_users(registry, keys)),
    )
    try:
        _review(rule, bucket, is_new, around)
    except ProofNeeded:
        return []
    except RuleRefused as no:
        return list(no.faults)
    except RegistryError as no:
        return [Fault(no.code, str(no), field="name")]
    return []


def _review(rule: Rule, now: Bucket, is_new: bool, around: review.Surroundings) -> None:
    (named,) = with_names([rule], now, lambda: _free_name(now), around.limits)
    fresh, at = placed(named, now, is_new)
    review.accepted(now, [*now.rules[:at], fresh, *now.rules[at + 1 :]], {at: ""}, around)


def _free_name(bucket: Bucket) -> str:
    taken = {rule.name for rule in bucket.rules}
    return next(name for name in map("this-rule-{}".format, itertools.count(1)) if name not in taken)


def _users(registry: Registry, keys: Collection[str]) -> Iterator[tuple[str, str, str]]:
    for bucket in registry.buckets():
        for rule in bucket.rules:
            for key in uses(rule).intersection(keys):
                yield key, bucket.name, rule.name
