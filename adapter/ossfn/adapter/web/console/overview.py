"""The first page: how many deliveries stand where, whether they add up, and plots of the last hour."""

import asyncio
from typing import Any

import orjson
from starlette.responses import Response

from ossfn.adapter.web.console.pages import Visit
from ossfn.adapter.web.console.recent import Recent

SHOWN_SECONDS = 300
"""What the table by target looks back on."""


async def overview(visit: Visit) -> Response:
    """Counts, plots, targets."""
    stats, listed = await asyncio.gather(visit.api.get("stats"), visit.api.get("targets"))
    missing = stats["accepted"] - sum(stats[state] for state in ("delivered", "dead", "pending", "cancelled"))
    targets = target_rows(listed["targets"], visit.behind.recent)
    return visit.page("overview.html", stats=stats, missing=missing, targets=targets, minutes=SHOWN_SECONDS // 60)


async def plots(visit: Visit) -> Response:
    """The plots' columns."""
    columns = visit.behind.recent.series(visit.query.get("target", ""))
    return Response(orjson.dumps(columns), media_type="application/json")


def target_rows(listed: list[dict[str, Any]], recent: Recent) -> list[dict[str, Any]]:
    """Every target that waits, is paused or was tried lately, with both what the API and what the plots know."""
    known = {each["target"]: each for each in listed}
    tallies = recent.targets(SHOWN_SECONDS)
    nothing = {"pending": 0, "oldest_at": None, "paused_at": None, "paused_reason": ""}
    return [
        {"target": target, "tally": tallies.get(target), **nothing, **known.get(target, {})}
        for target in sorted({*known, *tallies})
    ]


PAGES = (("GET", "/", overview), ("GET", "/plots.json", plots))
