"""Moves uploads that a virus scanner complains about out of the way."""

import os
import socket
import struct
from collections.abc import Iterable
from typing import NoReturn

import boto3
import flask
import functions_framework
from cloudevents.http import CloudEvent

QUARANTINE_BUCKET = os.environ["QUARANTINE_BUCKET"]
CLAMD_HOST, _, CLAMD_PORT = os.environ.get("CLAMD", "127.0.0.1:3310").rpartition(":")
CHUNK = 64 * 1024

s3 = boto3.client("s3")


@functions_framework.cloud_event
def quarantine(event: CloudEvent) -> None:
    """Scan the object that the event names; an infected one goes into another bucket, with the virus's name on it."""
    bucket, key = event.data["s3"]["bucket"]["name"], event["subject"]
    if bucket == QUARANTINE_BUCKET:
        refuse("what is in quarantine stays there: QUARANTINE_BUCKET must be another bucket")
    try:
        found = s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        print(f"{bucket}/{key} is gone: nothing to do")
        return
    virus = scan(found["Body"].iter_chunks(CHUNK))
    print(f"{bucket}/{key}: {virus or 'clean'}")
    if virus:
        move(bucket, key, found["ETag"], virus)


def move(bucket: str, key: str, etag: str, virus: str) -> None:
    """Copy it, and delete the very bytes that were copied: another upload in between raises, and is scanned itself."""
    s3.copy_object(
        Bucket=QUARANTINE_BUCKET,
        Key=f"{bucket}/{key}",
        CopySource={"Bucket": bucket, "Key": key},
        CopySourceIfMatch=etag,
        Metadata={"virus": virus},
        MetadataDirective="REPLACE",
    )
    if s3.head_object(Bucket=bucket, Key=key)["ETag"] != etag:
        raise RuntimeError(f"{bucket}/{key} has changed meanwhile")
    s3.delete_object(Bucket=bucket, Key=key)


def scan(chunks: Iterable[bytes]) -> str:
    """The name of the virus that ClamAV's daemon finds, or nothing. See INSTREAM in clamd(8)."""
    with socket.create_connection((CLAMD_HOST, int(CLAMD_PORT)), timeout=30) as clamd:
        clamd.sendall(b"zINSTREAM\0")
        for chunk in chunks:
            clamd.sendall(struct.pack("!I", len(chunk)) + chunk)
        clamd.sendall(struct.pack("!I", 0))
        with clamd.makefile("rb") as answer:
            said = answer.read().rstrip(b"\0\n").decode(errors="replace")
    if said.endswith(" FOUND"):
        return said.removeprefix("stream: ").removesuffix(" FOUND")
    if said.endswith(" OK"):
        return ""
    raise RuntimeError(f"clamd: {said}")


def refuse(reason: str) -> NoReturn:
    """Answer 422: trying this event again would not help. Any other exception means that it may."""
    flask.abort(flask.make_response(reason, 422))
