"""The trigger registry: rules are put in, checked and kept here, and every event asks here who wants it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from ossfn.trigger_registry import explanation, review
from ossfn.trigger_registry.changes import Change
from ossfn.trigger_registry.changing import ChangeUnderWay, checked, existing, owned
from ossfn.trigger_registry.decisions import Decisions
from ossfn.trigger_registry.editing import placed, rule_of, with_names, with_the_unsaid, without
from ossfn.trigger_registry.errors import (
    BucketExists,
    InUse,
    NoSuchBucket,
    NoSuchCallback,
    NoSuchGeneration,
    PreconditionFailed,
    RuleRefused,
)
from ossfn.trigger_registry.explanation import Explanation
from ossfn.trigger_registry.limits import DEFAULT_LIMITS, Limits
from ossfn.trigger_registry.live import LiveBuckets
from ossfn.trigger_registry.matching import Match
from ossfn.trigger_registry.proofs import CallbackVerifier, NobodyAsks
from ossfn.trigger_registry.rule_store import RuleStore
from ossfn.trigger_registry.rules import Bucket, Mode, NamedCallback, Rule
from ossfn.trigger_registry.spelling import completed
from ossfn.trigger_registry.targets import users_key
from ossfn.trigger_registry.validation import named_callback_faults

DEFAULT_REGION = "cn-north-1"


class FunctionDirectory(Protocol):
    """All that the registry asks about functions."""

    def region_of(self, name: str) -> str | None:
        """Where the function is; None when there is no such function."""
        ...


class Registry:
    """Every bucket's rules, in memory for matching and in a store for keeps.

    Safe for any number of threads. `match` and the other reads of buckets take no lock and touch no disk. A change is
    one transaction of the store; it is live here before its method returns, in other processes after their `refresh`.
    """

    def __init__(
        self,
        store: RuleStore,
        functions: FunctionDirectory,
        *,
        verifier: CallbackVerifier | None = None,
        store_unverified: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        clock: Callable[[], float],
        new_name: Callable[[], str],
    ) -> None:
        """`clock` gives Unix seconds, `new_name` names for rules that come without one.

        Callbacks that do not agree when `verifier` asks them are refused, or with `store_unverified` kept on hold.
        """
        self._store = store
        self._limits = limits
        self._new_name = new_name
        self._live = LiveBuckets()
        self._decisions = Decisions(
            store, self._live, functions.region_of, verifier or NobodyAsks(), store_unverified, limits, clock
        )

    def open(self) -> None:
        """Make the store ready and read all of it."""
        self._store.open()
        self.refresh()

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def refresh(self) -> bool:
        """Take over what other processes changed; whether there was anything. One small query when there was not."""
        return self._live.catch_up(self._store.changed_since)

    def match(self, bucket: str, event_name: str, key: str) -> Match:
        """The rules that get this event (`s3:ObjectCreated:Put`, key in plain characters)."""
        return self._live.match(bucket, event_name, key)

    def buckets(self) -> list[Bucket]:
        """Every bucket, by name."""
        return self._live.all()

    def bucket(self, name: str) -> Bucket:
        """One bucket. Raises: NoSuchBucket."""
        return existing(self._live.find(name), name)

    def rule(self, bucket: str, name: str) -> Rule:
        """One rule. Raises: NoSuchBucket, NoSuchRule."""
        return rule_of(self.bucket(bucket), name)

    def triggers_of(self, function: str) -> list[tuple[str, Rule]]:
        """(bucket, rule) for every rule that calls the function."""
        return [(bucket.name, rule) for bucket in self.buckets() for rule in bucket.rules if rule.function == function]

    def explain(self, bucket: str, key: str, event_name: str) -> Explanation:
        """Why each rule of the bucket takes such an event or not. Raises: NoSuchBucket."""
        return explanation.explain(self.bucket(bucket), key, event_name)

    def history(self, bucket: str, limit: int = 100) -> list[Change]:
        """The bucket's latest changes, newest first, also of a deleted one. Raises: NoSuchBucket when it never was."""
        changes = self._store.history(bucket, limit)
        if not changes:
            raise NoSuchBucket(f"There never was a bucket {bucket}.")
        return changes

    def put_bucket(
        self,
        name: str,
        *,
        actor: str,
        region: str | None = None,
        mode: Mode | None = None,
        owner: str | None = None,
        if_generation: int | None = None,
    ) -> Bucket:
        """Register a bucket, or change what is given of it; a bucket without an owner takes the first one named.

        Raises: BucketExists when another owner has it, RuleRefused when its rules cannot stand in that mode or region.
        """
        new = checked(Bucket(name, region or DEFAULT_REGION))
        with self._decisions.change(actor, "put bucket") as change:
            old = change.bucket(name, if_generation)
            now = old or new
            if owner is not None and now.owner not in ("", owner):
                raise BucketExists(f"Bucket {name} belongs to someone else.")
            after = replace(now, region=region or now.region, mode=mode or now.mode, owner=owner or now.owner)
            return change.keep(old, review.moved(now, after, change.around))

    def delete_bucket(self, name: str, *, actor: str, cascade: bool = False, if_generation: int | None = None) -> None:
        """Forget a bucket; its history stays.

        Raises: NoSuchBucket, PreconditionFailed, InUse when it still has rules and `cascade` is not set.
        """
        with self._decisions.change(actor, "delete bucket") as change:
            now = change.existing(name, if_generation)
            if now.rules and not cascade:
                names = [rule.name for rule in now.rules]
                raise InUse(f"Bucket {name} still has {len(names)} rules; delete them first.", names)
            change.delete(now)

    def put_rules(
        self,
        bucket: str,
        rules: Sequence[Rule],
        *,
        actor: str,
        if_generation: int | None = None,
        skip_destination_validation: bool = False,
        store_unverified: bool = False,
    ) -> Bucket:
        """Replace all rules of a bucket. What is the same as before makes no new generation.

        Where a rule has an `as_put.target_text`, that decides its targets, and `as_put.filter_rules` its key filter;
        else `targets` and `keys` do. Raises: NoSuchBucket, PreconditionFailed, RuleRefused.
        """

        def decide(change: ChangeUnderWay) -> Bucket:
            return self._replaced(change, change.existing(bucket, if_generation), rules)

        return self._decisions.make(actor, "put rules", decide, skip_destination_validation, store_unverified)

    def put_document(
        self,
        bucket: str,
        rules: Sequence[Rule],
        *,
        owner: str,
        actor: str,
        may_create: bool = False,
        if_generation: int | None = None,
        skip_destination_validation: bool = False,
    ) -> Bucket:
        """As `put_rules`, for an S3 document: what it cannot say of a rule stays as the rule with its Id has it.

        The bucket must be `owner`'s or nobody's; with `may_create` it is made for them when there is none.
        Raises: AccessDenied, NoSuchBucket, PreconditionFailed, RuleRefused.
        """

        def decide(change: ChangeUnderWay) -> Bucket:
            now = change.bucket(bucket, if_generation)
            if now is None and may_create:
                return self._replaced(change, checked(Bucket(bucket, DEFAULT_REGION, owner=owner)), rules)
            now = owned(existing(now, bucket), owner)
            return self._replaced(change, now, with_the_unsaid(rules, now))

        return self._decisions.make(actor, "put rules", decide, skip_destination_validation)

    def put_rule(
        self,
        bucket: str,
        rule: Rule,
        *,
        actor: str,
        if_generation: int | None = None,
        create: bool | None = None,
        skip_destination_validation: bool = False,
        store_unverified: bool = False,
    ) -> Bucket:
        """Put one rule: in the place of the one that has its name, else behind the others; see `put_rules`.

        `create`: it must be new (True: RuleExists), must replace one (False: NoSuchRule), or either.
        """

        def decide(change: ChangeUnderWay) -> Bucket:
            now = change.existing(bucket, if_generation)
            (named,) = with_names([rule], now, self._new_name, self._limits)
            fresh, at = placed(named, now, create)
            rules = [*now.rules[:at], fresh, *now.rules[at + 1 :]]
            return change.keep(now, review.accepted(now, rules, {at: ""}, change.around))

        return self._decisions.make(actor, "put rule", decide, skip_destination_validation, store_unverified)

    def delete_rule(self, bucket: str, name: str, *, actor: str, if_generation: int | None = None) -> Bucket:
        """Take one rule away. Raises: NoSuchBucket, NoSuchRule, PreconditionFailed."""
        with self._decisions.change(actor, f"delete rule {name}") as change:
            now = change.existing(bucket, if_generation)
            return change.keep(now, without([name], now))

    def rollback(self, bucket: str, generation: int, *, actor: str, if_generation: int | None = None) -> Bucket:
        """Put the rules and the mode of an earlier generation again, as a new one.

        Raises: NoSuchBucket, NoSuchGeneration, PreconditionFailed, RuleRefused when they can no longer stand.
        """

        def decide(change: ChangeUnderWay) -> Bucket:
            now = change.existing(bucket, if_generation)
            then = change.tx.revision(bucket, generation)
            if then is None or then.bucket is None:
                raise NoSuchGeneration(f"Bucket {bucket} has no generation {generation} to go back to.")
            there, rules = replace(now, mode=then.bucket.mode), then.bucket.rules
            return change.keep(now, review.accepted(there, rules, review.all_of(rules), change.around))

        return self._decisions.make(actor, f"roll back to {generation}", decide)

    def drop_triggers_of(self, function: str, *, actor: str) -> list[tuple[str, str]]:
        """Delete every rule that calls the function; which, as (bucket, rule)."""
        with self._decisions.change(actor, f"drop triggers of {function}") as change:
            triggers = [(bucket, rule) for _, bucket, rule in change.tx.users([users_key("function", function)])]
            for name in sorted({bucket for bucket, _ in triggers}):
                now = change.existing(name)
                change.keep(now, without([rule for bucket, rule in triggers if bucket == name], now))
        return triggers

    def callbacks(self) -> list[NamedCallback]:
        """Every named callback, by name."""
        return self._store.callbacks()

    def callback(self, name: str) -> NamedCallback:
        """One named callback. Raises: NoSuchCallback."""
        for callback in self.callbacks():
            if callback.name == name:
                return callback
        raise NoSuchCallback(f"No callback is registered as {name}.")

    def put_callback(
        self, name: str, urls: Sequence[str], *, region: str = "", actor: str, if_still: NamedCallback | None = None
    ) -> NamedCallback:
        """Register callback addresses under a name, or change them; the rules that use it follow at once.

        Raises: RuleRefused when they are no callbacks, or rules of buckets in other regions use them;
        PreconditionFailed when it is no longer as in `if_still`.
        """
        callback = NamedCallback(name, tuple(urls), region)
        if faults := list(named_callback_faults(callback, self._limits)):
            raise RuleRefused(faults)

        def decide(change: ChangeUnderWay) -> NamedCallback:
            _unchanged(change.tx.callback(name), if_still)
            change.tx.put_callback(callback)
            users = change.tx.users([users_key("callback", name)])
            for bucket in sorted({bucket for _, bucket, _ in users}):
                now, followers = change.existing(bucket), {rule for _, where, rule in users if where == bucket}
                change.keep(now, review.following(now, followers, change.around))
            return callback

        return self._decisions.make(actor, f"put callback {name}", decide)

    def delete_callback(self, name: str, *, actor: str, if_still: NamedCallback | None = None) -> None:
        """Forget a named callback. Raises: NoSuchCallback, PreconditionFailed, InUse when rules have it as target."""
        with self._decisions.change(actor, f"delete callback {name}") as change:
            if (now := change.tx.callback(name)) is None:
                raise NoSuchCallback(f"No callback is registered as {name}.")
            _unchanged(now, if_still)
            users = [f"{bucket}/{rule}" for _, bucket, rule in change.tx.users([users_key("callback", name)])]
            if users:
                raise InUse(f"Callback {name} is the target of {len(users)} rules; change those first.", users)
            change.tx.delete_callback(name)

    def _replaced(self, change: ChangeUnderWay, now: Bucket, rules: Sequence[Rule]) -> Bucket:
        """Put these rules into a bucket; one that is still to be made has no generation."""
        named = [completed(rule) for rule in with_names(rules, now, self._new_name, self._limits)]
        after = review.accepted(now, named, review.all_of(named), change.around)
        return change.keep(now if now.generation else None, after)


def _unchanged(now: NamedCallback | None, expected: NamedCallback | None) -> None:
    if expected is not None and now != expected:
        raise PreconditionFailed(f"Callback {expected.name} has changed meanwhile; read it again.")
