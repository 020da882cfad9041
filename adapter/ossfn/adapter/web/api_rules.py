"""Buckets, their rules, their history and named callbacks over HTTP: a thin door to the registry."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Response

from ossfn.adapter.web.api_faults import ApiError
from ossfn.adapter.web.api_parts import Caller, RegistryPart
from ossfn.adapter.web.api_preconditions import CallbackIfMatch, IfMatch, IfNoneMatch, tag, tag_of
from ossfn.adapter.web.api_rule_shapes import (
    BucketIn,
    BucketOut,
    BucketsOut,
    CallbackIn,
    CallbackOut,
    CallbacksOut,
    ChangesOut,
    RollbackIn,
    RuleIn,
    RuleOut,
    RulesIn,
    RulesOut,
    bucket_out,
    callback_out,
    change_out,
    rule_out,
    rules_out,
)
from ossfn.trigger_registry.editing import rule_of
from ossfn.trigger_registry.errors import NoSuchBucket, NoSuchCallback, NoSuchRule, PreconditionFailed, RuleExists
from ossfn.trigger_registry.registry import Registry

router = APIRouter(prefix="/api/v1", tags=["rules"])

StoreUnverified = Annotated[
    bool, Query(description="Keep rules whose callbacks do not agree to get events; these callbacks are paused.")
]


@router.get("/buckets")
def list_buckets(registry: RegistryPart) -> BucketsOut:
    """Every bucket."""
    return BucketsOut(buckets=[bucket_out(bucket) for bucket in registry.buckets()])


@router.get("/buckets/{bucket}")
def get_bucket(bucket: str, registry: RegistryPart, response: Response) -> BucketOut:
    """One bucket."""
    found = registry.bucket(bucket)
    tag(response, found)
    return bucket_out(found)


@router.put("/buckets/{bucket}", responses={201: {"model": BucketOut}})
def put_bucket(
    bucket: str,
    body: BucketIn,
    registry: RegistryPart,
    caller: Caller,
    response: Response,
    generation: IfMatch,
    if_none_match: IfNoneMatch = None,
) -> BucketOut:
    """Register a bucket, or change what is given of it."""
    is_new = not _has_bucket(registry, bucket)
    expected = 0 if if_none_match else generation
    now = registry.put_bucket(
        bucket, actor=caller, region=body.region, mode=body.mode, owner=body.owner, if_generation=expected
    )
    if is_new:
        _created(response, f"/api/v1/buckets/{quote(bucket)}")
    tag(response, now)
    return bucket_out(now)


@router.delete("/buckets/{bucket}", status_code=204)
def delete_bucket(
    bucket: str, registry: RegistryPart, caller: Caller, generation: IfMatch, cascade: bool = False
) -> None:
    """Forget a bucket, with `cascade` also one that still has rules. Its history stays."""
    registry.delete_bucket(bucket, actor=caller, cascade=cascade, if_generation=generation)


@router.get("/buckets/{bucket}/rules")
def list_rules(bucket: str, registry: RegistryPart, response: Response) -> RulesOut:
    """A bucket's rules in match order."""
    now = registry.bucket(bucket)
    tag(response, now)
    return rules_out(now)


@router.put("/buckets/{bucket}/rules")
def put_rules(
    bucket: str,
    body: RulesIn,
    registry: RegistryPart,
    caller: Caller,
    response: Response,
    generation: IfMatch,
    store_unverified: StoreUnverified = False,
) -> RulesOut:
    """Replace all rules of a bucket."""
    rules = [rule.rule() for rule in body.rules]
    now = registry.put_rules(bucket, rules, actor=caller, if_generation=generation, store_unverified=store_unverified)
    tag(response, now)
    return rules_out(now)


@router.post("/buckets/{bucket}/rules", status_code=201)
def add_rule(
    bucket: str,
    body: RuleIn,
    registry: RegistryPart,
    caller: Caller,
    response: Response,
    generation: IfMatch,
    store_unverified: StoreUnverified = False,
) -> RuleOut:
    """Add a rule behind the others."""
    now = registry.put_rule(
        bucket, body.rule(), actor=caller, if_generation=generation, store_unverified=store_unverified, create=True
    )
    added = now.rules[-1]
    _created(response, f"/api/v1/buckets/{quote(bucket)}/rules/{quote(added.name)}")
    tag(response, now)
    return rule_out(added)


@router.get("/buckets/{bucket}/rules/{name}")
def get_rule(bucket: str, name: str, registry: RegistryPart, response: Response) -> RuleOut:
    """One rule."""
    now = registry.bucket(bucket)
    tag(response, now)
    return rule_out(rule_of(now, name))


@router.put("/buckets/{bucket}/rules/{name}", responses={201: {"model": RuleOut}})
def put_rule(
    bucket: str,
    name: str,
    body: RuleIn,
    registry: RegistryPart,
    caller: Caller,
    response: Response,
    generation: IfMatch,
    if_none_match: IfNoneMatch = None,
    store_unverified: StoreUnverified = False,
) -> RuleOut:
    """Replace a rule in its place, or add it behind the others."""
    if body.name not in ("", name):
        advice = "Put it under its new name and delete the old one."
        raise ApiError(400, "InvalidRequest", "A rule cannot be renamed.", field="name", advice=advice)
    is_new = not _has_rule(registry, bucket, name)
    create = True if if_none_match else None
    try:
        now = registry.put_rule(
            bucket,
            body.rule(name),
            actor=caller,
            if_generation=generation,
            create=create,
            store_unverified=store_unverified,
        )
    except RuleExists as error:
        raise PreconditionFailed(str(error)) from error
    if is_new:
        _created(response, f"/api/v1/buckets/{quote(bucket)}/rules/{quote(name)}")
    tag(response, now)
    return rule_out(rule_of(now, name))


@router.delete("/buckets/{bucket}/rules/{name}", status_code=204)
def delete_rule(
    bucket: str, name: str, registry: RegistryPart, caller: Caller, response: Response, generation: IfMatch
) -> None:
    """Take one rule away."""
    tag(response, registry.delete_rule(bucket, name, actor=caller, if_generation=generation))


@router.get("/buckets/{bucket}/history")
def get_history(bucket: str, registry: RegistryPart, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> ChangesOut:
    """What became of a bucket, newest first, also of a deleted one."""
    return ChangesOut(changes=[change_out(change) for change in registry.history(bucket, limit)])


@router.post("/buckets/{bucket}:rollback")
def rollback_bucket(
    bucket: str, body: RollbackIn, registry: RegistryPart, caller: Caller, response: Response, generation: IfMatch
) -> BucketOut:
    """Put the rules and the mode of an earlier generation again, as a new one."""
    now = registry.rollback(bucket, body.generation, actor=caller, if_generation=generation)
    tag(response, now)
    return bucket_out(now)


@router.get("/callbacks", tags=["callbacks"])
def list_callbacks(registry: RegistryPart) -> CallbacksOut:
    """Every named callback."""
    return CallbacksOut(callbacks=[callback_out(callback) for callback in registry.callbacks()])


@router.get("/callbacks/{name}", tags=["callbacks"])
def get_callback(name: str, registry: RegistryPart, response: Response) -> CallbackOut:
    """One named callback."""
    found = registry.callback(name)
    response.headers["ETag"] = tag_of(found)
    return callback_out(found)


@router.put("/callbacks/{name}", tags=["callbacks"], responses={201: {"model": CallbackOut}})
def put_callback(
    name: str, body: CallbackIn, registry: RegistryPart, caller: Caller, response: Response, still: CallbackIfMatch
) -> CallbackOut:
    """Register addresses under a name, or change them; rules that use it follow at once."""
    is_new = not _has_callback(registry, name)
    now = registry.put_callback(name, body.urls, region=body.region, actor=caller, if_still=still)
    response.headers["ETag"] = tag_of(now)
    if is_new:
        _created(response, f"/api/v1/callbacks/{quote(name)}")
    return callback_out(now)


@router.delete("/callbacks/{name}", tags=["callbacks"], status_code=204)
def delete_callback(name: str, registry: RegistryPart, caller: Caller, still: CallbackIfMatch) -> None:
    """Forget a named callback that no rule uses."""
    registry.delete_callback(name, actor=caller, if_still=still)


def _created(response: Response, location: str) -> None:
    response.status_code = 201
    response.headers["Location"] = location


def _has_bucket(registry: Registry, bucket: str) -> bool:
    try:
        registry.bucket(bucket)
    except NoSuchBucket:
        return False
    return True


def _has_rule(registry: Registry, bucket: str, name: str) -> bool:
    try:
        registry.rule(bucket, name)
    except (NoSuchBucket, NoSuchRule):
        return False
    return True


def _has_callback(registry: Registry, name: str) -> bool:
    try:
        registry.callback(name)
    except NoSuchCallback:
        return False
    return True
