"""Why the functions room says no.

FunctionError
├── FunctionRefused   400, the name, the options or the bundle are wrong; carries every Fault
├── DeployRefused     422, this version does not install or does not start; carries the last lines it wrote
├── NoSuchFunction    404
├── NoSuchVersion     404
├── Changed           412, the function is no longer as the caller has seen it
├── WrongKind         409, a hosted function cannot become a remote one or the other way round
└── DataInUse         503, another process looks after this data directory
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with what was given: `field` is where (`env.PATH`), `message` what and what to do instead."""

    field: str
    message: str


class FunctionError(Exception):
    """The base of all that this package raises on purpose. `code` is for programs, `status` the HTTP status."""

    code = "InternalError"
    status = 500


class FunctionRefused(FunctionError):
    """Nothing was kept; `faults` holds everything that is wrong."""

    code, status = "InvalidFunction", 400

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(f"{fault.field}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)


class DeployRefused(FunctionError):
    """The version does not install or start; whatever served before still serves. `tail` is what it wrote last."""

    code, status = "DeployRefused", 422

    def __init__(self, reason: str, tail: Iterable[str] = ()) -> None:
        self.reason = reason
        self.tail = tuple(tail)
        super().__init__("\n".join((reason, *self.tail)))


class NoSuchFunction(FunctionError):
    """No function of that name is deployed."""

    code, status = "NoSuchFunction", 404

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no function named {name!r}; `ossfn functions ls` shows those there are")


class NoSuchVersion(FunctionError):
    """The function has no such version, or none before the one that serves."""

    code, status = "NoSuchVersion", 404


class WrongKind(FunctionError):
    """The function exists and is of the other kind (hosted, remote)."""

    code, status = "WrongKind", 409


class Changed(FunctionError):
    """The function is no longer as the caller has seen it."""

    code, status = "PreconditionFailed", 412


class DataInUse(FunctionError):
    """Another process looks after the functions of this data directory."""

    code, status = "DataInUse", 503
