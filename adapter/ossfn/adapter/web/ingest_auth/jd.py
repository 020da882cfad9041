"""Callbacks as JD Cloud's notification service signs them: RSA with SHA-1 over the request's headers.

Source: JD Cloud OSS, "Setting signature authentication for callback server". More is asked here than it asks of a
receiver: the certificate comes from a configured place, the body is what its MD5 says, the request is not an old one.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from hashlib import md5

from cryptography.hazmat.primitives.hashes import SHA1

from ossfn.adapter.web.ingest_auth.certificates import Certificates, check_signature
from ossfn.adapter.web.ingest_auth.fetching import CannotFetch, Fetch, origin_of
from ossfn.adapter.web.ingest_auth.guard import Posted, Refused, check_age

_CERTIFICATE = "x-jdcloud-signing-cert-url"


class JdGuard:
    """Takes what is signed with a certificate from one of `origins`, and dated within the window around now."""

    def __init__(self, fetch: Fetch, origins: Sequence[str], window_seconds: float, clock: Callable[[], float]) -> None:
        self._certificates = Certificates(fetch, clock)
        self._origins = frozenset(origin_of(origin) for origin in origins)
        self._window_seconds = window_seconds
        self._clock = clock

    async def check(self, posted: Posted) -> None:
        """Raises Refused."""
        self._check_date(posted.headers.get("date", ""))
        _check_body(posted.headers.get("content-md5", ""), posted.body)
        key = await self._certificates.key(self._certificate_url(posted.headers))
        check_signature(key, posted.headers.get("authorization", ""), signed_text(posted), SHA1())  # noqa: S303 - JD's choice

    def _check_date(self, date: str) -> None:
        try:
            signed_at = parsedate_to_datetime(date).timestamp()
        except (ValueError, OverflowError):
            raise Refused(403, "DateNotAccepted", f"the Date header is no date: {date[:64]!r}") from None
        check_age(self._clock() - signed_at, self._window_seconds)

    def _certificate_url(self, headers: Mapping[str, str]) -> str:
        try:
            # The documentation's sample ends with a line break.
            url = b64decode(headers.get(_CERTIFICATE, ""), validate=True).decode("ascii").strip()
            origin = origin_of(url)
        except (ValueError, CannotFetch):
            raise Refused(403, "CertificateNotTrusted", f"{_CERTIFICATE} holds no URL in base64") from None
        if origin not in self._origins:
            raise Refused(
                403, "CertificateNotTrusted", f"certificates from {origin} are not trusted: see certificate_origins"
            )
        return url


def signed_text(posted: Posted) -> bytes:
    """What is signed; the lines of JD's own headers sorted as its Java sample does."""
    given = posted.headers
    own = sorted(f"{name}:{value.strip()}\n" for name, value in given.items() if name.startswith("x-jdcloud-"))
    first = (
        posted.method,
        given.get("content-md5", ""),
        given.get("content-type", "").lower(),
        given.get("date", ""),
    )
    return ("\n".join(first) + "\n" + "".join(own) + posted.target).encode("latin-1")  # the bytes as they came


def _check_body(content_md5: str, body: bytes) -> None:
    digest = md5(body, usedforsecurity=False)
    # The samples hold base64 of the hexadecimal digits; RFC 1864 has base64 of the bytes.
    fitting = (b64encode(digest.hexdigest().encode()), b64encode(digest.digest()))
    if content_md5.encode() not in fitting:
        raise Refused(403, "BodyDoesNotMatch", "Content-MD5 is not that of the body, which is signed by nothing else")
