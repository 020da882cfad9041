"""Pages of deliveries: the live list and its filter, one delivery with every try, sending again, calling off."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from ossfn.adapter.web.console.asking import Refused
from ossfn.adapter.web.console.pages import Visit, go_to, to

FILTERS = ("state", "bucket", "prefix", "rule", "target", "reason", "since", "until", "event_id")
STATES = ("pending", "delivered", "dead", "cancelled")
AT_A_TIME = 1000
_PAGE = 50


async def deliveries(visit: Visit) -> Response:
    """Deliveries that match the filter, newest first."""
    given = _filter(visit.query)
    shown: dict[str, Any] = {"filter": given, "states": STATES, "before": visit.query.get("before", ""), "faults": []}
    try:
        found = await visit.api.get("deliveries", **_as_asked(given), limit=_PAGE, before=shown["before"])
    except Refused as no:
        return visit.page("deliveries.html", no.status, **shown | {"faults": no.faults}, deliveries=[], next=None)
    return visit.page("deliveries.html", **shown, **found)


async def delivery(visit: Visit) -> Response:
    """One delivery."""
    return visit.page("delivery.html", delivery=await visit.api.get("deliveries", visit.path["id"]))


async def redeliver_one(visit: Visit) -> Response:
    """Send one dead letter again."""
    await visit.api.send("POST", "deliveries", f"{visit.path['id']}:redeliver")
    return go_to("deliveries", visit.path["id"], done="redelivered", n="1")


async def ask_redeliver(visit: Visit) -> Response:
    """Say how many dead letters match the filter before they are sent again."""
    given = _filter(visit.query) | {"state": "dead"}
    body = {"filter": _as_asked(given), "dry_run": True, "limit": AT_A_TIME}
    count = (await visit.api.send("POST", "deliveries:redeliver", json=body))["matched"]
    question = visit.words("Send {n} dead letters again?", n=_shown(count))
    return _ask(visit, question, "redeliver", visit.words("Redeliver"), given)


async def redeliver(visit: Visit) -> Response:
    """Send the dead letters that match the filter again."""
    given = _filter(visit.form) | {"state": "dead"}
    body = {"filter": _as_asked(given), "limit": AT_A_TIME}
    done = await visit.api.send("POST", "deliveries:redeliver", json=body)
    return go_to("deliveries", **_said(given), done="redelivered", n=str(done["redelivered"]))


async def ask_cancel(visit: Visit) -> Response:
    """Say how many waiting deliveries match the filter before they are called off."""
    given = _filter(visit.query) | {"state": "pending"}
    body = {"filter": _as_asked(given), "dry_run": True, "limit": AT_A_TIME}
    count = (await visit.api.send("POST", "deliveries:cancel", json=body))["matched"]
    question = visit.words("Cancel {n} deliveries that wait?", n=_shown(count))
    return _ask(visit, question, "cancel", visit.words("Cancel deliveries"), given)


async def cancel(visit: Visit) -> Response:
    """Call off the waiting deliveries that match the filter."""
    given = _filter(visit.form) | {"state": "pending"}
    body = {"filter": _as_asked(given), "limit": AT_A_TIME}
    done = await visit.api.send("POST", "deliveries:cancel", json=body)
    return go_to("deliveries", **_said(given), done="cancelled", n=str(done["cancelled"]))


def _ask(visit: Visit, question: str, what: str, verb: str, given: dict[str, str]) -> Response:
    said = [f"{name}: {value}" for name, value in _said(given).items()]
    more = visit.words("At most {n} at a time; repeat for the rest.", n=AT_A_TIME)
    return visit.confirm(
        question,
        to("deliveries", what),
        verb,
        hidden=_said(given),
        details=[*said, more],
        back=to("deliveries", **_said(given)),
        is_final=what == "cancel",
    )


def _filter(given: Mapping[str, str]) -> dict[str, str]:
    return {name: given.get(name, "") for name in FILTERS}


def _said(given: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if value}


def _as_asked(given: dict[str, str]) -> dict[str, str]:
    """The same for the API: a browser's times have no offset and stand for UTC."""
    times = {name: f"{given[name]}Z" for name in ("since", "until") if given[name]}
    return _said(given) | times


def _shown(count: int) -> str:
    return f"{count}+" if count == AT_A_TIME else str(count)


PAGES = (
    ("GET", "/deliveries", deliveries),
    ("GET", "/deliveries/redeliver", ask_redeliver),
    ("POST", "/deliveries/redeliver", redeliver),
    ("GET", "/deliveries/cancel", ask_cancel),
    ("POST", "/deliveries/cancel", cancel),
    ("GET", "/deliveries/{id}", delivery),
    ("POST", "/deliveries/{id}/redeliver", redeliver_one),
)
