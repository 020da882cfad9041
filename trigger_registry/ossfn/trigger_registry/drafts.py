"""A rule on its way into a bucket, and how a fault of it is written down. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ossfn.trigger_registry.errors import Fault
from ossfn.trigger_registry.rules import FunctionRef, Rule
from ossfn.trigger_registry.targets import Resolved, TargetText

_SHOWN = 200
"""Characters of a wrong value that a fault repeats."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule with what its target text says (None: nothing that can be read) and what that stands for.

    `at` is where the rule stands, to be put in front of a field's name: `rules[2].`, or nothing when it came alone.
    """

    rule: Rule
    at: str
    text: TargetText | None
    found: Resolved | None

    @property
    def is_missing(self) -> bool:
        """Whether its target does not exist."""
        return self.found is not None and not self.found.exists

    @property
    def is_function(self) -> bool:
        """Whether the target is a function, or is meant to be one."""
        if self.found is None or not isinstance(self.found.targets[0], FunctionRef):
            return False
        return self.found.exists or (self.text is not None and self.text.kind in ("bare", "function"))

    @property
    def target(self) -> str:
        """The target as it was put, or its name."""
        return self.rule.as_put.target_text or (self.text.name if self.text else "")

    def located(self, faults: Iterable[Fault]) -> Iterator[Fault]:
        """Faults of this rule with its name, and with the whole path to the field."""
        return (replace(fault, rule=self.rule.name, field=self.at + fault.field) for fault in faults)


def invalid(
    limit: str, field: str, value: str, message: str, advice: str, arguments: tuple[tuple[str, str], ...] = ()
) -> Fault:
    """A fault with S3's code for almost everything."""
    return Fault("InvalidArgument", message, limit, field=field, value=shown(value), advice=advice, arguments=arguments)


def shown(value: str) -> str:
    """A value as a fault repeats it: not without end, and as text that can be sent."""
    value = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
    return value.encode("utf-8", "backslashreplace").decode()
