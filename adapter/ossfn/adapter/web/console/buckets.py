"""Pages of buckets: the list, one with its rules and what they would do with a key, its mode and its history."""

from typing import Any

from starlette.responses import Response

from ossfn.adapter.web.console.asking import Refused
from ossfn.adapter.web.console.pages import Visit, go_to, to
from ossfn.trigger_registry.event_names import known_patterns

MODES = ("strict", "first-match", "fan-out")
SINGLE_EVENTS = [name for name in known_patterns() if not name.endswith("*")]


async def buckets(visit: Visit) -> Response:
    """Every bucket."""
    return await _list(visit)


async def create(visit: Visit) -> Response:
    """Register a bucket."""
    given = {name: visit.form.get(name, "").strip() for name in ("name", "region", "mode")}
    body = {name: given[name] for name in ("region", "mode") if given[name]}
    if not given["name"]:
        fault = {"message": visit.words("Give the bucket's name."), "field": "bucket", "advice": ""}
        return await _list(visit, given, [fault], 400)
    try:
        await visit.api.send("PUT", "buckets", given["name"], json=body)
    except Refused as no:
        return await _list(visit, given, no.faults, no.status)
    return go_to("buckets", given["name"])


async def _list(
    visit: Visit, given: dict[str, str] | None = None, faults: list[dict[str, Any]] | None = None, status: int = 200
) -> Response:
    listed = await visit.api.get("buckets")
    given = given or {"name": "", "region": "cn-north-1", "mode": "strict"}
    return visit.page("buckets.html", status, buckets=listed["buckets"], given=given, faults=faults or [], modes=MODES)


async def bucket(visit: Visit) -> Response:
    """One bucket's rules, and whether they would take a key when one is asked about."""
    name = visit.path["bucket"]
    found = await visit.api.get("buckets", name)
    rules = (await visit.api.get("buckets", name, "rules"))["rules"]
    event = visit.query.get("event", "s3:ObjectCreated:Put")
    key = visit.query.get("key")
    explained = None if key is None else await visit.api.get("explain", bucket=name, key=key, event=event)
    return visit.page(
        "bucket.html",
        bucket=found,
        rules=rules,
        modes=MODES,
        events=SINGLE_EVENTS,
        event=event,
        key=key or "",
        explained=explained,
        most=visit.behind.limits.rules_per_bucket,
    )


async def change(visit: Visit) -> Response:
    """Change how a bucket's rules are matched."""
    name = visit.path["bucket"]
    body = {"mode": visit.form.get("mode", "")}
    await visit.api.send("PUT", "buckets", name, json=body, generation=visit.form.get("generation", ""))
    return go_to("buckets", name)


async def ask_delete(visit: Visit) -> Response:
    """Ask before a bucket is forgotten."""
    name = visit.path["bucket"]
    found = await visit.api.get("buckets", name)
    rules = found["rule_count"]
    return visit.confirm(
        visit.words("Delete bucket {name} and its {n} rules? Its history stays.", name=name, n=rules),
        to("buckets", name, "delete"),
        visit.words("Delete bucket"),
        hidden={"generation": found["generation"]},
        back=to("buckets", name),
    )


async def delete(visit: Visit) -> Response:
    """Forget a bucket with its rules."""
    name = visit.path["bucket"]
    await visit.api.send("DELETE", "buckets", name, generation=visit.form.get("generation", ""), cascade="true")
    return go_to("buckets")


async def history(visit: Visit) -> Response:
    """What became of a bucket."""
    name = visit.path["bucket"]
    listed = await visit.api.get("buckets", name, "history")
    changes = [change | {"what": _difference(change["before"], change["after"])} for change in listed["changes"]]
    return visit.page("history.html", name=name, changes=changes)


def _difference(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, list[str]]:
    """The names of the rules that a change added, removed or changed, and what it set beside."""
    old = {rule["name"]: rule for rule in before["rules"]} if before else {}
    new = {rule["name"]: rule for rule in after["rules"]} if after else {}
    then = before or {}
    fields = ("mode", "region", "owner") if after else ()
    return {
        "added": sorted(new.keys() - old.keys()),
        "removed": sorted(old.keys() - new.keys()),
        "changed": sorted(name for name in new.keys() & old.keys() if new[name] != old[name]),
        "set": [f"{name} {after[name]}" for name in fields if after and after[name] != then.get(name, "")],
    }


async def ask_rollback(visit: Visit) -> Response:
    """Ask before an earlier generation is put again."""
    name, generation = visit.path["bucket"], visit.query.get("generation", "")
    now = await visit.api.get("buckets", name)
    question = visit.words("Put the rules and the mode of generation {n} of {name} again?", n=generation, name=name)
    return visit.confirm(
        question,
        to("buckets", name, "rollback"),
        visit.words("Roll back"),
        is_final=False,
        hidden={"to": generation, "generation": now["generation"]},
        back=to("buckets", name, "history"),
    )


async def rollback(visit: Visit) -> Response:
    """Put an earlier generation again."""
    name, wanted = visit.path["bucket"], visit.form.get("to", "")
    body = {"generation": int(wanted) if wanted.isdecimal() else wanted}
    await visit.api.send("POST", "buckets", f"{name}:rollback", json=body, generation=visit.form.get("generation", ""))
    return go_to("buckets", name)


PAGES = (
    ("GET", "/buckets", buckets),
    ("POST", "/buckets", create),
    ("GET", "/buckets/{bucket}", bucket),
    ("POST", "/buckets/{bucket}", change),
    ("GET", "/buckets/{bucket}/delete", ask_delete),
    ("POST", "/buckets/{bucket}/delete", delete),
    ("GET", "/buckets/{bucket}/history", history),
    ("GET", "/buckets/{bucket}/rollback", ask_rollback),
    ("POST", "/buckets/{bucket}/rollback", rollback),
)
