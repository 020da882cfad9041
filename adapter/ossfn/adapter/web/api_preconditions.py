"""Changes only of what the client has seen: `If-Match` and `If-None-Match` against a bucket's generation."""

from typing import Annotated, Literal

from fastapi import Depends, Header, Response

from ossfn.adapter.web.api_parts import RegistryPart
from ossfn.trigger_registry.errors import NoSuchBucket, PreconditionFailed
from ossfn.trigger_registry.rules import Bucket


def tag(response: Response, bucket: Bucket) -> None:
    """Name the bucket's generation in the answer's `ETag`, for a later `If-Match`."""
    response.headers["ETag"] = _etag(bucket)


def _etag(bucket: Bucket) -> str:
    return f'"{bucket.generation}"'


def _generation(
    bucket: str,
    registry: RegistryPart,
    if_match: Annotated[str | None, Header(description="The bucket's `ETag`; 412 when it has changed since.")] = None,
) -> int | None:
    """The generation that a change must find; None: any. Raises PreconditionFailed."""
    if if_match is None:
        return None
    registry.refresh()  # the tag may come from another process, a moment ago
    try:
        now = registry.bucket(bucket)
    except NoSuchBucket:
        raise PreconditionFailed(f"There is no bucket {bucket}, so If-Match cannot hold.") from None
    if not {"*", _etag(now)}.intersection(given.strip() for given in if_match.split(",")):
        raise PreconditionFailed(f"Bucket {bucket} has ETag {_etag(now)}, not {if_match}; read it again.")
    return now.generation


IfMatch = Annotated[int | None, Depends(_generation)]

IfNoneMatch = Annotated[Literal["*"] | None, Header(alias="If-None-Match", description="`*`: only if it is new.")]
