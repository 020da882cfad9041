"""Why each rule of a bucket did or did not take an event, in words. Pure."""

from dataclasses import dataclass
from typing import Literal

from ossfn.trigger_registry.event_names import canonical, covers
from ossfn.trigger_registry.rules import Bucket, Rule, Target

Why = Literal["matched", "disabled", "event", "prefix", "suffix", "earlier"]
"""What decided: it was taken, or the first thing that stood against it; `earlier`: another rule took it first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says to one event."""

    rule: Rule
    why: Why
    reason: str
    """A sentence for people."""

    @property
    def matched(self) -> bool:
        """Whether the rule's targets are called."""
        return self.why == "matched"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Every rule's verdict on one event, in match order, and the targets that would be called."""

    bucket: Bucket
    event_name: str
    key: str
    verdicts: tuple[Verdict, ...]

    @property
    def targets(self) -> tuple[Target, ...]:
        """All that would be called, in order."""
        return tuple(target for verdict in self.verdicts if verdict.matched for target in verdict.rule.targets)


def explain(bucket: Bucket, key: str, event_name: str) -> Explanation:
    """Go through the rules as matching does, slowly and saying why."""
    event_name = canonical(event_name)
    verdicts: list[Verdict] = []
    winner: Rule | None = None
    for rule in bucket.rules:
        verdict = _verdict(rule, key, event_name)
        if verdict.matched and winner and bucket.mode != "fan-out":
            verdict = Verdict(rule, "earlier", f"It matches too, but the earlier rule {winner.name} took the event.")
        if verdict.matched:
            winner = winner or rule
        verdicts.append(verdict)
    return Explanation(bucket, event_name, key, tuple(verdicts))


def _verdict(rule: Rule, key: str, event_name: str) -> Verdict:
    if not rule.enabled:
        return Verdict(rule, "disabled", "The rule is disabled.")
    if not any(covers(pattern, event_name) for pattern in rule.events):
        return Verdict(rule, "event", f"It wants {', '.join(rule.events)}, not {event_name}.")
    if not key.startswith(rule.keys.prefix):
        return Verdict(rule, "prefix", f"The key does not begin with {_shown(rule, 'Prefix', rule.keys.prefix)}.")
    if not key.endswith(rule.keys.suffix):
        return Verdict(rule, "suffix", f"The key does not end with {_shown(rule, 'Suffix', rule.keys.suffix)}.")
    return Verdict(rule, "matched", "Event and key match.")


def _shown(rule: Rule, name: str, value: str) -> str:
    """A filter value and, where the S3 document spelled it otherwise, how."""
    put = dict(rule.as_put.filter_rules).get(name, value)
    return f"{value!r}" if put == value else f"{value!r} (put as {put!r}, URL-encoded)"
