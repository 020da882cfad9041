"""The API against its own OpenAPI document: requests made from the document, answers compared with it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .conftest import Api

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 30
"""For each operation, with right and wrong data."""


async def test_every_route_is_described_with_its_refusals(api: Api) -> None:
    document = await api.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) > 30
    for operation in operations:
        assert operation["description"], operation["operationId"]
        assert "422" not in operation["responses"]
        (kind,) = operation["responses"]["4XX"]["content"]
        assert kind == "application/problem+json"
    assert len({operation["operationId"] for operation in operations}) == len(operations)


async def test_every_reference_of_the_document_leads_somewhere(api: Api) -> None:
    document = await api.get("/openapi.json")
    schemas = document["components"]["schemas"]
    for part in json.dumps(document).split('"$ref": "')[1:]:
        assert part.partition('"')[0].removeprefix("#/components/schemas/") in schemas


async def test_every_path_is_in_the_manual(api: Api) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "json-api.md").read_text()
    document: dict[str, Any] = await api.get("/openapi.json")
    missing = [
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method in operations
        if f"{method.upper()} {path}" not in manual
    ]
    assert not missing


@pytest.mark.slow
@pytest.mark.parametrize("api", ["sqlite"], indirect=True)
async def test_no_request_makes_it_fail_or_answer_otherwise_than_described(api: Api) -> None:
    known = {
        "bucket": "photos",
        "name": "thumbs",
        "delivery_id": await api.keep_dead("a"),
        "target": "callback:https://hooks.example.com/a?b=c",
    }
    schema: Any = schemathesis.openapi.from_dict(await api.get("/openapi.json"))
    # It would send requests to whatever address the function has by then.
    operations = [found.ok() for found in schema.exclude(operation_id="invoke_function").get_all_operations()]
    for operation in operations:
        await restore(api)
        await asyncio.to_thread(examples(operation, known, sender(api.http)))
    assert len(operations) > 30


async def restore(api: Api) -> None:
    """Put back what is known, whatever was done to it."""
    hook = ["https://hooks.example.com/a"]
    rule = {"events": ["s3:ObjectCreated:Put"], "target": {"callbacks": hook}}
    known = {
        "/functions/thumbs": {"url": "https://functions.example.com/thumbs"},
        "/callbacks/thumbs": {"urls": hook},
        "/buckets/photos": {"region": "cn-north-1", "mode": "fan-out"},
        "/buckets/photos/rules/thumbs": rule,
    }
    for path, body in known.items():
        assert (await api.http.put(f"/api/v1{path}", json=body)).is_success


Case = schemathesis.Case[Any]
Send = Callable[[Case], httpx.Response]


def sender(http: httpx.AsyncClient) -> Send:
    """What a thread calls to have this event loop, in which the API lives, send a request."""
    loop = asyncio.get_running_loop()

    def send(case: Case) -> httpx.Response:
        asked: Any = requests.Request(**case.as_transport_kwargs(base_url="http://localhost:8450")).prepare()
        answer = http.request(asked.method, asked.url, headers=asked.headers, content=asked.body)
        return asyncio.run_coroutine_threadsafe(answer, loop).result()

    return send


def examples(operation: Any, known: dict[str, str], send: Send) -> Callable[[], None]:
    """Asks one operation again and again, half of the time about things that are there."""
    cases = st.one_of([operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode])

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck]
    )
    @given(case=cases, about_known=st.booleans())
    def ask(case: Case, about_known: bool) -> None:
        if about_known:
            asked = case.path_parameters or {}
            case.path_parameters = {name: known.get(name, value) for name, value in asked.items()}
        case.validate_response(send(case), checks=CHECKS)

    return ask
