"""What the command line sends to a service, and what it makes of refusals."""

import re

import pytest

from ossfn.adapter.client import Answer, Client, NoService, api, encoded, refused

NO_ADDRESSES = [
    "127.0.0.1:8450", "ftp://example.com", "http://", "http://[::1", "http://127.0.0.1:x", "http://127.0.0.1:99999",
    "http://127.0.0.1:0", "http://a..b/",
]  # fmt: skip


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_what_is_no_address_is_said_so(url: str) -> None:
    with pytest.raises(NoService, match=re.escape(url.rstrip("/"))):
        Client(url).get("/")


def test_names_stay_one_part_of_a_path() -> None:
    assert api("buckets", "a/../b", "rules") == "/api/v1/buckets/a%2F..%2Fb/rules"
    assert api("targets", "callback:https://例.com/?a=b:pause") == (
        "/api/v1/targets/callback:https:%2F%2F%E4%BE%8B.com%2F%3Fa%3Db:pause"
    )
    assert encoded({"a": None, "b": 0, "env": ["X=1", "Y=&"]}) == "?b=0&env=X%3D1&env=Y%3D%26"
    assert encoded({}) == ""


REFUSALS: list[tuple[bytes, list[str]]] = [
    (b'{"code": "A", "detail": "no", "faults": [{"message": "one"}, {"message": "two"}]}', ["one", "two"]),
    (b'{"code": "A", "detail": "no", "faults": []}', ["no"]),
    (b'{"code": "A"}', ['HTTP status 502: {"code": "A"}']),
    (b"<html>Bad Gateway</html>", ["HTTP status 502: <html>Bad Gateway</html>"]),
    (b"", ["HTTP status 502: no more was said"]),
    (b"[1]", ["HTTP status 502: [1]"]),
    (b"\xff\xfe", ["HTTP status 502: \ufffd\ufffd"]),
]


@pytest.mark.parametrize(("body", "messages"), REFUSALS)
def test_a_refusal_is_understood_whoever_wrote_it(body: bytes, messages: list[str]) -> None:
    assert [fault["message"] for fault in refused(Answer(502, {}, body)).faults] == messages


def test_a_malformed_token_is_not_shown() -> None:
    with pytest.raises(NoService, match="malformed") as refused:
        Client("http://127.0.0.1:1", "secret\nX-Other: 1").get("/")

    assert "secret" not in str(refused.value)


def test_something_else_than_a_service_is_told_from_one() -> None:
    with pytest.raises(NoService, match="no ossfn"):
        Answer(200, {}, b"<html>It works!</html>").json()
