"""An object event as CloudEvents 1.0 over HTTP, by the `aws-s3` adapter table of the CloudEvents specification. Pure.

Built by hand: the record is JSON already, and the SDK takes fifty times as long. Tests read the result with the SDK.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Literal
from urllib.parse import quote

import orjson

from ossfn.adapter.events import ObjectEvent, hops_of, identity

Mode = Literal["safe", "strict"]
"""`strict` is the table to the letter, whose ids are not unique: all keys of one DeleteObjects share one.

`safe` makes ids unique within their source, puts the decoded key into `subject` and never has `s3:` in `type`.
"""

Attributes = dict[str, str | int]
Headers = list[tuple[str, str]]

STRUCTURED = "application/cloudevents+json; charset=utf-8"
BATCH = "application/cloudevents-batch+json; charset=utf-8"

SEQUENCER_WIDTH = 32
"""Sequencers compare once the shorter is padded on the right with zeros; MinIO and Ceph send 16 digits, Amazon 18."""

_TYPE = "com.amazonaws.s3."
_NOT_ENCODED = "!#$&'()*+,/:;<=>?@[\\]^`{|}~-._"
"""HTTP binding 3.1.3.2: of U+0021 to U+007E only `"` and `%` are percent-encoded; all else is."""
_traceparent = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").fullmatch
_tracestate = re.compile(r"[ -~]{1,512}").fullmatch
_plain = re.compile(rf"[{re.escape(_NOT_ENCODED)}0-9A-Za-z]*").fullmatch


def attributes(event: ObjectEvent, event_id: str, *, rule: str, generation: int, mode: Mode = "safe") -> Attributes:
    """Every context attribute of an event, the same at each attempt; `event_id` is ours, for want of an identity."""
    strict = mode == "strict"
    named: Attributes = {
        "specversion": "1.0",
        "id": _strict_id(event, event_id) if strict else _safe_id(event, event_id),
        "source": f"{event.event_source}.{event.region}.{event.bucket}",
        "type": _TYPE + (event.raw_name if strict else event.name.removeprefix("s3:")),
        "subject": event.raw_key if strict else event.key,
        "datacontenttype": "application/json",
        "partitionkey": f"{event.bucket}/{event.key}",
        "ossrule": rule,
        "ossgeneration": generation,
        "osshops": hops_of(event),
    }
    if event.time:
        named["time"] = event.time
    if event.sequencer:
        named["sequencer"] = event.sequencer.upper().ljust(SEQUENCER_WIDTH, "0")
    if event.metadata:
        named.update(trace_context(event.metadata))
    return named


def trace_context(given: Mapping[str, str]) -> dict[str, str]:
    """Of headers or metadata `traceparent` and `tracestate`, where they are what W3C Trace Context says."""
    parent, state = given.get("traceparent", ""), given.get("tracestate", "")
    if not _traceparent(parent):
        return {}
    return {"traceparent": parent, "tracestate": state} if _tracestate(state) else {"traceparent": parent}


def structured(named: Attributes, record: bytes) -> bytes:
    """The event as one JSON document; send it as `STRUCTURED`."""
    return orjson.dumps({**named, "data": orjson.Fragment(record)})


def binary(named: Attributes) -> Headers:
    """The event's headers; its body is the bare record."""
    return [
        ("content-type", str(value)) if name == "datacontenttype" else (f"ce-{name}", _header_value(str(value)))
        for name, value in named.items()
    ]


def batch(events: Sequence[bytes]) -> bytes:
    """Structured events as one JSON array; send it as `BATCH`."""
    return b"[" + b",".join(events) + b"]"


def _header_value(text: str) -> str:
    return text if _plain(text) else quote(text, _NOT_ENCODED)


def _safe_id(event: ObjectEvent, event_id: str) -> str:
    same = identity(event)
    if same is None:
        return event_id
    digest = blake2b(same.encode(), digest_size=8).hexdigest()
    return ".".join(part for part in (event.request_id, event.host_id, digest) if part)


def _strict_id(event: ObjectEvent, event_id: str) -> str:
    if not event.request_id and not event.host_id:
        return event_id
    return f"{event.request_id or ''}.{event.host_id or ''}"
