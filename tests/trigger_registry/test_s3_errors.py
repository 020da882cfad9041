"""Refusals in S3's words: what the registry raises becomes a code, a status and an XML body."""

import pytest
from defusedxml import ElementTree

from ossfn.trigger_registry.errors import (
    AccessDenied,
    BucketExists,
    Fault,
    InUse,
    NoSuchBucket,
    PreconditionFailed,
    RegistryError,
    RegistryUnavailable,
    RuleRefused,
)
from ossfn.trigger_registry.s3_errors import FAULTS_LISTED, S3Error, from_registry, render


def elements(error: S3Error) -> list[tuple[str, str | None]]:
    body = render(error, resource="/photos", request_id="00000000000000AB", host_id="host")
    return [(node.tag, node.text) for node in ElementTree.fromstring(body)]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NoSuchBucket("There is no bucket b."), 404, "NoSuchBucket"),
        (BucketExists(), 409, "BucketAlreadyExists"),
        (AccessDenied(), 403, "AccessDenied"),
        (PreconditionFailed(), 412, "PreconditionFailed"),
        (InUse("Bucket b still has 1 rules", ["r"]), 409, "BucketNotEmpty"),
        (RegistryUnavailable("password is hunter2"), 503, "ServiceUnavailable"),
    ],
)
def test_every_refusal_of_the_registry(error: RegistryError, status: int, code: str) -> None:
    s3 = from_registry(error)
    assert (s3.status, s3.code) == (status, code)
    assert "hunter2" not in s3.message


def test_the_body() -> None:
    assert elements(S3Error("NoSuchBucket", fields=[("BucketName", "<&>")])) == [
        ("statusCode", "404"),
        ("Code", "NoSuchBucket"),
        ("Message", "The specified bucket does not exist"),
        ("BucketName", "<&>"),
        ("Resource", "/photos"),
        ("RequestId", "00000000000000AB"),
        ("HostId", "host"),
    ]


def test_one_fault() -> None:
    arguments = (("ArgumentName", "Event"), ("ArgumentValue", ""))
    fault = Fault("InvalidArgument", "No.", rule="b", other_rule="a", advice="Do.", arguments=arguments, witness="x/")
    assert elements(from_registry(RuleRefused([fault])))[1:9] == [
        ("Code", "InvalidArgument"),
        ("Message", "No."),
        ("ArgumentName", "Event"),
        ("ArgumentValue", None),
        ("Rule", "b"),
        ("OtherRule", "a"),
        ("Advice", "Do."),
        ("WitnessKey", "x/"),
    ]


def test_many_faults_are_listed_behind_the_first() -> None:
    faults = [Fault("InvalidArgument", "One."), Fault("InvalidArgument", "Two.", field="rules[1].prefix", value="v")]
    body = render(from_registry(RuleRefused(faults)), resource="/", request_id="", host_id="")
    tree = ElementTree.fromstring(body)
    assert tree.findtext("Message") == "One."
    assert [(f.findtext("Message"), f.findtext("Field")) for f in tree.iter("Fault")] == [
        ("One.", ""),
        ("Two.", "rules[1].prefix"),
    ]
    assert from_registry(RuleRefused(faults * 10_000)).xml.count("<Fault>") == FAULTS_LISTED
