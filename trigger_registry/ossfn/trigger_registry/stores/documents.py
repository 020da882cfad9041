"""A bucket's rules as one JSON document, the form in which stores keep them. Pure.

Fields may be added with a default; none is ever renamed, since documents of older releases stay in the history.
"""

import msgspec

from ossfn.trigger_registry.rules import (
    AsPut,
    Bucket,
    Callback,
    Element,
    Format,
    FunctionRef,
    KeyFilter,
    Mode,
    Rule,
    Verification,
)


class _Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    id: str
    events: tuple[str, ...]
    element: Element
    target: str
    prefix: str = ""
    suffix: str = ""
    filter_rules: tuple[tuple[str, str], ...] = ()
    callbacks: tuple[str, ...] = ()
    function: str = ""
    enabled: bool = True
    ordered: bool = False
    drop_stale: bool = False
    format: Format = "structured"
    verification: Verification = "none"


class _Bucket(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    region: str
    generation: int
    mode: Mode = "strict"
    owner: str = ""
    rules: tuple[_Rule, ...] = ()


def write(bucket: Bucket) -> str:
    """The document of a bucket."""
    rules = tuple(map(_kept, bucket.rules))
    kept = _Bucket(bucket.name, bucket.region, bucket.generation, bucket.mode, bucket.owner, rules)
    return msgspec.json.encode(kept).decode()


def read(document: str) -> Bucket:
    """The bucket of a document. Raises: msgspec.DecodeError when it is none of ours."""
    kept = msgspec.json.decode(document, type=_Bucket)
    rules = tuple(map(_given, kept.rules))
    return Bucket(kept.name, kept.region, kept.mode, kept.owner, kept.generation, rules)


def _kept(rule: Rule) -> _Rule:
    return _Rule(
        name=rule.name,
        id=rule.id,
        events=rule.events,
        element=rule.as_put.element,
        target=rule.as_put.target_text,
        prefix=rule.keys.prefix,
        suffix=rule.keys.suffix,
        filter_rules=rule.as_put.filter_rules,
        callbacks=tuple(target.url for target in rule.targets if isinstance(target, Callback)),
        function=rule.function or "",
        enabled=rule.enabled,
        ordered=rule.ordered,
        drop_stale=rule.drop_stale,
        format=rule.format,
        verification=rule.verification,
    )


def _given(kept: _Rule) -> Rule:
    return Rule(
        name=kept.name,
        events=kept.events,
        keys=KeyFilter(kept.prefix, kept.suffix),
        targets=(FunctionRef(kept.function),) if kept.function else tuple(map(Callback, kept.callbacks)),
        id=kept.id,
        enabled=kept.enabled,
        ordered=kept.ordered,
        drop_stale=kept.drop_stale,
        format=kept.format,
        verification=kept.verification,
        as_put=AsPut(kept.element, kept.target, kept.filter_rules),
    )
