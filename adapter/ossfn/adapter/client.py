"""Asks a running service over its JSON API: one request, one answer, or the reason why there is none."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

# The standard library's client: importing httpx takes as long as everything else that a command does. It knows no
# proxies either, and none should stand between an operator and the service.

Query = Mapping[str, str | int | float | list[str] | None]
"""Query parameters; None leaves one out, a list repeats it."""


class NoService(Exception):
    """Nothing that speaks HTTP answers there; the text says where and why."""


class Refused(Exception):
    """The service said no.

    `faults` are its problem's (RFC 9457), at least one, each with a `message`; `more` are lines that go with them: what
    a function that does not start wrote last, or what still uses a thing that was to be removed.
    """

    def __init__(self, status: int, faults: list[dict[str, Any]], more: Sequence[str] = ()) -> None:
        super().__init__("\n".join(fault["message"] for fault in faults))
        self.status = status
        self.faults = faults
        self.more = more


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered to a request that it fulfilled."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        """The body, decoded. Raises: NoService when something else than ossfn has answered."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise NoService("What answers there is no ossfn: it does not speak JSON") from None


class Client:
    """One service at `url`, with its bearer token where it has one. Opens a connection for each request."""

    def __init__(self, url: str, token: str = "") -> None:
        """Raises: NoService when `url` is none."""
        try:
            parts = urlsplit(url)
            is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_address = False
        if not is_address:
            raise NoService(f"{url!r} is not the address of a service, like http://127.0.0.1:8450")
        self.url = url.rstrip("/")
        self._connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._place = parts.netloc.rpartition("@")[2]
        self._base = parts.path.rstrip("/")
        self._token = token

    def get(self, path: str, query: Query | None = None) -> Answer:
        """Read something. Raises: NoService, Refused."""
        return self.request("GET", path, query=query)

    def send(
        self,
        method: str,
        path: str,
        content: object = None,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Change something, with JSON as the body unless `content` is None. Raises: NoService, Refused."""
        if content is None:
            return self.request(method, path, query=query, headers=headers)
        body = json.dumps(content).encode()
        return self.request(
            method, path, body, query=query, headers={"content-type": "application/json", **(headers or {})}
        )

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 60.0,
    ) -> Answer:
        """One request with any body. Raises: NoService, Refused."""
        connection = self._connect(self._place, timeout=timeout_seconds)
        try:
            connection.request(method, self._base + path + encoded(query), body, self._headers(headers))
            response = connection.getresponse()
            answer = Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        except ValueError:  # its text would show the token
            raise NoService(f"{self.url} cannot be asked: the host name, the token or a header is malformed") from None
        except (OSError, HTTPException) as fault:
            raise NoService(f"{self.url} does not answer: {_reason(fault)}") from None
        finally:
            connection.close()
        if answer.status >= 300:
            raise refused(answer)
        return answer

    def _headers(self, more: Mapping[str, str] | None) -> dict[str, str]:
        own = {"authorization": f"Bearer {self._token}"} if self._token else {}
        return {"accept": "application/json", **own, **(more or {})}


def api(*parts: str) -> str:
    """The path of something under the JSON API; `:` stays, as in `deliveries:redeliver`."""
    return "/api/v1/" + "/".join(quote(part, safe=":", errors="surrogateescape") for part in parts)


def encoded(query: Query | None) -> str:
    """A query string with its question mark; empty when nothing is asked for."""
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return "?" + urlencode(given, doseq=True, errors="surrogateescape") if given else ""


def refused(answer: Answer) -> Refused:
    """The refusal that an answer is, also when something else than the service has written it."""
    try:
        problem = json.loads(answer.body)
        detail = str(problem["detail"])
    except (ValueError, TypeError, KeyError):
        text = answer.body[:200].decode(errors="replace").strip()
        return Refused(answer.status, [{"message": f"HTTP status {answer.status}: {text or 'no more was said'}"}])
    faults = [fault for fault in problem.get("faults") or [] if fault.get("message")]
    return Refused(answer.status, faults or [{"message": detail}], problem.get("tail") or problem.get("users") or ())


def _reason(fault: Exception) -> str:
    if isinstance(fault, OSError):
        return fault.strerror or str(fault)
    return str(fault) or type(fault).__name__
