"""JD Cloud functions run as they are: the envelope, the context, and the protocol of JD's own local runtime."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import flask
import httpx
import pytest

from ossfn.adapter import cloudevent, events, jd_formats
from ossfn.adapter.dialects import Decoded, NotDecodable, decode
from ossfn.functions.errors import DeployRefused, FunctionRefused
from ossfn.functions.jd_runtime import ossfn_jd_runtime as runtime
from ossfn.functions.model import Version
from ossfn.functions.service import Functions

CAPTURES = Path(__file__).parents[2] / "dialects"
Zipped = Callable[..., bytes]

# As in JD Cloud's own sample handlers.
INDEX = dedent("""
    import json, os
    import helper

    def handler(event, context):
        record = event["Records"][0]
        key = record["detail"]["s3"]["object"]["key"]
        print(helper.shout(key), record["region"], context.request_id, os.environ.get("COLOUR"))
        if key == "broken":
            raise ValueError("no luck")
        return {"key": key, "context": json.loads(context.to_json())}
""")
FILES = {"index.py": INDEX, "helper.py": "def shout(text): return text.upper()\n"}
CLOUDEVENT = {"content-type": "application/cloudevents+json"}


def captured() -> Iterator[events.ObjectEvent]:
    for path in sorted(CAPTURES.rglob("*.json")):
        if path.name.endswith(".expected.json"):
            continue
        dialect = "ceph" if "ceph" in path.parts[-2] else "auto"
        for delivery in json.loads(path.read_text())["deliveries"]:
            headers = {name.lower(): value for name, value in delivery["headers"].items()}
            try:
                decoded = decode(dialect, headers, delivery["body"].encode())
            except NotDecodable:
                continue
            yield from decoded.events if isinstance(decoded, Decoded) else ()


def structured(event: events.ObjectEvent, number: str = "e1") -> bytes:
    named = cloudevent.attributes(event, number, rule="r", generation=1)
    return cloudevent.structured(named, bytes(event.record))


def test_the_envelope_is_the_one_that_jd_cloud_hands_over() -> None:
    seen = 0
    for event in captured():
        sent = json.loads(structured(event))
        expected = json.loads(jd_formats.function_event(event, sent["id"]))
        if event.request_id is None:  # ingest knows those that are only placeholders
            given = sent["data"].get("responseElements", {}).get("x-amz-request-id", "")
            expected["Records"][0]["detail"]["responseElements"]["x-amz-request-id"] = given
        assert runtime.envelope(sent, sent["data"]) == expected
        seen += 1
    assert seen > 150


class Host:
    """A hosted function, asked over its socket."""

    def __init__(self, functions: Functions, name: str) -> None:
        self.functions, self.name = functions, name

    async def ask(self, body: bytes, headers: dict[str, str], path: str = "/") -> httpx.Response:
        transport = httpx.AsyncHTTPTransport(uds=(self.functions.address_of(self.name) or "").removeprefix("unix:"))
        async with httpx.AsyncClient(transport=transport, timeout=30) as client:
            return await client.post(f"http://function{path}", content=body, headers=headers)

    async def printed(self) -> list[str]:
        return [line.text for line in await self.functions.logs(self.name) if line.stream == "stdout"]


def put(key: str) -> events.ObjectEvent:
    event = next(event for event in captured() if event.dialect == "minio" and event.name == "s3:ObjectCreated:Put")
    record = json.loads(bytes(event.record))
    record["s3"]["object"]["key"] = record["s3"]["object"]["key"].replace(event.raw_key, key)
    notification = json.dumps({"Records": [record]}).encode()
    decoded = decode("auto", {}, notification)
    assert isinstance(decoded, Decoded)
    return decoded.events[0]


@pytest.mark.slow
async def test_a_handler_runs_unmodified(functions: Functions, zipped: Zipped) -> None:
    options = {"entry_point": "index.handler", "memory_mb": 256, "timeout_seconds": 20, "env": {"COLOUR": "red"}}
    version = (await functions.deploy("jd", zipped(FILES), options)).runs
    assert isinstance(version, Version)
    assert (version.source, version.entry_point, version.signature_type) == ("index.py", "index.handler", "http")
    host = Host(functions, "jd")

    delivery = {**CLOUDEVENT, "ossfn-delivery": "d" * 32}
    answers = [(await host.ask(structured(put("%E5%9B%BE+1.txt")), delivery)) for _ in range(2)]
    assert [answer.json() for answer in answers] == [
        {
            "key": "图 1.txt",
            "context": {
                "requestId": "d" * 32,
                "function": {
                    "id": "jd-1", "name": "jd", "version": "1", "handler": "index.handler", "memory": 256, "timeout": 20
                },
                "logSet": None,
                "logTopic": None,
            },
        }
    ] * 2  # fmt: skip
    direct = await host.ask(json.dumps({"Records": []}).encode(), {"content-type": "application/json"})
    assert direct.status_code == 500
    assert direct.json()["error_type"] == "IndexError"
    broken = await host.ask(structured(put("broken")), CLOUDEVENT)
    assert (broken.status_code, broken.json()["error_message"]) == (500, "no luck")
    assert broken.json()["error_trace"][0][2:] == ["in handler", 'raise ValueError("no luck")']
    assert (await host.ask(b"{", CLOUDEVENT)).status_code == 400
    first, result, *_ = await host.printed()
    assert first == f"图 1.TXT  {'d' * 32} red"
    assert result.startswith("d" * 32 + '  {"key": "图 1.txt"')


@pytest.mark.slow
async def test_it_may_have_an_environment_of_its_own(functions: Functions, zipped: Zipped) -> None:
    files = {
        "index.py": "import toolz, sys\ndef handler(event, context): return [toolz.__version__, sys.prefix]\n",
        "requirements.txt": "toolz==1.0.0\n",
    }
    await functions.deploy("jd", zipped(files), {"entry_point": "index.handler"})
    version, prefix = (await Host(functions, "jd").ask(b"{}", {"content-type": "application/json"})).json()
    assert (version, ".venvs" in prefix) == ("1.0.0", True)


@pytest.mark.slow
async def test_binary_events_are_read_too(functions: Functions, zipped: Zipped) -> None:
    await functions.deploy("jd", zipped(FILES), {"entry_point": "index.handler"})
    event = put("%E5%9B%BE+100%25.txt")
    headers = dict(cloudevent.binary(cloudevent.attributes(event, "e", rule="r", generation=1)))
    answer = await Host(functions, "jd").ask(bytes(event.record), headers)
    assert answer.json()["key"] == "图 100%.txt"


@pytest.mark.slow
async def test_without_a_delivery_id_the_request_id_is_the_event_s(functions: Functions, zipped: Zipped) -> None:
    await functions.deploy("jd", zipped(FILES), {"entry_point": "index.handler"})
    host = Host(functions, "jd")
    ids = [
        (await host.ask(structured(put("a"), number), CLOUDEVENT)).json()["context"]["requestId"] for number in "112"
    ]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 32


@pytest.mark.slow
async def test_code_that_does_not_load_is_refused(functions: Functions, zipped: Zipped) -> None:
    with pytest.raises(DeployRefused, match="helper"):
        await functions.deploy("jd", zipped({"index.py": INDEX}), {"entry_point": "index.handler"})
    with pytest.raises(FunctionRefused, match=r"no function go in index\.py"):
        await functions.deploy("jd", zipped(FILES), {"entry_point": "index.go"})


@pytest.mark.parametrize(
    ("files", "options", "why"),
    [
        (FILES, {"entry_point": "main.handler"}, r"no main\.py"),
        (FILES, {"entry_point": "a.b.c"}, "entry_point"),
        (FILES, {"entry_point": "index.handler", "signature_type": "cloudevent"}, "no signature type"),
        ({"index.py": "async def handler(e, c): pass"}, {"entry_point": "index.handler"}, "async"),
    ],
)
async def test_what_cannot_be_a_jd_function_is_refused(
    functions: Functions, zipped: Zipped, files: dict[str, str], options: dict[str, Any], why: str
) -> None:
    with pytest.raises(FunctionRefused, match=why):
        await functions.deploy("jd", zipped(files), options)


LOCAL = dedent("""
    import os, sys, time

    def handler(event, context):
        match event.get("do"):
            case "say":
                print("to stdout")
                print("to stderr", file=sys.stderr)
                return "text as it is"
            case "fail":
                return [][1]
            case "hang":
                time.sleep(5)
            case "env":
                return os.environ["COLOUR"]
            case "set":
                return {1, 2} & {2}
            case "return":
                return event
""")


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Asks the runtime as `sca local` does, and gives status line and answer."""
    (tmp_path / "index.py").write_text(LOCAL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(runtime, "SCA", True)
    runtime.load.cache_clear()
    app = flask.Flask("jd")
    app.add_url_rule(
        "/invoke", view_func=lambda: runtime.jd_function(flask.request), methods=["GET", "POST"], endpoint="run"
    )

    def ask(event: object, method: str = "POST", **changes: str) -> Any:
        headers = {
            "content-type": "application/json",
            "x-fc-request-id": "csa-requestid-1",
            "x-fc-function-id": "csa-functionid-1",
            "x-fc-function-name": "test",
            "x-fc-function-version": "csa-local-v1.0",
            "x-fc-function-handler": "index.handler",
            "x-fc-function-memory": "128",
            "x-fc-function-timeout": "1",
            "x-fc-function-md5": "csa-md5-1",
            "x-fc-function-codepath": "/function/code",
            "x-fc-function-env": '{"COLOUR": "red"}',
            **changes,
        }
        body = json.dumps(base64.b64encode(json.dumps(event).encode()).decode())
        return app.test_client().open("/invoke", method=method, data=body, headers=headers)

    yield ask
    runtime.load.cache_clear()


def test_sca_is_answered_to_the_byte(local: Callable[..., Any]) -> None:
    answer = local({"do": "say"})
    parsed = answer.get_json()
    assert answer.status == "200 OK"
    assert answer.content_type == "application/json"
    assert answer.get_data(as_text=True) == (
        "{\n"
        '    "FunctionReturn": "text as it is",\n'
        f'    "MemUsage": {parsed["MemUsage"]},\n'
        '    "StderrReturn": "to stderr\\n",\n'
        '    "StdoutReturn": "to stdout\\n",\n'
        f'    "TimeUsage": {parsed["TimeUsage"]}\n'
        "}"
    )


@pytest.mark.parametrize(
    ("do", "returned"),
    [
        ("env", "red"),
        ("nothing", "null"),
        ("set", "{2}"),
        ("return", '{\n    "do": "return"\n}'),
    ],
)
def test_what_a_handler_returns_becomes_text(local: Callable[..., Any], do: str, returned: str) -> None:
    answer = local({"do": do})
    assert (answer.status, answer.get_json()["FunctionReturn"]) == ("200 OK", returned)


def test_user_errors_are_400_and_told_with_their_trace(local: Callable[..., Any]) -> None:
    answer = local({"do": "fail"})
    told = json.loads(answer.get_json()["FunctionReturn"])
    assert answer.status == "400 NOK"
    assert told["error_type"] == "IndexError"
    assert told["error_message"] == "list index out of range"
    [[file, line, function, code]] = told["error_trace"]
    assert (file.endswith('index.py"'), line[:5], function, code) == (True, "line ", "in handler", "return [][1]")


def test_a_handler_is_stopped_at_its_time_limit(local: Callable[..., Any]) -> None:
    answer = local({"do": "hang"})
    assert (answer.status, answer.get_json()["FunctionReturn"]) == ("400 NOK", "Time out")
    assert answer.get_json()["TimeUsage"] == pytest.approx(1, abs=0.3)


def test_what_is_not_the_protocol_is_500(local: Callable[..., Any]) -> None:
    wrong = local({}, method="GET")
    assert (wrong.status, wrong.get_data(as_text=True)) == ("500 NOK", "http method should be post")
    assert local({}, **{"x-fc-function-memory": "much"}).status == "500 NOK"
    assert "no_such" in local({}, **{"x-fc-function-handler": "index.no_such"}).get_json()["FunctionReturn"]


def test_the_protocol_is_off_unless_asked_for(local: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "SCA", False)
    assert local({"do": "env"}).status_code != 200
