"""What every page shares: the visit that asked for it, its templates, and how times and counts are written."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ossfn.adapter.delivery import Circuit
from ossfn.adapter.web.console.asking import Api
from ossfn.adapter.web.console.recent import Recent
from ossfn.adapter.web.console.session import Session
from ossfn.adapter.web.console.words import COOKIE, NAMES, Words
from ossfn.functions.service import Functions
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.registry import Registry

BASE = "/console"
STATIC = Path(__file__).parent / "static"

Form = ImmutableMultiDict[str, str]


@dataclass(frozen=True, slots=True)
class Behind:
    """What pages need beside the API: to check a rule while it is typed, and to plot."""

    registry: Registry
    functions: Functions
    recent: Recent
    limits: Limits
    circuits: Callable[[], Mapping[str, Circuit]]
    """Targets that are left alone because they failed too often in a row."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of one visitor."""

    request: Request
    session: Session
    api: Api
    words: Words
    form: Form
    behind: Behind

    @property
    def path(self) -> Mapping[str, str]:
        """The names in the page's path."""
        return self.request.path_params

    @property
    def query(self) -> Mapping[str, str]:
        """What stands behind the `?`."""
        return self.request.query_params

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page."""
        return rendered(template, self.request, self.words, self.session, status, values)

    def confirm(
        self,
        question: str,
        action: str,
        verb: str,
        *,
        back: str,
        hidden: Mapping[str, Any],
        details: Sequence[str] = (),
        is_final: bool = True,
    ) -> Response:
        """A page that asks before something is done; then `action` is posted to, with the `hidden` fields."""
        return self.page(
            "confirm.html",
            question=question,
            action=action,
            verb=verb,
            back=back,
            hidden=hidden,
            details=details,
            is_final=is_final,
        )


def to(*path: str, **query: str) -> str:
    """The address of a page."""
    where = "/".join((BASE, *(quote(part, safe="") for part in path)))
    return f"{where}?{urlencode(query)}" if query else where


def go_to(*path: str, **query: str) -> Response:
    """Send the browser to a page, once what it asked for is done."""
    return RedirectResponse(to(*path, **query), 303)


def rendered(
    template: str, request: Request, words: Words, session: Session | None, status: int, values: Mapping[str, Any]
) -> Response:
    """A template with what all of them may use."""
    shared = {
        "_": words,
        "language": words.language,
        "languages": [(code, name, _also(request, code)) for code, name in NAMES.items() if code != words.language],
        "here": request.url.path,
        "query": dict(request.query_params),
        "csrf": session.csrf if session else "",
        "who": session.token.name if session and session.token.secret else "",
        "may_write": session is not None and session.token.may_write,
    }
    response = HTMLResponse(_templates.get_template(template).render({**shared, **values}), status)
    if request.query_params.get("language") == words.language:
        response.set_cookie(COOKIE, words.language, max_age=365 * 86400, path=BASE, samesite="lax")
    return response


def _also(request: Request, language: str) -> str:
    """The same page in another language."""
    return "?" + urlencode({**request.query_params, "language": language})


def _moment(at: str | float | None) -> str:
    """`2026-11-22 15:57:26` in UTC."""
    if at is None:
        return ""
    when = datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at, UTC)
    return when.strftime("%Y-%m-%d %H:%M:%S")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


@cache
def _versioned(name: str) -> str:
    """The address of a static file, another one whenever its content is."""
    return f"{BASE}/static/{name}?{sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {"moment": _moment, "duration": _duration, "pretty": _pretty, "count": "{:,}".format}
_templates.globals |= {"to": to, "static": _versioned}
