"""An event to try a function out with, such as its first trigger would bring. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from ossfn.adapter.cloudevent import attributes
from ossfn.adapter.events import ObjectEvent

_TIME = "2026-01-01T12:00:00.000Z"


def sample_event(triggers: Sequence[Mapping[str, Any]]) -> str:
    """A structured CloudEvent as JSON to be read and changed by a person."""
    trigger = triggers[0] if triggers else {"bucket": "photos", "rule": "sample", "prefix": "", "suffix": ".jpg"}
    key = f"{trigger['prefix']}sample{trigger['suffix']}"
    event = ObjectEvent(
        name="s3:ObjectCreated:Put",
        bucket=trigger["bucket"],
        key=key,
        time=_TIME,
        dialect="aws",
        event_source="aws:s3",
        region="cn-north-1",
        record=msgspec.Raw(b"null"),
    )
    named = attributes(event, "sample", rule=trigger["rule"], generation=0)
    return orjson.dumps({**named, "data": _record(trigger["bucket"], key)}, option=orjson.OPT_INDENT_2).decode()


def _record(bucket: str, key: str) -> dict[str, Any]:
    """As Amazon S3 writes it (event message structure, version 2.1)."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "cn-north-1",
        "eventTime": _TIME,
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 1024, "sequencer": "0055AED6DCD90281E5"}},
    }
