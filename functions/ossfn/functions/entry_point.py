"""Find the handler in an author's file without running it: which function, called with what, sync or async."""

import ast
from dataclasses import dataclass

from ossfn.functions.config import FunctionConfig
from ossfn.functions.errors import Fault, FunctionRefused
from ossfn.functions.model import SignatureType

Kind = tuple[SignatureType, bool]
"""What a decorator makes of a function: its signature type, and whether an event loop serves it."""

DECORATORS: dict[str, Kind] = {
    "functions_framework.http": ("http", False),
    "functions_framework.cloud_event": ("cloudevent", False),
    "functions_framework.typed": ("typed", False),
    "functions_framework.aio.http": ("http", True),
    "functions_framework.aio.cloud_event": ("cloudevent", True),
}
OBJECT_EVENT = {"ossfn.functions.object_event", "ossfn.functions.kit.object_event"}
"""Our decorator: an event loop serves the async ones."""


@dataclass(frozen=True, slots=True)
class Handler:
    """The author's function and how it wants to be served."""

    entry_point: str
    signature_type: SignatureType
    asgi: bool


Definition = ast.FunctionDef | ast.AsyncFunctionDef


def find_handler(code: str, config: FunctionConfig) -> Handler:
    """The handler that the configuration names, else the only decorated function; refused when that leaves a doubt."""
    try:
        module = ast.parse(code, config.source)
        functions, kinds = _top_level(module)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FunctionRefused([Fault(config.source, f"does not compile: {error}")]) from None
    if config.entry_point:
        _check_there(config.entry_point.rpartition(".")[2], module, list(kinds), config.source)
    if config.entry_point and "." in config.entry_point:
        return _jd_handler(config.entry_point, functions, config)
    entry_point = config.entry_point or _only(list(kinds), list(functions), config.source)
    is_async = isinstance(functions.get(entry_point), ast.AsyncFunctionDef)
    return _handler(entry_point, kinds.get(entry_point), is_async, config.signature_type)


def _top_level(module: ast.Module) -> tuple[dict[str, Definition], dict[str, Kind]]:
    """The functions of a file by name, and what the decorated ones among them are decorated as."""
    names = _imported_names(module)
    functions = {node.name: node for node in module.body if isinstance(node, Definition)}
    return functions, {name: kind for name, node in functions.items() if (kind := _decorated_as(node, names))}


def _check_there(name: str, module: ast.Module, decorated: list[str], source: str) -> None:
    """Refuse a handler that nothing in the file makes; what a star import brings cannot be known."""
    if not {name, "*"} & _bound_names(module):
        there = f"; decorated there: {', '.join(decorated)}" if decorated else ""
        raise FunctionRefused([Fault("entry_point", f"there is no function {name} in {source}{there}")])


def _bound_names(module: ast.Module) -> set[str]:
    """Every name that is given something anywhere in a file, `*` for a star import."""
    names = set()
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                names.add(name)
            case ast.Name(name, ast.Store()):
                names.add(name)
            case ast.alias(name, asname):
                names.add(asname or name)
            case _:
                pass
    return names


def _only(decorated: list[str], functions: list[str], source: str) -> str:
    if len(decorated) == 1:
        return decorated[0]
    if decorated:
        why = f"{source} has several handlers, {', '.join(decorated)}: say which one is meant"
    elif functions:
        why = (
            f"no function in {source} is decorated (e.g. with @functions_framework.cloud_event): "
            f"decorate one, or say which of {', '.join(functions)} is meant"
        )
    else:
        why = f"{source} defines no function"
    raise FunctionRefused([Fault("entry_point", why)])


def _handler(name: str, decorated: Kind | None, is_async: bool, wanted: SignatureType | None) -> Handler:
    signature_type, asgi = decorated or (wanted, is_async)
    if signature_type is None:
        why = f"{name} is not decorated: decorate it with @functions_framework.cloud_event, or say its signature type"
        raise FunctionRefused([Fault("signature_type", why)])
    # functions-framework lets the decorator win over its --signature-type.
    if wanted not in (None, signature_type):
        why = f"{name} is decorated as {signature_type}; change the decorator or leave the signature type out"
        raise FunctionRefused([Fault("signature_type", why)])
    if is_async and not asgi:
        decorator = "http" if signature_type == "http" else "cloud_event"
        why = f"{name} is async: decorate it with functions_framework.aio.{decorator}"
        raise FunctionRefused([Fault("entry_point", why)])
    if asgi and signature_type not in ("http", "cloudevent"):
        why = f"functions-framework serves no async {signature_type} handlers, only http and cloudevent ones"
        raise FunctionRefused([Fault("signature_type", why)])
    return Handler(name, signature_type, asgi)


def _jd_handler(entry_point: str, functions: dict[str, Definition], config: FunctionConfig) -> Handler:
    name = entry_point.partition(".")[2]
    if isinstance(functions.get(name), ast.AsyncFunctionDef):
        raise FunctionRefused([Fault("entry_point", f"{name} is async; JD Cloud calls def {name}(event, context)")])
    if config.signature_type not in (None, "http"):
        why = f"{entry_point} is a JD Cloud function, which has no signature type; leave it out"
        raise FunctionRefused([Fault("signature_type", why)])
    return Handler(entry_point, "http", asgi=False)


def _imported_names(module: ast.Module) -> dict[str, str]:
    """What each imported name stands for: `{"ff": "functions_framework", "http": "functions_framework.aio.http"}`."""
    names: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {a.asname: a.name for a in node.names if a.asname}
            names |= {top: top for a in node.names if not a.asname and (top := a.name.split(".")[0])}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


def _decorated_as(function: Definition, names: dict[str, str]) -> Kind | None:
    for decorator in function.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = _dotted(called, names)
        if name in OBJECT_EVENT:
            return "cloudevent", isinstance(function, ast.AsyncFunctionDef)
        if kind := DECORATORS.get(name):
            return kind
    return None


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    match node:
        case ast.Name(name):
            return names.get(name, name)
        case ast.Attribute(value, attribute):
            return f"{_dotted(value, names)}.{attribute}"
        case _:
            return ""
