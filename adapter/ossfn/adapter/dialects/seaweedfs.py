"""SeaweedFS's filer webhook: what happened to a file under `/buckets/`, told as the filer sees it.

Sources: SeaweedFS `filer.notification` (webhook) and bodies of 4.48. The filer tells of directories, upload parts and
its own bookkeeping too; those are ignored. It does not tell Put, Post and Copy apart: all are `s3:ObjectCreated:Put`.
Keys are plain, but SeaweedFS has turned `\\` into `/` and `//` into `/` before it tells.
"""

from base64 import b64decode
from datetime import UTC, datetime, timedelta

import msgspec

from ossfn.adapter.dialects.decoded import Decoded, NotDecodable
from ossfn.adapter.dialects.fields import Size, Text, rfc_3339, user_metadata
from ossfn.adapter.dialects.made_record import Happening, make
from ossfn.adapter.dialects.notification import Notification, fields
from ossfn.adapter.events import ObjectEvent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CREATED, _COMPLETED, _REMOVED = (
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete",
)


class _Attributes(msgspec.Struct, frozen=True):
    file_size: Size = 0
    mtime: int = 0
    """Unix seconds."""
    mtime_ns: int = 0
    """The part of a second."""
    mime: str = ""
    md5: str = ""
    """Base64; a directory has one only when somebody put an object whose key ends in `/`."""


class _Chunk(msgspec.Struct, frozen=True):
    size: int = 0
    modified_ts_ns: int = 0
    e_tag: str = ""


class _Entry(msgspec.Struct, frozen=True):
    name: Text
    is_directory: bool = False
    chunks: tuple[_Chunk, ...] = ()
    attributes: _Attributes = _Attributes()
    extended: dict[str, str] = {}
    """Headers and bookkeeping; values in base64."""


class _Message(msgspec.Struct, frozen=True):
    old_entry: _Entry | None = None
    new_entry: _Entry | None = None
    new_parent_path: str = ""


class _Body(msgspec.Struct, frozen=True):
    event_type: Text
    key: Text
    """The path, `/buckets/<bucket>/<key>`; of a rename, the old one."""
    message: _Message


_Change = tuple[str, str, _Entry]
"""Event name, path, entry."""

_read = msgspec.json.Decoder(_Body)


def decode(notification: Notification) -> Decoded:
    """One event; two for a rename; none for what is no object."""
    events: list[ObjectEvent] = []
    ignored: list[str] = []
    for name, path, entry in _changes(fields(_read, notification.body)):
        bucket, key = _place(path, entry)
        if reason := _ignored(name, bucket, key, entry):
            ignored.append(f"{path}: {reason}")
        else:
            events.append(_event(name, bucket, key, entry, notification.body))
    return Decoded(tuple(events), tuple(ignored))


def _changes(body: _Body) -> list[_Change]:
    """What became of which file; an update that wrote nothing has an empty event name."""
    old, new = body.message.old_entry, body.message.new_entry
    if new is None:
        if old is None:
            raise NotDecodable("message", "neither old_entry nor new_entry")
        return [(_REMOVED, body.key, old)]
    created = _COMPLETED if "X-Seaweedfs-Upload-Id" in new.extended else _CREATED
    new_path = f"{body.message.new_parent_path}/{new.name}" if body.message.new_parent_path else body.key
    if old is None:
        return [(created, new_path, new)]
    if new_path != body.key:
        return [(_REMOVED, body.key, old), (_CREATED, new_path, new)]
    # Tags, retention and the like change neither; copying an object onto itself gives it a new time.
    written = (old.chunks, old.attributes) != (new.chunks, new.attributes)
    return [(created if written else "", new_path, new)]


def _place(path: str, entry: _Entry) -> tuple[str, str]:
    """Bucket and key; both empty outside `/buckets/`."""
    if not path.startswith("/buckets/"):
        return "", ""
    bucket, _, key = path.removeprefix("/buckets/").partition("/")
    return bucket, f"{key}/" if key and entry.is_directory else key


def _ignored(name: str, bucket: str, key: str, entry: _Entry) -> str:
    """Why this is no event of an object; empty when it is one."""
    if not bucket or bucket.startswith("."):
        return "not in a bucket"
    if not key:
        return "the bucket itself"
    if key.startswith(".uploads/"):
        return "a part of an upload that is not complete"
    if ".versions/" in key:
        return "SeaweedFS's store of old versions"
    if entry.is_directory and not entry.attributes.md5:
        return "a directory"
    return "" if name else "only its metadata changed"


def _event(name: str, bucket: str, key: str, entry: _Entry, original: bytes) -> ObjectEvent:
    headers = {name: text for name, value in entry.extended.items() if (text := _text(value)) is not None}
    happening = Happening(
        name=name,
        bucket=bucket,
        key=key,
        time="" if name == _REMOVED else _time(entry.attributes),  # of a removal the filer tells no time
        size=entry.attributes.file_size,
        etag=headers.get("Seaweed-X-Amz-ETag"),
        content_type=entry.attributes.mime,
        metadata=user_metadata(headers.items()),
        owner=headers.get("Seaweed-X-Amz-Owner", ""),
    )
    return make(happening, dialect="seaweedfs", event_source="seaweedfs", original=original, key_place="key")


def _time(attributes: _Attributes) -> str:
    try:
        moment = _EPOCH + timedelta(seconds=attributes.mtime, microseconds=attributes.mtime_ns // 1000)
    except OverflowError as error:
        raise NotDecodable("message.new_entry.attributes.mtime", "not a time") from error
    return rfc_3339(moment)


def _text(value: str) -> str | None:
    """An extended attribute; None for one that is no text, which SeaweedFS may keep there too."""
    try:
        return b64decode(value, validate=True).decode()
    except ValueError:
        return None
