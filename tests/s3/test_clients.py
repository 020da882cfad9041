"""Other clients, as their users run them: aws cli, minio-py, s3cmd, and what more of them were seen to send."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import urllib3
from minio import Minio
from minio.error import S3Error
from minio.notificationconfig import NotificationConfig, PrefixFilterRule, QueueConfig, SuffixFilterRule

from ossfn.trigger_registry.s3_xml import parse_notification

from .conftest import Endpoint

CAPTURES = Path(__file__).parent / "clients"
EVENTS = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectAccessed:*"]


def run(command: list[str], s3: Endpoint, **environment: str) -> str:
    """What a command of our own environment prints."""
    tools = Path(sys.executable).parent
    done = subprocess.run(
        [str(tools / command[0]), *command[1:]],
        env={**os.environ, "AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture
def minio(s3: Endpoint) -> Iterator[Minio]:
    pool = urllib3.PoolManager(retries=False)
    yield Minio(
        s3.url.removeprefix("http://"),
        access_key=s3.access_key,
        secret_key=s3.secret,
        secure=False,
        http_client=pool,
    )
    pool.clear()


def test_minio_py(minio: Minio, s3: Endpoint) -> None:
    assert not minio.bucket_exists("photos")
    minio.make_bucket("photos")
    assert minio.bucket_exists("photos")
    assert [bucket.name for bucket in minio.list_buckets()] == ["photos"]
    prefix, suffix = PrefixFilterRule("a & b/"), SuffixFilterRule(".jpg")
    arn = "arn:minio:sqs::hook:webhook"
    rule = QueueConfig(queue=arn, events=EVENTS, config_id="1", prefix_filter_rule=prefix, suffix_filter_rule=suffix)
    minio.set_bucket_notification("photos", NotificationConfig(queue_config_list=[rule]))
    (read,) = minio.get_bucket_notification("photos").queue_config_list
    assert (read.queue, read.events, read.config_id) == (arn, EVENTS, "1")
    assert read.prefix_filter_rule is not None
    assert read.prefix_filter_rule.value == "a & b/"
    assert [rule.name for rule in s3.registry.match("photos", "s3:ObjectAccessed:Get", "a & b/c.jpg").rules] == ["1"]
    minio.delete_bucket_notification("photos")
    assert s3.registry.bucket("photos").rules == ()
    minio.remove_bucket("photos")


def test_minio_py_reads_our_errors(minio: Minio) -> None:
    minio.make_bucket("photos")
    wrong = QueueConfig(queue="no-arn", events=EVENTS)
    with pytest.raises(S3Error) as caught:
        minio.set_bucket_notification("photos", NotificationConfig(queue_config_list=[wrong]))
    assert (caught.value.code, caught.value.message) == ("InvalidArgument", "The ARN could not be parsed")


@pytest.mark.slow
def test_aws_cli(s3: Endpoint) -> None:
    def aws(*arguments: str) -> str:
        return run(["aws", "--endpoint-url", s3.url, "--region", "cn-north-1", *arguments], s3)

    rules = {
        "LambdaFunctionConfigurations": [
            {
                "Id": "thumbs",
                "LambdaFunctionArn": "arn:aws:lambda:cn-north-1:000000000000:function:thumbs",
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": [{"Name": "Suffix", "Value": ".jpg"}]}},
            }
        ]
    }
    assert "make_bucket: photos" in aws("s3", "mb", "s3://photos")
    put = ("s3api", "put-bucket-notification-configuration", "--bucket", "photos", "--notification-configuration")
    assert aws(*put, json.dumps(rules)) == ""
    got = aws("s3api", "get-bucket-notification-configuration", "--bucket", "photos")
    assert json.loads(got) == rules
    assert "photos" in aws("s3", "ls")
    rules["LambdaFunctionConfigurations"][0]["LambdaFunctionArn"] = "nothing"
    assert "(InvalidArgument)" in aws(*put, json.dumps(rules))


@pytest.mark.slow
def test_s3cmd(s3: Endpoint, tmp_path: Path) -> None:
    host = s3.url.removeprefix("http://")

    def s3cmd(*arguments: str) -> str:
        options = ["--no-ssl", f"--host={host}", f"--host-bucket={host}", "--config=/dev/null"]
        return run(["s3cmd", *options, f"--access_key={s3.access_key}", f"--secret_key={s3.secret}", *arguments], s3)

    policy = tmp_path / "rules.xml"
    policy.write_text(
        "<NotificationConfiguration><TopicConfiguration><Id>n1</Id><Topic>NS:https://example.com/a</Topic>"
        "<Event>s3:ObjectCreated:*</Event></TopicConfiguration></NotificationConfiguration>"
    )
    assert "Bucket 's3://photos/' created" in s3cmd("mb", "s3://photos")
    assert "Notification Policy updated" in s3cmd("setnotification", str(policy), "s3://photos")
    assert "NS:https://example.com/a" in s3cmd("getnotification", "s3://photos")
    assert "s3://photos" in s3cmd("ls")
    assert "Location:  cn-north-1" in s3cmd("info", "s3://photos")
    assert "deleted" in s3cmd("delnotification", "s3://photos")
    assert s3.registry.bucket("photos").rules == ()
    assert "Bucket 's3://photos/' removed" in s3cmd("rb", "s3://photos")


def sent(s3: Endpoint, request: dict[str, Any], body: str) -> int:
    """Send what a client was seen to send, signed anew; its targets are taken to be in our region."""
    headers = {name: value for name, value in request["headers"].items() if name != "x-amz-expected-bucket-owner"}
    raw = body.replace(":us-east-1:", ":cn-north-1:").encode()
    if "content-md5" in headers:
        headers["content-md5"] = base64.b64encode(hashlib.md5(raw, usedforsecurity=False).digest()).decode()
    return s3.send(request["method"], request["target"], raw, headers).status_code


@pytest.mark.parametrize("client", sorted(CAPTURES.glob("*.json")), ids=lambda file: file.stem)
def test_what_clients_were_seen_to_send(client: Path, s3: Endpoint) -> None:
    s3.registry.put_callback("HOOK1", ["https://example.com/1"], actor="test")
    bucket = f"cl-{client.stem}"
    assert s3.send("PUT", f"/{bucket}").status_code == 200
    puts = 0
    for request in json.loads(client.read_text(encoding="utf-8"))["requests"]:
        address, _, query = request["target"].partition("?")
        match request["method"], query.rstrip("="):
            case "PUT", "notification":
                puts += 1
                put_and_compare(s3, bucket, request)
            case ("GET", "notification" | "location") | ("HEAD" | "PUT", "") if address.strip("/") == bucket:
                assert sent(s3, request, request["body"]) == 200
            case _:
                assert sent(s3, request, request["body"]) == 501
    assert puts


def put_and_compare(s3: Endpoint, bucket: str, request: dict[str, Any]) -> None:
    body = request["body"]
    without = re.sub(r"<EventBridgeConfiguration ?/>", "", body)
    if without != body:
        assert sent(s3, request, body) == 400
    assert sent(s3, request, without) == 200
    put = parse_notification(without.replace(":us-east-1:", ":cn-north-1:").encode())
    got = parse_notification(s3.send("GET", f"/{bucket}?notification").content)
    assert [replace(rule, id=rule.id and there.id) for rule, there in zip(put, got, strict=True)] == [
        replace(rule, id=there.id and rule.id) for rule, there in zip(got, put, strict=True)
    ]
