"""What the S3 notification API does: each operation on buckets and their rules, for a caller whose signature holds."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NoReturn
from urllib.parse import unquote

from ossfn.trigger_registry.errors import NoSuchBucket, RegistryError, RegistryUnavailable
from ossfn.trigger_registry.keys import LOCAL_ACCESS_KEY, Credential, KeyRing
from ossfn.trigger_registry.overlap import MINIO_TEXT, S3_TEXT
from ossfn.trigger_registry.registry import Registry
from ossfn.trigger_registry.rules import Bucket, Verification
from ossfn.trigger_registry.s3_errors import S3Error, from_registry
from ossfn.trigger_registry.s3_xml import (
    parse_location,
    parse_notification,
    render_buckets,
    render_location,
    render_notification,
)
from ossfn.trigger_registry.sigv4 import Request, check, claimed

_REGION = re.compile("[A-Za-z0-9-]{1,63}")
_LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|\[::1\]", re.IGNORECASE)

_SETTING = "the setting s3_hosts (OSSFN_S3_HOSTS)"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, but for the headers that every answer has."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Address:
    """What a request is about; an empty bucket is the service itself, a key an object, which lives elsewhere."""

    bucket: str
    key: str
    asked: frozenset[str]
    """The subresources in the query: `notification`, `location` …"""


class Door:
    """Answers requests, from many threads at once."""

    def __init__(
        self,
        registry: Registry,
        keys: KeyRing,
        clock: Callable[[], float],
        auto_create_buckets: bool,
        verification: Verification,
        hosts: re.Pattern[str],
    ) -> None:
        self._registry = registry
        self._keys = keys
        self._clock = clock
        self._auto_create_buckets = auto_create_buckets
        self._hosts = hosts
        self._verification = verification

    def answer(self, request: Request) -> Reply:
        """Raises S3Error for everything that is refused."""
        try:
            caller = self._caller(request)
            self._registry.refresh()  # another process may have changed the bucket a moment ago
            return self._do(request, self._address(request), caller)
        except RegistryUnavailable as error:
            _log.warning("the trigger registry is unavailable: %s", error)
            raise from_registry(error) from error
        except RegistryError as error:
            raise _in_minio_words(from_registry(error), request) from error

    def _caller(self, request: Request) -> Credential:
        claim = claimed(request)
        caller = self._keys.find(claim.access_key)
        if caller is None:
            raise S3Error("InvalidAccessKeyId", fields=[("AWSAccessKeyId", claim.access_key)])
        check(request, claim, caller.secret, self._clock())
        if caller.access_key == LOCAL_ACCESS_KEY:
            self._check_local(request)
        return caller

    def _check_local(self, request: Request) -> None:
        """The well-known key proves nothing: a web page that somebody looks at knows it too. Its Host (DNS rebinding)
        or its Origin gives it away.
        """
        host, origin = _host(request), request.header("origin")
        if not _LOOPBACK.fullmatch(host) and not self._hosts.fullmatch(host):
            raise S3Error(
                "AccessDenied",
                f"With the well-known access key {LOCAL_ACCESS_KEY} only this machine is answered, not {host!r}: "
                f"ask for localhost, name the host in {_SETTING}, or make a key (`ossfn keys add`).",
            )
        if origin is not None and origin.partition("://")[2] != request.header("host"):
            raise S3Error(
                "AccessDenied",
                f"Pages of {origin} may not use the well-known access key {LOCAL_ACCESS_KEY}: make a key "
                "(`ossfn keys add`).",
            )

    def _address(self, request: Request) -> _Address:
        named = self._hosts.fullmatch(_host(request))
        path = unquote(request.path).removeprefix("/")
        asked = frozenset(name for name, _ in request.parameters if not re.match("x-amz-|x-id$", name, re.IGNORECASE))
        if named and named["bucket"]:
            return _Address(named["bucket"], path, asked)
        bucket, _, key = path.partition("/")
        return _Address(bucket, key, asked)

    def _do(self, request: Request, address: _Address, caller: Credential) -> Reply:
        if address.key:
            raise S3Error(
                "NotImplemented", "Objects are not kept here, only buckets' trigger rules: ask the object store."
            )
        if not address.bucket and address.asked & {"notification", "location"}:
            raise S3Error(
                "InvalidRequest",
                f"No bucket is named: {_host(request)!r} is not known as a host in front of which a bucket's name may "
                f"stand. Name it in {_SETTING}, or let the path begin with the bucket.",
            )
        if not address.bucket:
            return self._list_buckets(caller) if request.method == "GET" else _refuse_method("GET")
        match sorted(address.asked):
            case ["notification"]:
                return self._do_notification(request, address.bucket, caller)
            case ["location"]:
                return self._location(request, address.bucket, caller)
            case []:
                return self._do_bucket(request, address.bucket, caller)
            case others:
                raise S3Error(
                    "NotImplemented",
                    f"Of a bucket's settings, only notification and location are kept here, not {', '.join(others)}.",
                )

    def _do_notification(self, request: Request, name: str, caller: Credential) -> Reply:
        match request.method:
            case "GET":
                bucket = self._owned(name, request, caller)
                return Reply(
                    render_notification(bucket.rules, filter_names_in_lower_case=_from_minio(request)),
                    headers=_etag(bucket),
                )
            case "PUT":
                return self._put_notification(request, name, caller)
            case _:
                return _refuse_method("GET, PUT")

    def _do_bucket(self, request: Request, name: str, caller: Credential) -> Reply:
        match request.method:
            case "PUT":
                return self._create(request, name, caller)
            case "HEAD":
                bucket = self._owned(name, request, caller)
                return Reply(headers=(("x-amz-bucket-region", bucket.region),))
            case "DELETE":
                self._owned(name, request, caller)
                self._registry.delete_bucket(name, actor=caller.access_key)
                return Reply(status=204)
            case "GET":
                raise S3Error("NotImplemented", "Objects are not kept here and cannot be listed: ask the object store.")
            case _:
                return _refuse_method("PUT, HEAD, DELETE")

    def _location(self, request: Request, name: str, caller: Credential) -> Reply:
        if request.method != "GET":
            return _refuse_method("GET")
        return Reply(render_location(self._owned(name, request, caller).region))

    def _list_buckets(self, caller: Credential) -> Reply:
        mine = [bucket for bucket in self._registry.buckets() if bucket.owner in ("", caller.owner)]
        return Reply(render_buckets(caller.owner, [(bucket, self._date(bucket)) for bucket in mine]))

    def _date(self, bucket: Bucket) -> str:
        """When the bucket was last changed, which S3 allows for its CreationDate."""
        changes = self._registry.history(bucket.name, limit=1)
        return f"{datetime.fromtimestamp(changes[0].at if changes else 0, UTC):%Y-%m-%dT%H:%M:%S.000Z}"

    def _create(self, request: Request, name: str, caller: Credential) -> Reply:
        region = parse_location(request.body)
        if region and not _REGION.fullmatch(region):
            raise S3Error("InvalidLocationConstraint", fields=[("LocationConstraint", region)])
        bucket = self._find(name)
        if bucket is None:
            self._registry.put_bucket(name, actor=caller.access_key, region=region, owner=caller.owner)
        elif bucket.owner not in ("", caller.owner):
            raise S3Error("BucketAlreadyExists")
        elif region not in (None, bucket.region):
            raise S3Error("BucketAlreadyOwnedByYou", f"You have this bucket already, in {bucket.region}.")
        return Reply(headers=(("Location", f"/{name}"),))

    def _put_notification(self, request: Request, name: str, caller: Credential) -> Reply:
        may_create = self._auto_create_buckets and request.header("if-match") is None
        found = self._find(name) if may_create else self._registry.bucket(name)
        _check_owner(found.owner if found else caller.owner, request, caller)
        rules = [replace(rule, verification=self._verification) for rule in parse_notification(request.body)]
        bucket = self._registry.put_document(
            name,
            rules,
            owner=caller.owner,
            actor=caller.access_key,
            may_create=may_create,
            if_generation=_wanted_generation(request, found) if found else None,
            skip_destination_validation=(request.header("x-amz-skip-destination-validation") or "").lower() == "true",
        )
        return Reply(headers=_etag(bucket))

    def _find(self, name: str) -> Bucket | None:
        try:
            return self._registry.bucket(name)
        except NoSuchBucket:
            return None

    def _owned(self, name: str, request: Request, caller: Credential) -> Bucket:
        bucket = self._registry.bucket(name)
        _check_owner(bucket.owner, request, caller)
        return bucket


def _host(request: Request) -> str:
    """The name that was asked for, without its port."""
    return re.sub(r":\d+$", "", request.header("host") or "")


def _check_owner(owner: str, request: Request, caller: Credential) -> None:
    """A bucket is its owner's; one that has none, as the JSON API makes it, is everyone's who has a key."""
    expected = request.header("x-amz-expected-bucket-owner")
    if owner not in ("", caller.owner) or expected not in (None, owner):
        raise S3Error("AccessDenied")


def _wanted_generation(request: Request, bucket: Bucket) -> int | None:
    given = request.header("if-match")
    if given is None or given.strip() == "*":
        return None
    if _tag(bucket) not in [tag.strip() for tag in given.split(",")]:
        raise S3Error("PreconditionFailed", fields=[("Condition", "If-Match")])
    return bucket.generation


def _tag(bucket: Bucket) -> str:
    return f'"{bucket.generation}"'


def _etag(bucket: Bucket) -> tuple[tuple[str, str], ...]:
    return (("ETag", _tag(bucket)),)


def _refuse_method(allowed: str) -> NoReturn:
    raise S3Error("MethodNotAllowed", headers=[("Allow", allowed)])


def _from_minio(request: Request) -> bool:
    """Whether one of MinIO's own clients asks: mc, and its libraries for Go, Python and JavaScript."""
    return (request.header("user-agent") or "").startswith("MinIO ")


def _in_minio_words(error: S3Error, request: Request) -> S3Error:
    """By MinIO's sentence in the message, `mc event add --ignore-existing` knows that a rule is there already."""
    if error.message == S3_TEXT and _from_minio(request):
        return S3Error(error.code, f"{S3_TEXT} {MINIO_TEXT}", fields=error.fields, xml=error.xml)
    return error
