"""Reads `template.yaml` of JD Cloud's tool `sca`: which functions a folder holds and how each is run. Pure.

Source: `sca` (ROSTemplateFormatVersion 2019-12-25), its template and its checks.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import yaml  # type: ignore[import-untyped]  # its stubs are a package of their own
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ossfn.functions.errors import Fault, FunctionRefused

TEMPLATE_FILE = "template.yaml"


@dataclass(frozen=True, slots=True)
class Declared:
    """A function of a template; `options` and `env` are as in `config.FunctionConfig`."""

    name: str
    code_uri: str
    """Folder of the code, relative to the template."""
    options: dict[str, str | int]
    env: dict[str, str]


class _Properties(BaseModel):
    """What `sca` knows. Roles, networks and log sets belong to JD's cloud and mean nothing here."""

    model_config = ConfigDict(extra="allow")

    Handler: Annotated[str, Field(pattern=r"^[^.]+\.[^.]+$")]
    Runtime: Literal["python3.6", "python3.7"]
    CodeUri: str = "./"
    Timeout: Annotated[int, Field(ge=1, le=300)] = 300
    MemorySize: Annotated[int, Field(ge=128, le=3072, multiple_of=64)] = 128
    Env: dict[Annotated[str, Field(min_length=1)], Annotated[str, Field(min_length=1)]] | None = None


class _Resource(BaseModel):
    Type: str
    Properties: dict[str, Any] = {}


class _Template(BaseModel):
    Transform: str
    Resources: dict[str, _Resource]


def is_template(text: str) -> bool:
    """Whether it is one of sca's; other tools call their files template.yaml too."""
    return "JDCloud::Serverless" in text


def read_template(text: str, name: str | None = None) -> Declared:
    """The function called `name`; the only one is taken under any name. Raises FunctionRefused."""
    try:
        template = _Template.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise _refused("", str(error)) from None
    except ValidationError as error:
        raise _refused_all(error, "") from None
    functions = {n: r for n, r in template.Resources.items() if r.Type == "JDCloud::Serverless::Function"}
    meant = next(iter(functions)) if len(functions) == 1 else name
    if meant is None or meant not in functions:
        raise _refused("Resources", f"say which one is meant by --name: {', '.join(functions) or 'it has no function'}")
    return _declared(name or meant, functions[meant].Properties, f"Resources.{meant}.Properties")


def _declared(name: str, properties: dict[str, Any], place: str) -> Declared:
    if properties.get("Runtime") == "python2.7":
        why = "Python 2.7 is not run here; the code needs to be moved to Python 3 (Runtime: python3.7)"
        raise _refused(f"{place}.Runtime", why)
    try:
        given = _Properties.model_validate(properties)
    except ValidationError as error:
        raise _refused_all(error, place) from None
    options: dict[str, str | int] = {
        "entry_point": given.Handler,
        "timeout_seconds": given.Timeout,
        "memory_mb": given.MemorySize,
    }
    return Declared(name, given.CodeUri, options, given.Env or {})


def _refused(place: str, why: str) -> FunctionRefused:
    return FunctionRefused([Fault(".".join(part for part in (TEMPLATE_FILE, place) if part), why)])


def _refused_all(error: ValidationError, place: str) -> FunctionRefused:
    def field(location: tuple[int | str, ...]) -> str:
        return ".".join(part for part in (TEMPLATE_FILE, place, *map(str, location)) if part)

    return FunctionRefused([Fault(field(e["loc"]), e["msg"]) for e in error.errors()])
