"""Pages of one rule: written, checked while it is typed, changed, taken away."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from ossfn.adapter.web.api_rule_shapes import RuleIn
from ossfn.adapter.web.console.asking import Refused
from ossfn.adapter.web.console.checking import faults_of
from ossfn.adapter.web.console.pages import Visit, go_to, to
from ossfn.adapter.web.console.rule_form import EMPTY, FORMATS, VERIFICATIONS, beside, rule_of
from ossfn.trigger_registry.event_names import JD_EVENT_NAMES, known_patterns

Faults = Sequence[Mapping[str, Any]]

_MORE_EVENTS = [name for name in known_patterns() if name not in JD_EVENT_NAMES]


async def new(visit: Visit) -> Response:
    """An empty form, or one for the key that was asked about."""
    return await _page(visit, EMPTY)


async def edit(visit: Visit) -> Response:
    """The form of a rule that is there."""
    return await _page(visit, await visit.api.get("buckets", visit.path["bucket"], "rules", visit.path["rule"]))


async def create(visit: Visit) -> Response:
    """Add a rule behind the others."""
    bucket, rule = visit.path["bucket"], rule_of(visit.form)
    try:
        await visit.api.send("POST", "buckets", bucket, "rules", json=rule, generation=visit.form.get("generation", ""))
    except Refused as no:
        return await _page(visit, rule, no.faults, no.status)
    return go_to("buckets", bucket)


async def save(visit: Visit) -> Response:
    """Replace a rule in its place."""
    bucket, rule = visit.path["bucket"], rule_of(visit.form)
    path = ("buckets", bucket, "rules", visit.path["rule"])
    try:
        await visit.api.send("PUT", *path, json=rule, generation=visit.form.get("generation", ""))
    except Refused as no:
        return await _page(visit, rule, no.faults, no.status)
    return go_to("buckets", bucket)


async def check(visit: Visit) -> Response:
    """The form with everything that would be refused, while it is typed."""
    rule, behind = rule_of(visit.form), visit.behind
    await visit.api.get("buckets", visit.path["bucket"])  # refused when there is none
    bucket = behind.registry.bucket(visit.path["bucket"])
    try:
        written = RuleIn.model_validate(rule).rule()
    except ValidationError:  # a form that is not ours
        return await _page(visit, rule)
    faults = await asyncio.to_thread(
        faults_of,
        written,
        bucket,
        is_new="rule" not in visit.path,
        registry=behind.registry,
        functions=behind.functions,
        limits=behind.limits,
    )
    return await _page(visit, rule, [asdict(fault) for fault in faults])


async def ask_delete(visit: Visit) -> Response:
    """Ask before a rule is taken away."""
    bucket, rule = visit.path["bucket"], visit.path["rule"]
    now = await visit.api.get("buckets", bucket)
    return visit.confirm(
        visit.words("Delete rule {rule} of bucket {bucket}?", rule=rule, bucket=bucket),
        to("buckets", bucket, "rules", rule, "delete"),
        visit.words("Delete rule"),
        hidden={"generation": now["generation"]},
        details=[visit.words("Its events go nowhere from then on. The history keeps it.")],
        back=to("buckets", bucket),
    )


async def delete(visit: Visit) -> Response:
    """Take a rule away."""
    bucket, rule = visit.path["bucket"], visit.path["rule"]
    await visit.api.send("DELETE", "buckets", bucket, "rules", rule, generation=visit.form.get("generation", ""))
    return go_to("buckets", bucket)


async def _page(visit: Visit, rule: Mapping[str, Any], faults: Faults = (), status: int = 200) -> Response:
    bucket = await visit.api.get("buckets", visit.path["bucket"])
    callbacks = list(rule["target"].get("callbacks", ()))
    most = visit.behind.limits.callbacks_per_rule
    return visit.page(
        "rule.html",
        status,
        bucket=bucket,
        name=visit.path.get("rule"),
        rule=rule,
        generation=visit.form.get("generation") or bucket["generation"],
        callbacks=[*callbacks, *[""] * (most - len(callbacks))],
        functions=_functions(visit),
        faults=beside(faults, visit.form),
        documented=JD_EVENT_NAMES,
        more=_MORE_EVENTS,
        formats=FORMATS,
        verifications=VERIFICATIONS,
        limits=visit.behind.limits,
    )


def _functions(visit: Visit) -> list[tuple[str, int]]:
    """Every function, and how many triggers it has."""
    behind = visit.behind
    triggers = Counter(rule.function for bucket in behind.registry.buckets() for rule in bucket.rules)
    return [(function.name, triggers[function.name]) for function in behind.functions.list()]


PAGES = (
    ("GET", "/buckets/{bucket}/new-rule", new),
    ("POST", "/buckets/{bucket}/new-rule", create),
    ("POST", "/buckets/{bucket}/new-rule/check", check),
    ("GET", "/buckets/{bucket}/rules/{rule}", edit),
    ("POST", "/buckets/{bucket}/rules/{rule}", save),
    ("POST", "/buckets/{bucket}/rules/{rule}/check", check),
    ("GET", "/buckets/{bucket}/rules/{rule}/delete", ask_delete),
    ("POST", "/buckets/{bucket}/rules/{rule}/delete", delete),
)
