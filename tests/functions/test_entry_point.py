"""Which function of an author's file is the handler, and what it is."""

from textwrap import dedent

import pytest

from ossfn.functions.config import FunctionConfig
from ossfn.functions.entry_point import Handler, find_handler
from ossfn.functions.errors import FunctionRefused

SILENT = FunctionConfig()


@pytest.mark.parametrize(
    ("imports", "decorator", "definition", "signature_type", "asgi"),
    [
        ("import functions_framework", "functions_framework.cloud_event", "def", "cloudevent", False),
        ("import functions_framework as ff", "ff.http", "def", "http", False),
        ("from functions_framework import cloud_event", "cloud_event", "def", "cloudevent", False),
        ("from functions_framework import http as h", "h", "def", "http", False),
        ("import functions_framework", "functions_framework.typed", "def", "typed", False),
        ("import functions_framework", "functions_framework.typed(dict)", "def", "typed", False),
        ("import functions_framework.aio", "functions_framework.aio.cloud_event", "async def", "cloudevent", True),
        ("from functions_framework import aio", "aio.http", "async def", "http", True),
        ("from functions_framework import aio", "aio.http", "def", "http", True),
        ("from functions_framework.aio import http", "http", "async def", "http", True),
        ("import functions_framework.aio as a", "a.cloud_event", "async def", "cloudevent", True),
    ],
)
def test_the_only_decorated_function_is_the_handler(
    imports: str, decorator: str, definition: str, signature_type: str, asgi: bool
) -> None:
    code = f"{imports}\ndef other(): pass\n@{decorator}\n{definition} go(x):\n    pass\n"
    assert find_handler(code, SILENT) == Handler("go", signature_type, asgi)  # type: ignore[arg-type]  # one of them


def test_the_configuration_names_one_of_several() -> None:
    code = "import functions_framework as ff\n@ff.http\ndef a(r): pass\n@ff.cloud_event\ndef b(e): pass\n"
    assert find_handler(code, FunctionConfig(entry_point="b")) == Handler("b", "cloudevent", False)
    with pytest.raises(FunctionRefused, match="several handlers, a, b"):
        find_handler(code, SILENT)


def test_an_undecorated_handler_needs_its_signature_type() -> None:
    code = "def go(event): pass\nasync def later(event): pass"
    wanted = FunctionConfig(entry_point="go", signature_type="cloudevent")
    assert find_handler(code, wanted) == Handler("go", "cloudevent", False)
    wanted = FunctionConfig(entry_point="later", signature_type="http")
    assert find_handler(code, wanted) == Handler("later", "http", True)
    with pytest.raises(FunctionRefused, match="go is not decorated"):
        find_handler(code, FunctionConfig(entry_point="go"))
    with pytest.raises(FunctionRefused, match="which of go, later is meant"):
        find_handler(code, SILENT)


@pytest.mark.parametrize(
    "code",
    [
        "from handlers import go",
        "from handlers import work as go",
        "from handlers import *",
        "go = make()",
        "class go: 0",
    ],
)
def test_a_handler_made_elsewhere_can_be_named(code: str) -> None:
    wanted = FunctionConfig(entry_point="go", signature_type="cloudevent")
    assert find_handler(code, wanted) == Handler("go", "cloudevent", False)


def test_a_handler_that_is_not_there_is_refused_with_those_that_are() -> None:
    code = "import functions_framework as ff\n@ff.http\ndef a(r): pass\n@ff.cloud_event\ndef b(e): pass\n"
    with pytest.raises(FunctionRefused, match=r"there is no function nosuch in main\.py; decorated there: a, b$"):
        find_handler(code, FunctionConfig(entry_point="nosuch"))
    with pytest.raises(FunctionRefused, match=r"there is no function nosuch in index\.py$"):
        find_handler("def handler(event, context): 0", FunctionConfig(entry_point="index.nosuch", source="index.py"))


@pytest.mark.parametrize(
    ("code", "config", "says"),
    [
        ("def go(:\n", SILENT, "does not compile"),
        ("x = '\0'", SILENT, "does not compile"),
        ("x = 1", SILENT, "defines no function"),
        ("(" * 5000, SILENT, "does not compile"),
        ("import functions_framework\n@functions_framework.http\nasync def go(r): pass", SILENT, r"aio\.http"),
        (
            "import functions_framework\n@functions_framework.http\ndef go(r): pass",
            FunctionConfig(signature_type="cloudevent"),
            "go is decorated as http",
        ),
        (
            "async def go(d, c): pass",
            FunctionConfig(entry_point="go", signature_type="event"),
            "no async event handlers",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_it_is_started(code: str, config: FunctionConfig, says: str) -> None:
    with pytest.raises(FunctionRefused, match=says):
        find_handler(code, config)


def test_another_library_s_decorator_is_not_taken_for_ours() -> None:
    code = dedent(
        """
        from flask_app import http
        @http
        def go(request): pass
        """
    )
    with pytest.raises(FunctionRefused, match=r"no function in main\.py is decorated"):
        find_handler(code, SILENT)
