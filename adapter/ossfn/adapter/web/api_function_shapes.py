"""Functions, their versions, logs and triggers, as JSON. Values of environment variables never go out. Pure."""

from dataclasses import asdict
from typing import Annotated, Literal, assert_never

from pydantic import ConfigDict, Field

from ossfn.adapter.web.api_faults import ApiError
from ossfn.adapter.web.api_shapes import Shape, Time
from ossfn.functions.hosting.logs import LogLine, Stream
from ossfn.functions.hosting.states import Backoff, Idle, Ready, Starting, State, Stopped
from ossfn.functions.model import Remote, SignatureType, Version
from ossfn.functions.service import Description
from ossfn.trigger_registry.limits import DEFAULT_LIMITS
from ossfn.trigger_registry.rules import Rule

StateName = Literal["idle", "starting", "ready", "backoff", "stopped", "remote"]
"""What its host does; `idle` starts at the next request, `backoff` is started again after a failure."""


class VersionOut(Shape):
    """One deployed bundle with all that it runs with."""

    number: int
    sha256: str
    source: str
    entry_point: str
    signature_type: SignatureType
    asgi: bool
    concurrency: int
    timeout_seconds: int
    memory_mb: int | None
    idle_seconds: int
    region: str
    env: list[str]
    """Names only."""
    created_at: Time
    actor: str


class FunctionOut(Shape):
    """A function and what it is doing at this moment."""

    name: str
    kind: Literal["hosted", "remote"]
    state: StateName
    reason: str
    """Why it is in `backoff`."""
    tail: list[str]
    """What it wrote last before it failed."""
    url: str | None
    """Of a remote one."""
    version: int | None
    """The number of the version that serves."""
    region: str
    concurrency: int
    timeout_seconds: int
    created_at: Time
    updated_at: Time
    serving: VersionOut | None
    """The version that serves, of a hosted one."""


class FunctionsOut(Shape):
    """Every function, by name."""

    functions: list[FunctionOut]


class VersionsOut(Shape):
    """The versions that can be served, newest first."""

    versions: list[VersionOut]
    aliases: dict[str, int]
    """Numbers of versions by the names given to them."""


class LogLineOut(Shape):
    """One line that a function printed."""

    time: Time
    version: int
    stream: Stream
    text: str


class LogOut(Shape):
    """The last lines, oldest first."""

    lines: list[LogLineOut]


class TriggerOut(Shape):
    """A rule seen from its function."""

    bucket: str
    rule: str
    events: list[str]
    prefix: str
    suffix: str
    enabled: bool


class TriggersOut(Shape):
    """How many triggers the function has, of how many it may have."""

    limit: int
    count: int
    triggers: list[TriggerOut]


class RollbackIn(Shape):
    """Which version to serve again, by its number or alias; left out: the one before."""

    version: Annotated[int | None, Field(ge=1, lt=2**31)] = None
    alias: str | None = None


class AliasIn(Shape):
    """Which version the alias stands for; left out: the one that serves."""

    version: Annotated[int | None, Field(ge=1, lt=2**31)] = None


class AliasOut(Shape):
    """A name for a version."""

    alias: str
    version: int


class DeployOptions(Shape):
    """How to run the code, over what its functions.toml says."""

    model_config = ConfigDict(strict=False)

    source: str | None = None
    """The file with the handler; `main.py` unless said."""
    entry_point: str | None = None
    signature_type: SignatureType | None = None
    concurrency: int | None = None
    timeout_seconds: int | None = None
    memory_mb: int | None = None
    idle_seconds: int | None = None
    region: str | None = None
    env: list[str] = Field(default_factory=list)
    """`NAME=VALUE`, repeated."""

    def options(self) -> dict[str, object]:
        """As `Functions.deploy` takes them."""
        given = self.model_dump(exclude_defaults=True)
        return given | {"env": dict(map(_variable, self.env))} if self.env else given


def _variable(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        raise ApiError(400, "InvalidFunction", "A variable is given as NAME=VALUE.", field="env")
    return name, value


def function_out(description: Description) -> FunctionOut:
    """A function of the catalog."""
    function, state = description.function, description.state
    runs = function.runs
    backoff = state if isinstance(state, Backoff) else None
    return FunctionOut(
        name=function.name,
        kind=function.kind,
        state=_state_name(state),
        reason=backoff.reason if backoff else "",
        tail=list(backoff.tail) if backoff else [],
        url=runs.url if isinstance(runs, Remote) else None,
        version=runs.number if isinstance(runs, Version) else None,
        region=runs.region,
        concurrency=runs.concurrency,
        timeout_seconds=runs.timeout_seconds,
        created_at=function.created_at,
        updated_at=function.updated_at,
        serving=version_out(runs) if isinstance(runs, Version) else None,
    )


def _state_name(state: State | None) -> StateName:
    match state:
        case None:
            return "remote"
        case Idle():
            return "idle"
        case Starting():
            return "starting"
        case Ready():
            return "ready"
        case Backoff():
            return "backoff"
        case Stopped():
            return "stopped"
        case _:
            assert_never(state)


def version_out(version: Version) -> VersionOut:
    """A version of the catalog, its environment's values left out."""
    named = {name: value for name, value in asdict(version).items() if name in VersionOut.model_fields}
    return VersionOut(**named | {"env": sorted(version.env)})


def log_line_out(line: LogLine) -> LogLineOut:
    """A line of a function's log."""
    return LogLineOut(time=line.time, version=line.version, stream=line.stream, text=line.text)


def triggers_out(triggers: list[tuple[str, Rule]]) -> TriggersOut:
    """The registry's rules for one function."""
    return TriggersOut(
        limit=DEFAULT_LIMITS.triggers_per_function,
        count=len(triggers),
        triggers=[
            TriggerOut(
                bucket=bucket,
                rule=rule.name,
                events=list(rule.events),
                prefix=rule.keys.prefix,
                suffix=rule.keys.suffix,
                enabled=rule.enabled,
            )
            for bucket, rule in triggers
        ],
    )
