"""A secret that the sender shows with each request: as bearer token, or as the password of basic authentication."""

import hmac
from base64 import b64decode


def carries(authorization: str, token: str) -> bool:
    """Whether an `Authorization` header shows this token; takes as long for a wrong one as for the right one."""
    kind, _, given = authorization.partition(" ")
    match kind.lower():
        case "bearer":
            shown = given.removeprefix("Bearer ").encode("latin-1")  # MinIO puts its own before a token that has one
        case "basic":
            shown = _password(given)
        case _:
            return False
    return hmac.compare_digest(shown.strip(), token.encode())


def _password(credentials: str) -> bytes:
    try:
        return b64decode(credentials, validate=True).partition(b":")[2]
    except ValueError:
        return b""
