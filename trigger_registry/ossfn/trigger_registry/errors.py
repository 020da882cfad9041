"""Why the registry says no.

RegistryError
├── RuleRefused          the document or rule breaks one or more limits; carries every Fault
├── NoSuchBucket         404
├── NoSuchRule           404
├── NoSuchCallback       404
├── NoSuchGeneration     404
├── BucketExists         409, owned by someone else
├── RuleExists           409
├── AccessDenied         403
├── PreconditionFailed   412, If-Match lost the race
├── InUse                409, a bucket that still has rules, a function that still has triggers
└── RegistryUnavailable  503, the store cannot be read or written now
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with what was put; enough for S3's XML, for problem+json and for the console's field.

    `code` is S3's (`InvalidArgument`, `MalformedXML` …); `limit` names the field of `Limits` or the check that failed;
    `field` is where (`rules[2].prefix`; `prefix` for a rule put alone), `value` what was given, cut to 200 characters,
    `advice` what to do instead.
    `arguments` are S3's ArgumentName/ArgumentValue pairs, in order.
    """

    code: str
    message: str
    limit: str = ""
    rule: str = ""
    field: str = ""
    value: str = ""
    advice: str = ""
    arguments: tuple[tuple[str, str], ...] = ()
    other_rule: str = ""
    witness: str | None = None


class RegistryError(Exception):
    """The base of all that the registry raises on purpose. `code` is S3's error code, `status` the HTTP status."""

    code = "InternalError"
    status = 500


@dataclass
class RuleRefused(RegistryError):
    """Nothing was stored; `faults` holds everything that is wrong: form before targets before overlap."""

    faults: Sequence[Fault] = field(default_factory=list)
    status = 400

    def __str__(self) -> str:
        """Every fault on a line of its own."""
        return "\n".join(f.message for f in self.faults)

    @property
    def code(self) -> str:  # type: ignore[override]
        """S3's code of the first fault, the one that its XML form shows."""
        return self.faults[0].code


class NoSuchBucket(RegistryError):
    """The bucket is not registered here."""

    code, status = "NoSuchBucket", 404


class NoSuchRule(RegistryError):
    """The bucket has no rule of that name."""

    code, status = "NoSuchRule", 404


class NoSuchCallback(RegistryError):
    """No callback is registered under that name."""

    code, status = "NoSuchCallback", 404


class NoSuchGeneration(RegistryError):
    """The bucket never had that generation, or was deleted at it."""

    code, status = "NoSuchGeneration", 404


class BucketExists(RegistryError):
    """Another owner has registered this bucket."""

    code, status = "BucketAlreadyExists", 409


class RuleExists(RegistryError):
    """The bucket has a rule of that name already."""

    code, status = "RuleAlreadyExists", 409


class AccessDenied(RegistryError):
    """The caller does not own the bucket."""

    code, status = "AccessDenied", 403


class PreconditionFailed(RegistryError):
    """The bucket's generation is no longer the one in If-Match."""

    code, status = "PreconditionFailed", 412


class InUse(RegistryError):
    """Something still hangs on it; `users` lists what."""

    code, status = "Conflict", 409

    def __init__(self, message: str, users: Sequence[str]) -> None:
        super().__init__(message)
        self.users = list(users)


class RegistryUnavailable(RegistryError):
    """The store did not answer; nothing was changed. Try again."""

    code, status = "ServiceUnavailable", 503
