"""The console as routes: who may see a page, whose change is taken, and what a browser may do with what it gets."""

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.datastructures import ImmutableMultiDict, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ossfn.adapter.web.api_guard import JSON_BYTES, NOBODY, Token, foreign
from ossfn.adapter.web.console import buckets, deliveries, functions, overview, rules, targets
from ossfn.adapter.web.console.asking import Api, Refused
from ossfn.adapter.web.console.pages import BASE, STATIC, Behind, Form, Visit, rendered, to
from ossfn.adapter.web.console.session import Session, Sessions, is_own
from ossfn.adapter.web.console.words import chosen

Page = Callable[[Visit], Awaitable[Response]]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_PAGES = (overview, buckets, rules, functions, deliveries, targets)


def console_routes(*, api: ASGIApp, behind: Behind, tokens: Sequence[Token], key: bytes) -> list[BaseRoute]:
    """Everything under `/console`; `api` is the JSON API, `tokens` are those that it knows, `key` signs sessions."""
    door = _Door(api, behind, Sessions(key, tokens))
    routes = [
        Mount("/static", _Static(directory=STATIC)),
        Route("/login", door.login, methods=["GET", "POST"]),
        Route("/logout", door.logout, methods=["POST"]),
        *(Route(path, door.opened(page), methods=[method]) for module in _PAGES for method, path, page in module.PAGES),
        Route("/{rest:path}", door.opened(_nowhere)),
    ]
    app = _Headers(Starlette(routes=routes))
    return [Route(BASE, lambda _: RedirectResponse(to(""))), Mount(BASE, app)]


class _Door:
    """Lets visitors in."""

    def __init__(self, api: ASGIApp, behind: Behind, sessions: Sessions) -> None:
        self._api = api
        self._behind = behind
        self._sessions = sessions

    def opened(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """The page, for those who may see it."""

        async def answer(request: Request) -> Response:
            known, form = self._sessions.of(request), await _form(request)
            if known is None and self._sessions.need_token:
                return _to_login(request)
            session = known or self._sessions.open(NOBODY)
            if session.token is NOBODY and (refused := foreign(request.headers)):
                return refused
            if request.method == "POST" and not is_own(request, session, form.get("csrf", "")):
                response = _expired(request, session)
            else:
                response = await self._shown(page, request, session, form)
            if known is None:
                self._sessions.keep(session, request, response)
            return response

        return answer

    async def _shown(self, page: Page, request: Request, session: Session, form: Form) -> Response:
        api = Api(self._api, session.token.secret, request.headers)
        words = chosen(request)
        try:
            return await page(Visit(request, session, api, words, form, self._behind))
        except Refused as no:
            values = {"faults": no.faults, "problem": no.problem}
            return rendered("refused.html", request, words, session, no.status, values)

    async def login(self, request: Request) -> Response:
        """Take a token and open a session."""
        words = chosen(request)
        going = _inside(request.query_params.get("next", ""))
        if request.method == "GET":
            return rendered("login.html", request, words, None, 200, {"wrong": False})
        form = await _form(request)
        token = self._sessions.bearer(form.get("token", ""))
        if token is None or not is_own(request, None, ""):
            return rendered("login.html", request, words, None, 403, {"wrong": True})
        response = RedirectResponse(going, 303)
        self._sessions.keep(self._sessions.open(token), request, response)
        return response

    async def logout(self, request: Request) -> Response:
        """End the session in this browser."""
        session, form = self._sessions.of(request), await _form(request)
        if session and not is_own(request, session, form.get("csrf", "")):
            return _expired(request, session)
        response = RedirectResponse(to("login"), 303)
        self._sessions.forget(response)
        return response


def _to_login(request: Request) -> Response:
    if "hx-request" in request.headers:  # a part of a page, which must not become the login page: htmx loads that whole
        return Response(status_code=401, headers={"hx-redirect": to("login")})
    query = f"?{request.url.query}" if request.url.query else ""
    going = {"next": f"{request.url.path}{query}"} if request.method == "GET" else {}
    return RedirectResponse(to("login", **going), 303)


def _inside(path: str) -> str:
    """Only ever a page of ours."""
    return path if path.startswith(f"{BASE}/") and "\\" not in path else to("")


def _expired(request: Request, session: Session) -> Response:
    return rendered("expired.html", request, chosen(request), session, 403, {})


async def _nowhere(visit: Visit) -> Response:
    return visit.page("nowhere.html", status=404)


async def _form(request: Request) -> Form:
    """The fields of a form that was sent, as browsers send it."""
    if request.method != "POST":
        return ImmutableMultiDict()
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > JSON_BYTES:
            raise HTTPException(413)
    return ImmutableMultiDict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


class _Static(StaticFiles):
    """Files whose address changes with their content, so that browsers may keep them."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """Kept for ever."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they are
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


class _Headers:
    """Puts the rules for browsers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("cache-control", "no-store")
                headers.update(_HEADERS)
            await send(message)

        await self._app(scope, receive, with_headers)
