"""Which rules of a bucket take an event: a hash by event name, by each prefix length, then by each suffix length. Pure.

The time a match takes does not grow with the number of rules, only with the number of different filter lengths.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ossfn.trigger_registry.event_names import covers, expand
from ossfn.trigger_registry.rules import Bucket, Mode, Rule


@dataclass(frozen=True, slots=True)
class Match:
    """The rules that get one event, in order, at this generation of the bucket; none when nobody wants it."""

    generation: int
    mode: Mode
    rules: tuple[Rule, ...]


NOT_REGISTERED = Match(0, "strict", ())
"""What matches in a bucket that the registry does not know."""

_Suffixes = tuple[tuple[int, dict[str, tuple[int, ...]]], ...]
_Table = tuple[tuple[int, dict[str, _Suffixes]], ...]
"""For each prefix length, the suffix tables of each prefix; these lead to positions in the rule order, ascending."""


class Matcher:
    """A bucket's enabled rules, arranged for look-up. Never changes, so any number of threads may use it."""

    __slots__ = ("_generation", "_mode", "_none", "_rules", "_single", "_tables", "_wildcards")

    def __init__(self, bucket: Bucket) -> None:
        self._generation, self._mode = bucket.generation, bucket.mode
        self._rules = tuple(rule for rule in bucket.rules if rule.enabled)
        self._none = Match(bucket.generation, bucket.mode, ())
        self._single = tuple(Match(bucket.generation, bucket.mode, (rule,)) for rule in self._rules)
        patterns = {pattern for rule in self._rules for pattern in rule.events}
        tables = _Tables(self._rules)
        self._tables = {name: tables.of(name) for name in expand(patterns)}
        # For names that no table lists yet; the longest stem first, since its rules include those of shorter ones.
        stems = sorted((pattern[:-1] for pattern in patterns if pattern.endswith(":*")), key=len, reverse=True)
        self._wildcards = tuple((stem, tables.of(stem)) for stem in stems)

    def match(self, event_name: str, key: str) -> Match:
        """The rules for this event: all of them in mode `fan-out`, else the first in order."""
        table = self._tables.get(event_name)
        if table is None:
            table = next((table for stem, table in self._wildcards if event_name.startswith(stem)), ())
        hits: list[int] = []
        for prefix_length, prefixes in table:
            for suffix_length, suffixes in prefixes.get(key[:prefix_length], ()):
                hits += suffixes.get(key[len(key) - suffix_length :], ())
        if not hits:
            return self._none
        if self._mode != "fan-out" or len(hits) == 1:
            return self._single[min(hits)]
        return Match(self._generation, self._mode, tuple(self._rules[i] for i in sorted(hits)))


class _Tables:
    """Event names that the same rules want share one table: most of a family's names do."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._made: dict[tuple[int, ...], _Table] = {}

    def of(self, event_name: str) -> _Table:
        wanted = tuple(i for i, rule in enumerate(self._rules) if any(covers(p, event_name) for p in rule.events))
        if wanted not in self._made:
            self._made[wanted] = _by_prefix(self._rules, wanted)
        return self._made[wanted]


def _by_prefix(rules: Sequence[Rule], positions: Iterable[int]) -> _Table:
    lengths: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i in positions:
        prefix = rules[i].keys.prefix
        lengths[len(prefix)][prefix].append(i)
    return tuple(
        (length, {prefix: _by_suffix(rules, found) for prefix, found in prefixes.items()})
        for length, prefixes in lengths.items()
    )


def _by_suffix(rules: Sequence[Rule], positions: Iterable[int]) -> _Suffixes:
    lengths: dict[int, dict[str, tuple[int, ...]]] = defaultdict(dict)
    for i in positions:
        suffix = rules[i].keys.suffix
        same_length = lengths[len(suffix)]
        same_length[suffix] = (*same_length.get(suffix, ()), i)
    return tuple(lengths.items())
