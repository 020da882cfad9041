"""How an operator wants callbacks to be called: secrets, headers, certificates and times, by patterns of their URLs."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import httpx

from ossfn.adapter.senders.endpoint import Endpoint
from ossfn.adapter.settings import CallbackSettings
from ossfn.adapter.signing import Signer


class Callbacks:
    """Makes the Endpoint of a callback. Of the patterns that match its URL the longest counts, alone."""

    def __init__(self, settings: Mapping[str, CallbackSettings], *, origin: str, timeout_seconds: float) -> None:
        self._origin = ("WebHook-Request-Origin", origin)
        self._timeout_seconds = timeout_seconds
        longest_first = sorted(settings, key=len, reverse=True)
        self._templates = [(pattern, self._template(settings[pattern])) for pattern in longest_first]
        self._other = self._template(CallbackSettings.model_validate({}))
        self.endpoint = lru_cache(maxsize=4096)(self._endpoint)

    def _endpoint(self, url: str) -> Endpoint:
        """How to call this callback."""
        found = (template for pattern, template in self._templates if matches(pattern, url))
        return replace(next(found, self._other), url=url)

    def _template(self, settings: CallbackSettings) -> Endpoint:
        headers = tuple((name, value.get_secret_value()) for name, value in settings.headers.items())
        secrets = [secret.get_secret_value() for secret in settings.secrets]
        return Endpoint(
            "",
            settings.timeout_seconds or self._timeout_seconds,
            connect_seconds=settings.connect_seconds,
            read_seconds=settings.read_seconds,
            headers=(self._origin, *headers),
            signer=Signer(secrets) if secrets else None,
            tls=settings.tls(),
        )


def matches(pattern: str, url: str) -> bool:
    """Whether a URL is the pattern, or begins with what stands before its `*`, however either is spelled."""
    if pattern == "*":
        return True
    try:
        address = _spelled_out(url)
    except httpx.InvalidURL:
        return False
    stem = _spelled_out(pattern.removesuffix("*"))
    return address.startswith(stem) if pattern.endswith("*") else address == stem


def _spelled_out(url: str) -> str:
    """Without default port and dot segments, host in lower case, path encoded and never empty."""
    parsed = httpx.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}{parsed.raw_path.decode('ascii')}"
