"""What an author may say about a function, in `functions.toml` beside the code and again at deploy time, which wins."""

import re
import tomllib
from collections.abc import Collection, Mapping
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ossfn.functions.errors import Fault, FunctionRefused
from ossfn.functions.model import SignatureType

DEFAULT_REGION = "cn-north-1"
"""JD Cloud offers functions as targets in this region only, and so do the registry's default limits."""

# JD Cloud Function Service, Restrictions: 1-128 characters, not starting with a digit or hyphen.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")

# JD Cloud Function Service, environment variables: at most 128, names up to 64 bytes, the first row of RESERVED.
# JD ends values at 128 bytes, which a session token does not fit in.
ENV_COUNT = 128
ENV_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
ENV_VALUE_BYTES = 4096
RESERVED = re.compile(
    r"(FUN|JVES|JCLOUD)_.*|HOSTNAME|PYTHON_VERSION|PATH"
    # What functions-framework and gunicorn read; DEBUG would make it listen on a TCP port.
    r"|(FUNCTION|K|OSSFN|LISTEN|GUNICORN)_.*|NOTIFY_SOCKET|HOST|PORT|WORKERS|THREADS|CLOUD_RUN_TIMEOUT_SECONDS"
    r"|THREADED_TIMEOUT_ENABLED|ENTRY_POINT|DEBUG|XDG_RUNTIME_DIR|PYTHONHOME|PYTHONUNBUFFERED"
)


def check_name(name: str) -> None:
    """Refuse what is not a function name."""
    if not NAME.fullmatch(name):
        advice = "1 to 128 letters, digits, `_` and `-`, not starting with a digit or `-`"
        raise FunctionRefused([Fault("name", f"{name!r} is not a function name: {advice}")])


# JD Cloud Function Service, Restrictions: 10 aliases per function.
ALIASES = 10
ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def check_alias(alias: str, present: Collection[str]) -> None:
    """Refuse what is not a name for a version, or one name too many beside those `present`."""
    if not ALIAS.fullmatch(alias):
        advice = "1 to 64 letters, digits, `_` and `-`, not starting with a digit or `-`"
        raise FunctionRefused([Fault("alias", f"{alias!r} is not an alias: {advice}")])
    if alias not in present and len(present) >= ALIASES:
        raise FunctionRefused([Fault("alias", f"there are {ALIASES} already; remove one of {', '.join(present)}")])


def _env(env: dict[str, str]) -> dict[str, str]:
    if len(env) > ENV_COUNT:
        raise ValueError(f"{len(env)} variables; at most {ENV_COUNT} are allowed")
    for name, value in env.items():
        if not ENV_NAME.fullmatch(name):
            raise ValueError(f"{name!r}: a name is a letter followed by up to 63 letters, digits and `_`")
        if RESERVED.fullmatch(name):
            raise ValueError(f"{name} is reserved for the host; choose another name")
        if len(value.encode()) > ENV_VALUE_BYTES or "\0" in value:
            raise ValueError(f"the value of {name} must have no NUL and at most {ENV_VALUE_BYTES} bytes")
    return env


def _path(path: str) -> str:
    if not path.endswith(".py") or path.startswith("/") or ".." in path.split("/"):
        raise ValueError("the path of a .py file inside the bundle, e.g. main.py")
    return path


def _url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port != 0
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid:
        raise ValueError("a complete http:// or https:// URL is needed")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("no user, password or fragment may stand in the URL")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("only printable ASCII may stand in a URL; percent-encode the rest")
    return url


Concurrency = Annotated[int, Field(ge=1, le=1000)]
# JD Cloud Function Service, Restrictions: 1 to 300 s.
TimeoutSeconds = Annotated[int, Field(ge=1, le=300)]
Region = Annotated[str, Field(min_length=1, max_length=64)]


class FunctionConfig(BaseModel):
    """The keys of `functions.toml` and of a deploy's options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")] | None = None
    """For the command line, when no name is given there."""
    source: Annotated[str, AfterValidator(_path)] = "main.py"
    entry_point: Annotated[str, Field(pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)?$")] | None = None
    """The handler's name; None: the only decorated function of the source file.

    `file.function` is a JD Cloud function, called with JD's event and context.
    """
    signature_type: SignatureType | None = None
    """None: as the handler's decorator says."""
    concurrency: Concurrency | None = None
    """Requests at a time; None: 4 (worker processes), 64 for async handlers."""
    timeout_seconds: TimeoutSeconds = 60
    """A sync handler is stopped after it; an async one only when it blocks its event loop, else the caller hangs up."""
    memory_mb: Annotated[int, Field(ge=64, le=1024 * 1024)] | None = None
    """Data memory of each process: heap, anonymous mappings and thread stacks; None: no cap."""
    idle_seconds: Annotated[int, Field(ge=0)] = 0
    """Stopped after so long without a request and started by the next one; 0: always kept running."""
    region: Region = DEFAULT_REGION
    env: Annotated[dict[str, str], AfterValidator(_env)] = {}


class RemoteConfig(BaseModel):
    """A remote function's address and options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(max_length=2048), AfterValidator(_url)]
    region: Region = DEFAULT_REGION
    concurrency: Concurrency = 16
    timeout_seconds: TimeoutSeconds = 60


def function_config(toml: str | None, options: Mapping[str, object]) -> FunctionConfig:
    """The file's keys under the deploy's options; None stands for "not said", and `env` is merged name by name."""
    try:
        said: dict[str, object] = tomllib.loads(toml) if toml else {}
    except tomllib.TOMLDecodeError as error:
        raise FunctionRefused([Fault("functions.toml", str(error))]) from None
    given = {key: value for key, value in options.items() if value is not None}
    match said.get("env"), given.get("env"):
        case dict(of_file), dict(of_options):
            given["env"] = of_file | of_options
    return _validated(FunctionConfig, said | given)


def remote_config(url: str, options: Mapping[str, object]) -> RemoteConfig:
    """A remote function's settings; None stands for "not said"."""
    given = {key: value for key, value in options.items() if value is not None}
    return _validated(RemoteConfig, given | {"url": url})


Model = TypeVar("Model", bound=BaseModel)


def _validated(model: type[Model], values: Mapping[str, object]) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise FunctionRefused([_fault(e["loc"], e["type"], e["msg"], model) for e in error.errors()]) from None


def _fault(place: tuple[int | str, ...], kind: str, message: str, model: type[BaseModel]) -> Fault:
    field = ".".join(str(part) for part in place)
    if kind == "extra_forbidden":
        return Fault(field, f"is not known; known are {', '.join(model.model_fields)}")
    return Fault(field, message.removeprefix("Value error, "))
