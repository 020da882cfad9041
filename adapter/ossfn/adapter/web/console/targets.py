"""The page of targets: what waits for each, and giving one nothing for a while."""

from starlette.responses import Response

from ossfn.adapter.web.console.overview import target_rows
from ossfn.adapter.web.console.pages import Visit, go_to


async def targets(visit: Visit) -> Response:
    """Every target."""
    listed = await visit.api.get("targets")
    return visit.page("targets.html", targets=target_rows(listed["targets"], visit.behind))


async def pause(visit: Visit) -> Response:
    """Give a target nothing until it is resumed."""
    reason = visit.form.get("reason", "").strip()
    target = visit.form.get("target", "")
    await visit.api.send("POST", "targets", f"{target}:pause", json={"reason": reason} if reason else None)
    return go_to("targets")


async def resume(visit: Visit) -> Response:
    """Let its deliveries go on."""
    await visit.api.send("POST", "targets", f"{visit.form.get('target', '')}:resume")
    return go_to("targets")


PAGES = (("GET", "/targets", targets), ("POST", "/targets/pause", pause), ("POST", "/targets/resume", resume))
