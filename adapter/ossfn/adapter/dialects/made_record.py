"""For stores that send a shape of their own: the same happening as an S3 record (version 2.1), and its ObjectEvent.

The record's key is form-encoded as Amazon's, so that whoever reads `data` by Amazon's rule reads the right key. What
the store sent stands whole beside it under `original`.
"""

from dataclasses import dataclass, field
from urllib.parse import quote_plus

import orjson
from msgspec import Raw

from ossfn.adapter.dialects.fields import check_key, real
from ossfn.adapter.events import ObjectEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What a dialect found out; `key` is plain, `time` RFC 3339 in UTC, `name` has `s3:` in front."""

    name: str
    bucket: str
    key: str
    time: str = ""
    region: str = ""
    size: int | None = None
    etag: str | None = None
    version_id: str | None = None
    sequencer: str | None = None
    request_id: str | None = None
    content_type: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    configuration_id: str = ""
    principal: str = ""
    """Who did it."""
    owner: str = ""
    """Whose bucket it is."""
    address: str = ""
    """The IP address that the request came from."""


def make(
    happening: Happening, *, dialect: str, event_source: str, original: bytes | Raw, key_place: str
) -> ObjectEvent:
    """The event, with an S3 record made from it; NotDecodable (at `key_place`) when no store can hold that key."""
    check_key(happening.key, key_place)
    raw_name = happening.name.removeprefix("s3:")
    raw_key = quote_plus(happening.key, safe="/")
    record = _record(happening, event_source, raw_name, raw_key, original)
    return ObjectEvent(
        name=happening.name,
        bucket=happening.bucket,
        key=happening.key,
        time=happening.time,
        dialect=dialect,
        event_source=event_source,
        record=Raw(orjson.dumps(record)),
        region=happening.region,
        raw_key=raw_key,
        raw_name=raw_name,
        size=happening.size,
        etag=happening.etag or None,
        version_id=real(happening.version_id),
        sequencer=real(happening.sequencer),
        request_id=real(happening.request_id),
        content_type=happening.content_type or None,
        metadata=happening.metadata,
    )


def _record(
    happening: Happening, event_source: str, raw_name: str, raw_key: str, original: bytes | Raw
) -> dict[str, object]:
    return {
        "eventVersion": "2.1",
        "eventSource": event_source,
        "awsRegion": happening.region,
        "eventTime": happening.time,
        "eventName": raw_name,
        "userIdentity": {"principalId": happening.principal},
        "requestParameters": {"sourceIPAddress": happening.address},
        "responseElements": {"x-amz-request-id": happening.request_id or ""},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": happening.configuration_id,
            "bucket": {
                "name": happening.bucket,
                "ownerIdentity": {"principalId": happening.owner},
                "arn": f"arn:aws:s3:::{happening.bucket}",
            },
            "object": {"key": raw_key, **_known(happening)},
        },
        "original": orjson.Fragment(bytes(original)),
    }


def _known(happening: Happening) -> dict[str, object]:
    """Of the object, what the store told; a field that it does not have is left out, as Amazon does."""
    members = {
        "size": happening.size,
        "eTag": happening.etag,
        "versionId": happening.version_id,
        "sequencer": happening.sequencer,
        "contentType": happening.content_type,
        "userMetadata": {f"x-amz-meta-{name}": value for name, value in happening.metadata.items()},
    }
    return {name: value for name, value in members.items() if value not in (None, "", {})}
