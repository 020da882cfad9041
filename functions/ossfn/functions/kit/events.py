"""An object event as a handler wants it: typed, the key in plain characters, whichever store it came from."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Protocol
from urllib.parse import quote, unquote_plus

from pydantic import BaseModel, ConfigDict, Field

from ossfn.functions.kit.answers import Drop

TYPE = "com.amazonaws.s3."
"""What the types of object events begin with, by the CloudEvents adapter for Amazon S3."""

_PLAIN_KEYS = {"ceph:s3"}
"""Values of `eventSource` whose records hold the key as it is; in all others it is form-encoded."""

_LEFT_IN_HEADERS = "!#$&'()*+,/:;<=>?@[\\]^`{|}~"
"""CloudEvents HTTP binding 3.1.3.2: of printable ASCII, only space, `"` and `%` are percent-encoded in a header."""


class Body(Protocol):
    """The bytes of an object; close it, or use it in a `with` block."""

    def read(self, amt: int | None = None) -> bytes:
        """So many bytes, or all that are left."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...

    def __enter__(self) -> "Body": ...

    def __exit__(self, *error: object) -> None: ...


class ObjectEvent(BaseModel):
    """Something happened to an object. A field that the store did not tell is None, or empty."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Of the CloudEvent: with `source` the same each time this event is delivered."""
    source: str
    name: str
    """`s3:ObjectCreated:Put`, always with `s3:` in front."""
    bucket: str
    key: str
    """In plain characters."""
    time: datetime | None = None
    size: int | None = None
    """Bytes."""
    etag: str | None = None
    version_id: str | None = None
    sequencer: str | None = None
    """Hexadecimal; of two events about one key the later has the higher one, once the shorter is padded with zeros."""
    store: str = ""
    """The record's `eventSource`: `aws:s3`, `minio:s3`, `ceph:s3`, `oss` …"""
    region: str = ""
    rule: str = ""
    """Name of the rule that sent it here."""
    metadata: dict[str, str] = Field(default_factory=dict)
    """User metadata where the store tells it, names in lower case without `x-amz-meta-`."""
    hops: int = 0
    """How many functions' writes led to this event."""
    record: dict[str, Any] = Field(default_factory=dict, repr=False)
    """The store's own record, as it came."""

    def open(self) -> Body:
        """The object's bytes from the store that boto3 finds in the environment (AWS_ENDPOINT_URL_S3 and the keys).

        Raises botocore's ClientError when it is gone by now.
        """
        version = {"VersionId": self.version_id} if self.version_id not in (None, "", "null") else {}
        body: Body = _s3().get_object(Bucket=self.bucket, Key=self.key, **version)["Body"]
        return body

    def hop(self) -> dict[str, str]:
        """Metadata for an object that the handler writes: `put_object(…, Metadata=event.hop())`.

        It lets ossfn end the loop of a function that is triggered by what it wrote itself.
        """
        return {"ossfn-hops": str(self.hops + 1)}

    @classmethod
    def read(cls, event: Any) -> "ObjectEvent":
        """The object event in a CloudEvent of the CloudEvents SDK; raises Drop when it is about no object."""
        return cls.of(event.get_attributes(), event.get_data())

    @classmethod
    def of(cls, attributes: Mapping[str, Any], data: Any) -> "ObjectEvent":
        """The same, of a CloudEvent's parts."""
        try:
            return _read(attributes, data)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise Drop(f"no object event: {attributes.get('type')}: {type(error).__name__} {error}") from error


def _read(attributes: Mapping[str, Any], record: dict[str, Any]) -> ObjectEvent:
    s3 = record["s3"]
    thing = s3["object"]
    metadata = _metadata(thing)
    kind = str(attributes["type"])
    name = kind.removeprefix(TYPE) if kind.startswith(TYPE) else record["eventName"]
    return ObjectEvent(
        id=attributes["id"],
        source=attributes["source"],
        name=f"s3:{name.removeprefix('s3:')}",
        bucket=s3["bucket"]["name"],
        key=_key(thing["key"], record.get("eventSource"), s3["bucket"]["name"], attributes.get("partitionkey")),
        # The SDK says "now" for want of a time; the record then says nothing, too.
        time=attributes.get("time") if record.get("eventTime", True) else None,
        size=thing.get("size"),
        etag=thing.get("eTag") or None,
        version_id=thing.get("versionId") or None,
        sequencer=thing.get("sequencer") or None,
        store=record.get("eventSource") or "",
        region=record.get("awsRegion") or "",
        rule=attributes.get("ossrule") or "",
        metadata=metadata,
        hops=max(int(attributes.get("osshops") or 0), _number(metadata.get("ossfn-hops", ""))),
        record=record,
    )


def _key(raw: str, store: str | None, bucket: str, partition: str | None) -> str:
    """By the store's rule; but some stores spell keys plainly and do not say so.

    ossfn knows them by the way they came in, and its partition key tells: it is `bucket/key`, plain. (In binary mode it
    is percent-encoded, and the CloudEvents SDK of functions-framework leaves it so.)
    """
    decoded = raw if store in _PLAIN_KEYS else unquote_plus(raw, errors="strict")
    as_header = quote(f"{bucket}/{decoded}", _LEFT_IN_HEADERS)
    return raw if partition == f"{bucket}/{raw}" != as_header else decoded


def _metadata(thing: Mapping[str, Any]) -> dict[str, str]:
    """A mapping from MinIO, a list of pairs from Ceph, nothing from Amazon."""
    given = thing.get("userMetadata") or thing.get("metadata") or {}
    pairs = given.items() if isinstance(given, dict) else [(pair["key"], pair["val"]) for pair in given]
    lower = [(name.lower(), str(value)) for name, value in pairs]
    return {name.removeprefix("x-amz-meta-"): value for name, value in lower if name.startswith("x-amz-meta-")}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


@cache
def _s3() -> Any:
    try:
        import boto3
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("event.open() needs boto3: add it to requirements.txt") from error
    return boto3.client("s3")
