"""Serves a JD Cloud function under functions-framework: events in JD's envelope, JD's context object, JD's answers.

Runs in the function's own environment and in its folder, so it needs functions-framework and nothing else of ours. It
takes CloudEvents, bare JSON events and, where SCA is set, the requests of JD's tool `sca local`.
Sources: JD Cloud Function Service, "Python runtime", "OSS trigger"; JD Cloud's `sca` and its runtime images.
"""

import base64
import contextlib
import hashlib
import importlib.util
import io
import json
import os
import resource
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_plus

import flask
import functions_framework
from werkzeug.datastructures import Headers

HANDLER = os.environ.get("OSSFN_JD_HANDLER", "index.handler")
"""`file.function`, in JD's words the entrance."""
SCA = os.environ.get("OSSFN_JD_SCA") == "1"
"""Answer `POST /invoke` too: it lets the caller choose handler and environment, so only while developing."""

OUTPUT_CHARACTERS = 102_400
"""As much of its output sca's runtime gives back."""

Json = dict[str, Any]
Handler = Callable[[Any, "Context"], Any]


class Function:
    """`context.function`; `memory_size` in MiB, `timeout` in seconds."""

    def __init__(self, invoked_id: str, name: str, version: str, handler: str, memory_size: int, timeout: int) -> None:
        self.invoked_function_id = invoked_id
        self.function_name = name
        self.function_version = version
        self.function_handler = handler
        self.memory_size = memory_size
        self.timeout = timeout


class Context:
    """The handler's second argument. `request_id` is the same each time an event is delivered."""

    def __init__(self, request_id: str, function: Function) -> None:
        self.request_id = request_id
        self.function = function
        # Spelled one way in JD's documents and another in its runtime; never set in the latter.
        self.logset = self.log_set = None
        self.logtopic = self.log_topic = None

    def to_json(self) -> str:
        """As JSON."""
        of = self.function
        function = {
            "id": of.invoked_function_id, "name": of.function_name, "version": of.function_version,
            "handler": of.function_handler, "memory": of.memory_size, "timeout": of.timeout,
        }  # fmt: skip
        return json.dumps(
            {"requestId": self.request_id, "function": function, "logSet": self.log_set, "logTopic": self.log_topic}
        )


@cache
def load(entrance: str) -> Handler:
    """The author's handler, out of the file in the working directory."""
    file, _, name = entrance.partition(".")
    folder = Path.cwd()
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    spec = importlib.util.spec_from_file_location(file, folder / f"{file}.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{file}.py cannot be loaded")
    module = sys.modules[file] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Handler = getattr(module, name)
    return handler


@functions_framework.http
def jd_function(request: flask.Request) -> flask.Response:
    """One request, one call of the handler."""
    if SCA and request.path == "/invoke":
        return invoke_as_sca(request)
    try:
        event, request_id = read(lower(request.headers), request.get_data())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return flask.Response(f"neither a CloudEvent about an object nor JSON: {error!r}", 400)
    env = os.environ
    name, version = env.get("K_SERVICE", ""), env.get("K_REVISION", "").rpartition("-")[2].lstrip("0")
    limits = int(env.get("OSSFN_JD_MEMORY", "0")), int(env.get("CLOUD_RUN_TIMEOUT_SECONDS", "0"))
    context = Context(request_id, Function(f"{name}-{version}", name, version, HANDLER, *limits))
    try:
        result = json.dumps(load(HANDLER)(event, context), ensure_ascii=False)
    except Exception as error:
        traceback.print_exc()
        return flask.Response(problem(error), 500, mimetype="application/json")
    # JD keeps what an event's handler returns in the log, to be found by the request's id.
    print(f"{request_id}  {result}", flush=True)
    return flask.Response(result, mimetype="application/json")


def lower(headers: Headers) -> dict[str, str]:
    """Headers by their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


def read(headers: Mapping[str, str], body: bytes) -> tuple[Any, str]:
    """The event for the handler, and the request's id."""
    if "ce-specversion" in headers:
        attributes = {name[3:]: unquote(value) for name, value in headers.items() if name.startswith("ce-")}
        record = json.loads(body)
    elif headers.get("content-type", "").lower().startswith("application/cloudevents+json"):
        attributes = json.loads(body)
        record = attributes["data"]
    else:
        return json.loads(body or b"{}"), uuid.uuid4().hex
    same = hashlib.sha256(f"{attributes['source']}\n{attributes['id']}".encode()).hexdigest()[:32]
    return envelope(attributes, record), headers.get("ossfn-delivery", same)


def envelope(attributes: Mapping[str, Any], record: Json) -> Json:
    """The event that JD Cloud hands to a handler for this object event."""
    s3, thing, original = record["s3"], record["s3"]["object"], record.get("original") or {}
    bucket, owner = s3["bucket"]["name"], (s3["bucket"].get("ownerIdentity") or {}).get("principalId") or ""
    key = key_of(thing["key"], record.get("eventSource"), bucket, attributes.get("partitionkey"))
    # ossfn's source is `eventSource.region.bucket`: it knows the region also of stores that do not say it.
    region = attributes["source"].removesuffix(f".{bucket}").rpartition(".")[2]
    kind = attributes["type"].removeprefix("com.amazonaws.s3.").removeprefix("s3:")
    content_type = thing.get("contentType") or (thing.get("userMetadata") or {}).get("content-type") or ""
    made = {
        "version": "0",
        "id": attributes["id"],
        "time": attributes.get("time") or "",
        "source": "oss",
        "base64OwnerPin": base64.b64encode(owner.encode()).decode(),
        "resources": [f"jrn:oss:{region}:{owner}:{bucket}/{key}"],
        "region": region,
        "detailType": "MessageReceived",
        "detail": {
            "eventName": f"s3:{kind}",
            "responseElements": {
                "x-amz-request-id": (record.get("responseElements") or {}).get("x-amz-request-id") or ""
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": s3.get("configurationId") or "",
                "bucket": {"name": bucket, "ownerIdentity": {"principalId": owner}},
                "object": {
                    "key": key, "eTag": thing.get("eTag") or "", "size": thing.get("size") or 0, "type": content_type
                },
            },
            "callBackVar": original.get("callBackVar")
            or (original.get("detail") or {}).get("callBackVar")
            or {"callBackVars": {}},
        },
    }  # fmt: skip
    return {"Records": [made]}


def key_of(raw: str, store: str | None, bucket: str, partition: str | None) -> str:
    """The key in plain characters: spelled so by Ceph, and where ossfn's partition key says that it is."""
    if store == "ceph:s3" or partition == f"{bucket}/{raw}":
        return raw
    return unquote_plus(raw, errors="strict")


def problem(error: BaseException) -> str:
    """An exception as JD's runtime tells it, without our own frame."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    trace = [[f'File "{f.filename}"', f"line {f.lineno}", f"in {f.name}", f.line or ""] for f in frames]
    told = {"error_message": str(error), "error_type": type(error).__name__}
    return pretty(told | ({"error_trace": trace} if trace else {}))


def pretty(value: Any) -> str:
    """JSON as JD's runtime writes it."""
    return json.dumps(value, indent=4, sort_keys=True)


def invoke_as_sca(request: flask.Request) -> flask.Response:
    """`POST /invoke` of sca's local runtime: the event is base64 in a JSON string, all else is in headers."""
    if request.method != "POST":
        return _sca_response(500, "http method should be post")
    headers, before = lower(request.headers), _peak_mib()
    stdout, stderr, began = io.StringIO(), io.StringIO(), time.monotonic()
    seconds = 0.0
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            handler, context = load(headers["x-fc-function-handler"]), _sca_context(headers)
            env = json.loads(headers["x-fc-function-env"])
        except Exception as error:
            status, text = 500, problem(error)
        else:
            with _environment(env):
                status, text = _call(handler, request.get_data(), context)
            seconds = time.monotonic() - began
    answer = {
        "FunctionReturn": text,
        "StdoutReturn": stdout.getvalue()[-OUTPUT_CHARACTERS:],
        "StderrReturn": stderr.getvalue()[-OUTPUT_CHARACTERS:],
        "MemUsage": round(_peak_mib() - before, 2),
        "TimeUsage": round(seconds, 2),
    }
    return _sca_response(status, pretty(answer))


def _sca_context(headers: Mapping[str, str]) -> Context:
    id_, name, version, handler = (headers.get(f"x-fc-function-{w}", "") for w in ("id", "name", "version", "handler"))
    memory, timeout = (int(headers.get(f"x-fc-function-{w}", "0")) for w in ("memory", "timeout"))
    return Context(headers.get("x-fc-request-id", ""), Function(id_, name, version, handler, memory, timeout))


def _call(handler: Handler, body: bytes, context: Context) -> tuple[int, str]:
    try:
        # The quotes of the JSON string are no base64 and are passed over.
        event = json.loads(base64.b64decode(body))
        with _time_limit(context.function.timeout):
            return 200, _text(handler(event, context))
    except TimeoutError:
        return 400, "Time out"
    except MemoryError:
        return 400, "Out of Memory"
    except Exception as error:
        return 400, problem(error)


def _text(result: Any) -> str:
    if isinstance(result, (str, bytes)):
        return str(result)
    try:
        return pretty(result)
    except TypeError:
        return str(result)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextlib.contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _environment(env: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _sca_response(status: int, text: str) -> flask.Response:
    return flask.Response(text, "200 OK" if status == 200 else f"{status} NOK", mimetype="application/json")


# A file that does not load ends the process before it says that it is ready, so that such a deploy is refused.
if "OSSFN_JD_HANDLER" in os.environ:
    load(HANDLER)
