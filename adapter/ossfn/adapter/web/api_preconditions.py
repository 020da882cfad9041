"""Changes only of what the client has seen: `If-Match` and `If-None-Match` against what an answer's `ETag` named."""

import hashlib
from typing import Annotated, Literal

from fastapi import Depends, Header, Response

from ossfn.adapter.web.api_parts import FunctionsPart, RegistryPart
from ossfn.functions.model import Function
from ossfn.trigger_registry.errors import NoSuchBucket, NoSuchCallback, PreconditionFailed
from ossfn.trigger_registry.rules import Bucket, NamedCallback


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
    _must_match(if_match, _etag(now), f"Bucket {bucket}")
    return now.generation


def _must_match(if_match: str, etag: str, what: str) -> None:
    if not {"*", etag}.intersection(given.strip() for given in if_match.split(",")):
        raise PreconditionFailed(f"{what} has ETag {etag}, not {if_match}; read it again.")


def tag_of(thing: Function | NamedCallback) -> str:
    """The `ETag` of a function or of a named callback: another one after each change."""
    return f'"{hashlib.blake2b(repr(thing).encode(), digest_size=8).hexdigest()}"'


_Header = Annotated[str | None, Header(description="Its `ETag`; 412 when it has changed since.")]


def _function(name: str, functions: FunctionsPart, if_match: _Header = None) -> Function | None:
    """The function that a change must find; None: any. Raises PreconditionFailed."""
    if if_match is None:
        return None
    now = next((each for each in functions.list() if each.name == name), None)
    if now is None:
        raise PreconditionFailed(f"There is no function {name}, so If-Match cannot hold.")
    _must_match(if_match, tag_of(now), f"Function {name}")
    return now


def _callback(name: str, registry: RegistryPart, if_match: _Header = None) -> NamedCallback | None:
    """The named callback that a change must find; None: any. Raises PreconditionFailed."""
    if if_match is None:
        return None
    try:
        now = registry.callback(name)
    except NoSuchCallback:
        raise PreconditionFailed(f"There is no callback {name}, so If-Match cannot hold.") from None
    _must_match(if_match, tag_of(now), f"Callback {name}")
    return now


FunctionIfMatch = Annotated[Function | None, Depends(_function)]
CallbackIfMatch = Annotated[NamedCallback | None, Depends(_callback)]


IfMatch = Annotated[int | None, Depends(_generation)]

IfNoneMatch = Annotated[Literal["*"] | None, Header(alias="If-None-Match", description="`*`: only if it is new.")]
