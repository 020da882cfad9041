"""Says in a chat what happened in a bucket, by the incoming webhook that chats have."""

import os

import httpx

from ossfn.functions import Drop, ObjectEvent, RetryLater, object_event, once

WEBHOOK_URL = os.environ["WEBHOOK_URL"]
TEXT = os.environ.get("TEXT", "{name} {bucket}/{key} ({size} bytes)")


@object_event
@once
async def notifier(event: ObjectEvent) -> None:
    """Post one message per event, however often the event is delivered.

    While the chat thinks about it, other events are posted: the handler is async.
    """
    message = {"text": TEXT.format(name=event.name, bucket=event.bucket, key=event.key, size=event.size or 0)}
    async with httpx.AsyncClient(timeout=10) as chat:
        answer = await chat.post(WEBHOOK_URL, json=message)
    if answer.status_code == 429:
        raise RetryLater(float(answer.headers.get("retry-after", "30")), "the chat wants it slower")
    if 400 <= answer.status_code < 500:
        raise Drop(f"the chat refuses the message: {answer.status_code} {answer.text[:200]}")
    answer.raise_for_status()
