"""Events made up on the command line: the options that say which, and the bytes they become."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer


class Event(StrEnum):
    """What happened; the names are those of `ossfn.functions.examples`, which is imported when it is needed."""

    put = "put"
    post = "post"
    copy = "copy"
    multipart = "multipart"
    delete = "delete"


class Store(StrEnum):
    """Whose event it is."""

    aws = "aws"
    minio = "minio"
    ceph = "ceph"
    jd = "jd"
    aliyun = "aliyun"
    tencent = "tencent"


EventOption = Annotated[Event | None, typer.Option(help="Make up an event: what happened to the object.")]
StoreOption = Annotated[Store, typer.Option(help="The store whose event it is.")]
BucketOption = Annotated[str, typer.Option(help="Its bucket.")]
KeyOption = Annotated[str, typer.Option(help="Its key, in plain characters.")]
SizeOption = Annotated[int, typer.Option(help="Its size in bytes.")]


def made_event(event: Event, store: Store, bucket: str, key: str, size: int, *, notification: bool = False) -> bytes:
    """The CloudEvent that a function gets of it, or what the store sends."""
    from ossfn.functions import examples

    now = datetime.now(UTC)
    example = examples.Example(
        store=store.value,
        happening=event.value,
        bucket=bucket,
        key=key,
        size=size,
        moment=now,
        number=int(now.timestamp() * 1000),
    )
    made = examples.notification(example) if notification else examples.cloud_event(example)
    return json.dumps(made, indent=2, ensure_ascii=False).encode()


def content_type(body: bytes) -> dict[str, str]:
    """The header that says what a body is: a structured CloudEvent, or JSON."""
    try:
        event = json.loads(body)
    except ValueError:
        raise typer.BadParameter("the body is not JSON") from None
    is_event = isinstance(event, dict) and "specversion" in event
    return {"content-type": "application/cloudevents+json" if is_event else "application/json"}
