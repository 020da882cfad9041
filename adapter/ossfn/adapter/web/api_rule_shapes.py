"""Rules, buckets and what became of them, as JSON. Pure."""

from typing import Annotated

from pydantic import Field

from ossfn.adapter.web.api_shapes import Shape, Time
from ossfn.trigger_registry.changes import Change
from ossfn.trigger_registry.rules import (
    Bucket,
    Callback,
    Format,
    FunctionRef,
    KeyFilter,
    Mode,
    NamedCallback,
    Rule,
    Target,
    Verification,
)


class TargetIn(Shape):
    """Where a rule sends: exactly one of the two."""

    function: str | None = None
    callbacks: list[str] | None = None

    def targets(self) -> tuple[Target, ...]:
        """The same as the registry has it, which refuses none and both along with whatever else is wrong."""
        function = () if self.function is None else (FunctionRef(self.function),)
        return (*function, *(Callback(url) for url in self.callbacks or ()))


class FunctionTarget(Shape):
    """A function by its name."""

    function: str


class CallbackTarget(Shape):
    """One to five addresses."""

    callbacks: list[str]


class _RuleFields(Shape):
    name: str = ""
    """Unique in its bucket; made up when it is left out."""
    id: str = ""
    """The Id of the S3 document; the name when it is left out."""
    events: list[str]
    prefix: str = ""
    suffix: str = ""
    ordered: bool = False
    drop_stale: bool = False
    format: Format = "structured"
    verification: Verification = "none"
    enabled: bool = True


class RuleIn(_RuleFields):
    """A rule as it is put."""

    target: TargetIn

    def rule(self, name: str | None = None) -> Rule:
        """The same as the registry has it, under this name."""
        return Rule(
            name=self.name if name is None else name,
            id=self.id,
            events=tuple(self.events),
            keys=KeyFilter(self.prefix, self.suffix),
            targets=self.target.targets(),
            enabled=self.enabled,
            ordered=self.ordered,
            drop_stale=self.drop_stale,
            format=self.format,
            verification=self.verification,
        )


class RuleOut(_RuleFields):
    """A rule as it stands; it can be put back as it is."""

    target: FunctionTarget | CallbackTarget


class RulesIn(Shape):
    """All rules of a bucket, in match order."""

    rules: list[RuleIn]


class RulesOut(Shape):
    """All rules of a bucket, in match order; they can be put back as they are."""

    rules: list[RuleOut]


class BucketIn(Shape):
    """What is left out stays as it is; a new bucket is in cn-north-1 and strict."""

    region: str | None = None
    mode: Mode | None = None
    owner: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Whose S3 access keys may use it; once said it stays."""


class BucketOut(Shape):
    """A bucket without its rules."""

    name: str
    region: str
    mode: Mode
    owner: str
    """Whose S3 access keys may use it; empty: anyone's."""
    generation: int
    """Grows with every change; the `ETag`."""
    rule_count: int


class BucketsOut(Shape):
    """Every bucket, by name."""

    buckets: list[BucketOut]


class Configuration(Shape):
    """A bucket with its rules at one generation."""

    region: str
    mode: Mode
    owner: str
    rules: list[RuleOut]


class ChangeOut(Shape):
    """One change; null stands for "there was no bucket"."""

    generation: int
    at: Time
    actor: str
    action: str
    before: Configuration | None
    after: Configuration | None


class ChangesOut(Shape):
    """A bucket's changes, newest first."""

    changes: list[ChangeOut]


class RollbackIn(Shape):
    """Which generation's rules and mode to put again."""

    generation: Annotated[int, Field(ge=1, lt=2**63)]


class CallbackIn(Shape):
    """One to five addresses; with a region, usable from its buckets only."""

    urls: list[str]
    region: str = ""


class CallbackOut(Shape):
    """A callback that rules can name as a target."""

    name: str
    urls: list[str]
    region: str


class CallbacksOut(Shape):
    """Every named callback, by name."""

    callbacks: list[CallbackOut]


def rule_out(rule: Rule) -> RuleOut:
    """A rule of the registry."""
    return RuleOut(
        name=rule.name,
        id=rule.id,
        events=list(rule.events),
        prefix=rule.keys.prefix,
        suffix=rule.keys.suffix,
        target=_target_out(rule),
        ordered=rule.ordered,
        drop_stale=rule.drop_stale,
        format=rule.format,
        verification=rule.verification,
        enabled=rule.enabled,
    )


def _target_out(rule: Rule) -> FunctionTarget | CallbackTarget:
    if rule.function is not None:
        return FunctionTarget(function=rule.function)
    return CallbackTarget(callbacks=[target.url for target in rule.targets if isinstance(target, Callback)])


def rules_out(bucket: Bucket) -> RulesOut:
    """A bucket's rules."""
    return RulesOut(rules=[rule_out(rule) for rule in bucket.rules])


def bucket_out(bucket: Bucket) -> BucketOut:
    """A bucket of the registry."""
    return BucketOut(
        name=bucket.name,
        region=bucket.region,
        mode=bucket.mode,
        owner=bucket.owner,
        generation=bucket.generation,
        rule_count=len(bucket.rules),
    )


def change_out(change: Change) -> ChangeOut:
    """A line of a bucket's history."""
    return ChangeOut(
        generation=change.generation,
        at=change.at,
        actor=change.actor,
        action=change.action,
        before=_configuration(change.before),
        after=_configuration(change.after),
    )


def _configuration(bucket: Bucket | None) -> Configuration | None:
    if bucket is None:
        return None
    rules = [rule_out(rule) for rule in bucket.rules]
    return Configuration(region=bucket.region, mode=bucket.mode, owner=bucket.owner, rules=rules)


def callback_out(callback: NamedCallback) -> CallbackOut:
    """A named callback of the registry."""
    return CallbackOut(name=callback.name, urls=list(callback.urls), region=callback.region)
