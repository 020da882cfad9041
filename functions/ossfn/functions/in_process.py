"""Calls an author's handler in this process, through functions-framework, for their tests."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ossfn.functions.bundle import pack, read_bundle
from ossfn.functions.errors import Fault, FunctionRefused
from ossfn.functions.resolve import resolve

Called = tuple[int, str, dict[str, str]]
"""Status, body, and headers by their names in lower case."""


def call(folder: Path, event: Mapping[str, Any], env: Mapping[str, str]) -> Called:
    """Load the handler anew and give it a CloudEvent, or any other JSON. Raises FunctionRefused."""
    folder = folder.resolve()
    version = resolve(1, read_bundle(pack(folder)), {}, actor="", now=0.0)
    if "." in version.entry_point:
        why = f"{version.entry_point} is a JD Cloud function, which runs under its host only: use the fixture `serve`"
        raise FunctionRefused([Fault("entry_point", why)])
    import functions_framework
    from functions_framework import _function_registry

    # It remembers how a handler of this name was decorated, and takes the next folder's for the same.
    _function_registry.ASGI_FUNCTIONS.discard(version.entry_point)
    _function_registry.REGISTRY_MAP.pop(version.entry_point, None)
    with _as_it_was(folder, {**version.env, **env}):
        app: Any = functions_framework.create_app(  # type: ignore[no-untyped-call]
            version.entry_point, str(folder / version.source), version.signature_type
        )
        kind = "application/cloudevents+json" if "specversion" in event else "application/json"
        body, headers = json.dumps(event).encode(), {"content-type": kind}
        return asyncio.run(_call_asgi(app, body, headers)) if version.asgi else _call_flask(app, body, headers)


def _call_flask(app: Any, body: bytes, headers: Mapping[str, str]) -> Called:
    answer = app.test_client().post("/", data=body, headers=headers)
    return answer.status_code, answer.get_data(as_text=True), {n.lower(): v for n, v in answer.headers.items()}


async def _call_asgi(app: Any, body: bytes, headers: Mapping[str, str]) -> Called:
    import httpx

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://function") as client:
        answer = await client.post("/", content=body, headers=headers)
        return answer.status_code, answer.text, dict(answer.headers)


@contextmanager
def _as_it_was(folder: Path, env: Mapping[str, str]) -> Iterator[None]:
    """The environment with these variables; afterwards that, and what loading a handler changes, is undone."""
    environ, path, modules = dict(os.environ), list(sys.path), dict(sys.modules)
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environ)
        sys.path[:] = path
        for name, module in list(sys.modules.items()):
            if name in modules:
                sys.modules[name] = modules[name]
            elif Path(getattr(module, "__file__", None) or "/").is_relative_to(folder):
                # The next folder's `helper` is another one.
                del sys.modules[name]
