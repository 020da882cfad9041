"""Ten thousand documents that nobody should send: each is refused in words, none changes anything."""

import random

import httpx
import pytest
from defusedxml import ElementTree
from starlette.applications import Starlette

from ossfn.trigger_registry.keys import KeyRing
from ossfn.trigger_registry.registry import Registry

from .conftest import Endpoint, Functions

DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<QueueConfiguration><Id>q &amp; 1</Id><Queue>arn:aws:sqs:cn-north-1:000000000000:hook</Queue>"
    "<Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>图/</Value></FilterRule>"
    "</S3Key></Filter></QueueConfiguration><TopicConfiguration><Topic>NS:https://a.example/,http://b.example/</Topic>"
    "<Event>s3:ObjectRemoved:Delete</Event></TopicConfiguration><CloudFunctionConfiguration><Id>l</Id>"
    "<CloudFunction>thumbs</CloudFunction><Event>s3:ObjectTagging:Put</Event></CloudFunctionConfiguration>"
    "</NotificationConfiguration>"
).encode()
NASTY = [
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"&#0;", b"&#xFFFF;", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"]]>",
    b"<![CDATA[", b"<?xml encoding='utf-16'?>", b"<!--", b"--", b"<a xmlns:b=''/>", b"</Event>", b"<Event/>", b"<Id>",
    b"<Queue/>", b"<EventBridgeConfiguration/>", b"NS:", b",", b"arn:aws:sqs:::", b"s3:", b"%FF", b"%", b"\r\n",
    b"\xc2\xa0", b"<" * 300, "\u202e\U0001f5bc\ufffe".encode(), b"9" * 5000, b"<Value/>", b"{", b"&amp;" * 300,
]  # fmt: skip
REFUSALS = 10_000


def mutated(dice: random.Random) -> bytes:
    """The document with a few pieces cut, doubled, swapped, changed or put in."""
    body = bytearray(DOCUMENT)
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(body) + 1)
        end = min(len(body), start + dice.choice([0, 1, 1, 3, 30, 300]))
        match dice.randrange(6):
            case 0:
                del body[start:end]
            case 1:
                body[end:end] = body[start:end]
            case 2:
                body[start:start] = dice.choice(NASTY)
            case 3:
                body[start:end] = dice.randbytes(end - start)
            case 4:
                body[start:end] = body[start:end][::-1]
            case _:
                del body[start:]
    return bytes(body)


@pytest.mark.slow
async def test_malformed_documents(app: Starlette, registry: Registry, keys: KeyRing, functions: Functions) -> None:
    with httpx.Client() as unused:
        url = Endpoint("http://localhost", registry, keys, functions, unused).presigned(
            "PUT", "/photos?notification", 600
        )
    dice, refused, taken = random.Random(2026), 0, 0
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        assert (await http.put(url, content=DOCUMENT)).status_code == 200
        before = registry.bucket("photos")
        while refused < REFUSALS:
            body = mutated(dice)
            answer = await http.put(url, content=body)
            if answer.status_code == 200:
                taken += 1
                before = registry.bucket("photos")
                continue
            assert answer.status_code == 400, body
            assert ElementTree.fromstring(answer.content).findtext("Message"), body
            assert registry.bucket("photos") is before, body
            refused += 1
    assert 0 < taken < REFUSALS / 5, "the documents are neither all wrong for one reason nor mostly right"
