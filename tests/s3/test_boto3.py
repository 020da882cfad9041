"""boto3 against the S3 notification API, by signed headers and by presigned URLs."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from .conftest import Endpoint

CONFIGURATION = {
    "QueueConfigurations": [
        {
            "Id": "q1",
            "QueueArn": "arn:aws:sqs:cn-north-1:000000000000:s3-queue",
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "in & out/<x>/"}]}},
        }
    ],
    "TopicConfigurations": [
        {"Id": "t1", "TopicArn": "NS:http://a.example/x,https://b.example/y", "Events": ["s3:ObjectRemoved:Delete"]}
    ],
    "LambdaFunctionConfigurations": [
        {
            "Id": "l1",
            "LambdaFunctionArn": "thumbs",
            "Events": ["s3:ObjectCreated:Put", "s3:ObjectCreated:Post"],
            "Filter": {
                "Key": {"FilterRules": [{"Name": "Suffix", "Value": ".txt"}, {"Name": "Prefix", "Value": "图/"}]}
            },
        }
    ],
}
ONE_RULE = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": "thumbs", "Events": ["s3:ObjectCreated:*"]}]}


@pytest.fixture
def client(s3: Endpoint) -> Iterator[Any]:
    client = s3.boto3()
    yield client
    client.close()


def configuration(client: Any, bucket: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.get_bucket_notification_configuration(Bucket=bucket)
    answer.pop("ResponseMetadata")
    return answer


def test_what_was_put_is_given_back(client: Any) -> None:
    client.create_bucket(Bucket="photos")
    assert configuration(client, "photos") == {}
    client.put_bucket_notification_configuration(Bucket="photos", NotificationConfiguration=CONFIGURATION)
    assert configuration(client, "photos") == CONFIGURATION
    client.put_bucket_notification_configuration(Bucket="photos", NotificationConfiguration={})
    assert configuration(client, "photos") == {}


def test_a_rule_is_live_for_matching_once_put(client: Any, s3: Endpoint) -> None:
    client.put_bucket_notification_configuration(Bucket="new", NotificationConfiguration=CONFIGURATION)
    (rule,) = s3.registry.match("new", "s3:ObjectCreated:Put", "图/a b.txt").rules
    assert (rule.name, rule.function) == ("l1", "thumbs")
    assert s3.registry.bucket("new").owner == "ossfn"
    assert s3.registry.bucket("new").region == "cn-north-1"


def test_a_refused_document_changes_nothing(client: Any, s3: Endpoint) -> None:
    wrong = {"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:cn-north-1:0:none", "Events": ["s3:ObjectCreated:*"]}]}
    with pytest.raises(ClientError, match="Unable to validate"):
        client.put_bucket_notification_configuration(Bucket="new", NotificationConfiguration=wrong)
    assert s3.registry.buckets() == []
    with pytest.raises(ClientError, match="NoSuchBucket"):
        client.get_bucket_notification_configuration(Bucket="new")


def test_skip_destination_validation(client: Any, s3: Endpoint) -> None:
    absent = "arn:aws:lambda:cn-north-1:000000000000:function:later"
    rules = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": absent, "Events": ["s3:ObjectCreated:*"]}]}
    client.put_bucket_notification_configuration(
        Bucket="photos", NotificationConfiguration=rules, SkipDestinationValidation=True
    )
    assert s3.registry.bucket("photos").rules[0].function == "later"


def test_expected_bucket_owner(client: Any, s3: Endpoint) -> None:
    for bucket in ("made", "not-made-yet"):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration=ONE_RULE, ExpectedBucketOwner="someone"
            )
        client.create_bucket(Bucket="made")
    assert [bucket.name for bucket in s3.registry.buckets()] == ["made"]
    client.put_bucket_notification_configuration(
        Bucket="made", NotificationConfiguration=ONE_RULE, ExpectedBucketOwner="ossfn"
    )


def test_buckets(client: Any) -> None:
    assert client.list_buckets()["Buckets"] == []
    with pytest.raises(ClientError) as caught:
        client.head_bucket(Bucket="photos")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    client.create_bucket(Bucket="photos")
    client.create_bucket(Bucket="photos")
    client.create_bucket(Bucket="east", CreateBucketConfiguration={"LocationConstraint": "cn-east-1"})
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["east", "photos"]
    assert client.head_bucket(Bucket="east")["BucketRegion"] == "cn-east-1"
    assert client.get_bucket_location(Bucket="photos")["LocationConstraint"] == "cn-north-1"
    client.delete_bucket(Bucket="east")
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["photos"]


def test_a_bucket_with_rules_is_not_deleted(client: Any) -> None:
    client.put_bucket_notification_configuration(Bucket="photos", NotificationConfiguration=ONE_RULE)
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        client.delete_bucket(Bucket="photos")
    client.put_bucket_notification_configuration(Bucket="photos", NotificationConfiguration={})
    client.delete_bucket(Bucket="photos")


def test_presigned_urls(client: Any, s3: Endpoint) -> None:
    client.put_bucket_notification_configuration(Bucket="photos", NotificationConfiguration=ONE_RULE)
    operation = "get_bucket_notification_configuration"
    get = client.generate_presigned_url(operation, Params={"Bucket": "photos"}, ExpiresIn=60)
    assert "<CloudFunction>thumbs</CloudFunction>" in s3.http.get(get).text
    assert s3.http.get(get.replace("photos", "photon")).status_code == 403
    put = s3.presigned("PUT", "/photos?notification")  # boto3 cannot presign an operation that has a body
    assert s3.http.put(put, content=b"<NotificationConfiguration/>").status_code == 200
    assert s3.registry.bucket("photos").rules == ()


def test_virtual_host_style(s3: Endpoint) -> None:
    s3.send("PUT", "/photos")
    for host in ("photos.localhost", "photos.s3.cn-north-1.jdcloud-oss.com", "photos.s3.amazonaws.com:80"):
        answer = s3.send("GET", "/?notification", headers={"Host": host})
        assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    for host in ("localhost:8451", "s3.cn-north-1.jdcloud-oss.com", "127.0.0.1"):
        assert s3.send("GET", "/photos?notification", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/photos?notification", "/photos/?notification", "/photos/?notification="])
def test_every_spelling_of_the_path(s3: Endpoint, path: str) -> None:
    body = b"<NotificationConfiguration/>"
    assert s3.send("PUT", path, body).status_code == 200
    assert b"<NotificationConfiguration xmlns=" in s3.send("GET", path).content


def test_if_match(s3: Endpoint) -> None:
    rule = b"<TopicConfiguration><Topic>%s</Topic><Event>s3:ObjectCreated:*</Event></TopicConfiguration>"
    document = b"<NotificationConfiguration>%s</NotificationConfiguration>"

    def put(function: bytes, tag: str) -> httpx.Response:
        return s3.send("PUT", "/photos?notification", document % (rule % function), {"If-Match": tag})

    assert put(b"f1", "*").status_code == 404
    s3.send("PUT", "/photos")
    tag = s3.send("GET", "/photos?notification").headers["etag"]
    first = put(b"f1", tag)
    assert first.status_code == 200
    assert first.headers["etag"] == s3.send("GET", "/photos?notification").headers["etag"] != tag
    lost = put(b"f2", tag)
    assert (lost.status_code, "<Code>PreconditionFailed</Code>" in lost.text) == (412, True)
    assert s3.registry.bucket("photos").rules[0].function == "f1"
    assert put(b"f2", f'"x", {first.headers["etag"]}').status_code == 200
    assert put(b"f1", "*").status_code == 200
