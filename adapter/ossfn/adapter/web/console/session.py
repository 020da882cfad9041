"""Who looks at the console: a signed cookie after a token was given, and a secret that every change must bear."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from ossfn.adapter.web.api_guard import NOBODY, Token

SECONDS = 12 * 3600
"""So long a session lasts."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who may look; `csrf` stands in every form and nowhere else."""

    token: Token
    csrf: str = field(repr=False)


class Sessions:
    """Opens sessions and knows them again; nothing about them is kept here."""

    def __init__(self, key: bytes, tokens: Sequence[Token]) -> None:
        """`key` signs. Without tokens everybody who reaches the console has a session."""
        self._serializer = URLSafeTimedSerializer(key)
        self._tokens = tokens or (NOBODY,)
        self.need_token = bool(tokens)
        # Cookies do not tell ports apart: two services on one machine must not take each other's.
        self._cookie = f"ossfn_{sha256(key).hexdigest()[:8]}"

    def bearer(self, secret: str) -> Token | None:
        """Whose token this is."""
        given = secret.strip().encode()
        found = [token for token in self._tokens if hmac.compare_digest(given, token.secret.encode())]
        return found[0] if found and given else None

    def of(self, request: Request) -> Session | None:
        """The session that a request belongs to."""
        cookie = request.cookies.get(self._cookie, "")
        for token in self._tokens:
            try:
                csrf = self._serializer.loads(cookie, max_age=SECONDS, salt=_salt(token))
            except BadData:
                continue
            return Session(token, str(csrf))
        return None

    def open(self, token: Token) -> Session:
        """A new session."""
        return Session(token, secrets.token_urlsafe(24))

    def keep(self, session: Session, request: Request, response: Response) -> None:
        """Let the browser remember it."""
        response.set_cookie(
            self._cookie,
            str(self._serializer.dumps(session.csrf, salt=_salt(session.token))),
            max_age=SECONDS,
            path="/console",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )

    def forget(self, response: Response) -> None:
        """Let the browser forget it."""
        response.delete_cookie(self._cookie, path="/console")


def _salt(token: Token) -> bytes:
    """Signed with the token's own secret too, so that a session ends when its token is changed or taken away."""
    return f"{token.name}\n{token.secret}".encode()


def is_own(request: Request, session: Session | None, csrf: str) -> bool:
    """Whether a change comes from a page of ours, opened in this session."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        return False
    return session is None or hmac.compare_digest(csrf.encode(), session.csrf.encode())
