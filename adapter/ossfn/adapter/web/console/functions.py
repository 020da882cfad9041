"""Pages of functions: what each is doing, its versions, triggers and log, and trying it out."""

import asyncio
from collections import Counter
from typing import Any

from starlette.responses import Response

from ossfn.adapter.web.console.asking import Refused
from ossfn.adapter.web.console.pages import Visit, go_to, to
from ossfn.adapter.web.console.sample import sample_event

_LOG_LINES = 200


async def functions(visit: Visit) -> Response:
    """Every function."""
    listed = await visit.api.get("functions")
    rules = (rule for bucket in visit.behind.registry.buckets() for rule in bucket.rules)
    triggers = Counter(rule.function for rule in rules if rule.function)
    most = visit.behind.limits.triggers_per_function
    return visit.page("functions.html", functions=listed["functions"], triggers=triggers, most=most)


async def function(visit: Visit) -> Response:
    """One function."""
    return await _page(visit)


async def invoke(visit: Visit) -> Response:
    """Send it an event and show what it answers."""
    event = visit.form.get("event", "")
    try:
        answer = await visit.api.send("POST", "functions", f"{visit.path['name']}:invoke", content=event.encode())
    except Refused as no:
        return await _page(visit, event=event, faults=no.faults)
    return await _page(visit, event=event, answer=answer)


async def ask_rollback(visit: Visit) -> Response:
    """Ask before an earlier version serves again."""
    name, version = visit.path["name"], visit.query.get("version", "")
    return visit.confirm(
        visit.words("Let version {n} of {name} serve again?", n=version, name=name),
        to("functions", name, "rollback"),
        visit.words("Roll back"),
        is_final=False,
        hidden={"version": version},
        details=[visit.words("The present version serves until this one has started.")],
        back=to("functions", name),
    )


async def rollback(visit: Visit) -> Response:
    """Let an earlier version serve again."""
    name, wanted = visit.path["name"], visit.form.get("version", "")
    body = {"version": int(wanted) if wanted.isdecimal() else wanted}
    await visit.api.send("POST", "functions", f"{name}:rollback", json=body)
    return go_to("functions", name)


async def _page(visit: Visit, event: str = "", **shown: Any) -> Response:
    name = visit.path["name"]
    function, versions, triggers, log = await asyncio.gather(
        visit.api.get("functions", name),
        visit.api.get("functions", name, "versions"),
        visit.api.get("functions", name, "triggers"),
        visit.api.get("functions", name, "logs", lines=_LOG_LINES),
    )
    values = {"answer": None, "faults": []} | shown
    return visit.page(
        "function.html",
        function=function,
        versions=versions["versions"],
        triggers=triggers["triggers"],
        most=visit.behind.limits.triggers_per_function,
        log=log["lines"],
        event=event or sample_event(triggers["triggers"]),
        **values,
    )


PAGES = (
    ("GET", "/functions", functions),
    ("GET", "/functions/{name}", function),
    ("POST", "/functions/{name}/invoke", invoke),
    ("GET", "/functions/{name}/rollback", ask_rollback),
    ("POST", "/functions/{name}/rollback", rollback),
)
