"""What an HTTP status means for a delivery: taken, try again, never try again, or the target is gone. Pure."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from ossfn.adapter.delivery import Accepted, Failed, Gone, Outcome, Refused

# Sources: CloudEvents' http-webhook.md 1.0 (3xx, 410, 415, 429), Standard Webhooks 1.0 (2xx, 410), RFC 9110, RFC 8470.
_AGAIN: dict[int, str] = {
    408: "the target waited too long for the request",
    425: "the target is not ready for it yet",
    429: "the target takes no more at the moment",
    500: "the target failed",
    502: "a gateway got no good answer from the target",
    503: "the target is not available at the moment",
    504: "a gateway got no answer in time from the target",
}
_NEVER: dict[int, str] = {
    400: "the target calls the request malformed",
    401: "the target wants credentials; give them in the target's headers",
    403: "the target forbids it",
    404: "the target has no such address",
    405: "the target takes no POST at this address",
    413: "the event is too large for the target",
    415: "the target does not take this format; choose another for the rule",
    422: "the target has read it and drops it",
}


def outcome_of(status: int, retry_after: str | None, now: float) -> Outcome:
    """What follows from an answer. `retry_after` is the header's value if there was one, `now` in Unix seconds.

    A Retry-After that is neither seconds nor a date is ignored.
    """
    if 200 <= status <= 299:
        return Accepted()
    if 300 <= status <= 399:
        return Refused(_words(status, "redirects are never followed; give the final address as target"))
    if status == 410:
        return Gone(_words(status, "the target wants nothing any more"))
    if status in _AGAIN or 500 <= status <= 599:
        return Failed(_words(status, _AGAIN.get(status, "the target failed")), _seconds(retry_after, now))
    if 400 <= status <= 499:
        return Refused(_words(status, _NEVER.get(status, "the target refuses it")))
    return Refused(f"{status}: not an HTTP status that ends a request")


def _words(status: int, meaning: str) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}: {meaning}"
    except ValueError:
        return f"{status}: {meaning}"


def _seconds(retry_after: str | None, now: float) -> float | None:
    """RFC 9110 10.2.3: a number of seconds or an HTTP date."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
        # An HTTP date is in UTC even in the form that does not say so.
        at = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, at - now)
