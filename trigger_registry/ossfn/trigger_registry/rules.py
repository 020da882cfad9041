"""What a rule is: these events on these keys of a bucket go to these targets. Pure values."""

from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["strict", "first-match", "fan-out"]
"""What happens when two rules want one event: refused at registration, the first in order wins, or both fire."""

Format = Literal["structured", "binary", "s3-notification", "jd-notification"]
"""How a target is sent an event: CloudEvents 1.0 in either mode, `{"Records": […]}`, or JD Cloud's callback JSON."""

Element = Literal["Topic", "Queue", "CloudFunction"]
"""The element of the S3 document that named the target; given back as it was put."""

Verification = Literal["none", "jd", "cloudevents"]
"""How a callback proves that it wants events: not at all, JD's base64 echo, or the CloudEvents `OPTIONS` handshake."""


@dataclass(frozen=True, slots=True)
class Callback:
    """Any HTTP(S) address."""

    url: str

    @property
    def id(self) -> str:
        """The target's name everywhere outside the registry, e.g. `callback:https://example.com/hook`."""
        return f"callback:{self.url}"


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """A function by its name in the catalog; it need not exist yet when validation was skipped."""

    name: str

    @property
    def id(self) -> str:
        """The target's name everywhere outside the registry, e.g. `function:thumbs`."""
        return f"function:{self.name}"


Target = Callback | FunctionRef


@dataclass(frozen=True, slots=True)
class NamedCallback:
    """Callback addresses under a name, for rules whose target is an ARN; the rules follow when the addresses change."""

    name: str
    urls: tuple[str, ...]
    region: str = ""
    """Empty: usable from buckets of every region."""


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Keys that begin with `prefix` and end with `suffix`, both in plain characters; empty matches all."""

    prefix: str = ""
    suffix: str = ""

    def matches(self, key: str) -> bool:
        """Whether a decoded object key passes; the two may overlap inside the key, as on AWS."""
        return key.startswith(self.prefix) and key.endswith(self.suffix)


@dataclass(frozen=True, slots=True)
class AsPut:
    """How the S3 document spelled a rule, so that reading, changing and writing it back changes nothing else."""

    element: Element = "CloudFunction"
    target_text: str = ""
    filter_rules: tuple[tuple[str, str], ...] = ()
    """(`Prefix` or `Suffix`, value as given), in the order given."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one bucket.

    `name` is unique in its bucket and keeps to JD's alphabet; `id`, unique too, is the S3 document's Id as given (CDK's
    hold `:` and `/`).
    `targets` are all callbacks (1 to 5) or exactly one function.
    """

    name: str
    events: tuple[str, ...]
    keys: KeyFilter
    targets: tuple[Target, ...]
    id: str = ""
    enabled: bool = True
    ordered: bool = False
    drop_stale: bool = False
    format: Format = "structured"
    verification: Verification = "none"
    as_put: AsPut = field(default_factory=AsPut)

    @property
    def function(self) -> str | None:
        """The function's name when the rule's target is one."""
        target = self.targets[0] if self.targets else None
        return target.name if isinstance(target, FunctionRef) else None


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket's whole configuration at one generation; rules stand in match order."""

    name: str
    region: str
    mode: Mode = "strict"
    owner: str = ""
    generation: int = 0
    """Grows by one with every change of this bucket; stamped on each event that it matched."""
    rules: tuple[Rule, ...] = ()
