"""The first page: how many deliveries stand where, whether they add up, and plots of the last hour."""

import asyncio
from typing import Any

import orjson
from starlette.responses import Response

from ossfn.adapter.web.console.pages import Behind, Visit

SHOWN_SECONDS = 300
"""What the table by target looks back on."""


async def overview(visit: Visit) -> Response:
    """Counts, plots, targets."""
    stats, listed = await asyncio.gather(visit.api.get("stats"), visit.api.get("targets"))
    missing = stats["accepted"] - sum(stats[state] for state in ("delivered", "dead", "pending", "cancelled"))
    targets = target_rows(listed["targets"], visit.behind)
    return visit.page("overview.html", stats=stats, missing=missing, targets=targets, minutes=SHOWN_SECONDS // 60)


async def plots(visit: Visit) -> Response:
    """The plots' columns."""
    columns = visit.behind.recent.series(visit.query.get("target", ""))
    return Response(orjson.dumps(columns), media_type="application/json")


def target_rows(listed: list[dict[str, Any]], behind: Behind) -> list[dict[str, Any]]:
    """Every target that waits, is on hold or was tried lately, with all that is known of it."""
    known = {each["target"]: each for each in listed}
    tallies, circuits = behind.recent.targets(SHOWN_SECONDS), behind.circuits()
    nothing = {"pending": 0, "oldest_at": None, "paused_at": None, "paused_reason": ""}
    return [
        {"target": target, "tally": tallies.get(target), "circuit": circuits.get(target), **nothing}
        | known.get(target, {})
        for target in sorted({*known, *tallies, *circuits})
    ]


PAGES = (("GET", "/", overview), ("GET", "/plots.json", plots))
