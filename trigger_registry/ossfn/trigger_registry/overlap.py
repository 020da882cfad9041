"""Whether two rules want one event, and a key that shows it. Pure."""

from collections.abc import Iterator, Sequence

from ossfn.trigger_registry.event_names import covers
from ossfn.trigger_registry.rules import KeyFilter, Rule

S3_TEXT = (
    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules "
    "if the prefixes are overlapping for the same event type."
)
"""Amazon S3's words for it."""

MINIO_TEXT = (
    "An object key name filtering rule defined with overlapping prefixes, overlapping suffixes, "
    "or overlapping combinations of prefixes and suffixes for the same event types."
)
"""MinIO's words; `mc event add --ignore-existing` looks for them in the message."""


def clash(a: Rule, b: Rule, key_bytes: int = 1024) -> str | None:
    """The shortest key that both rules take for one event; None when no key of at most `key_bytes` bytes is one."""
    key = witness(a.keys, b.keys, key_bytes)
    return key if key is not None and shared_events(a, b) else None


def shared_events(a: Rule, b: Rule) -> tuple[str, str] | None:
    """The first two event names of the rules, one of each, of which one covers the other."""
    pairs = ((mine, other) for mine in a.events for other in b.events)
    return next((pair for pair in pairs if covers(*pair) or covers(*reversed(pair))), None)


def witness(a: KeyFilter, b: KeyFilter, key_bytes: int = 1024) -> str | None:
    """The shortest key that passes both filters and fits in `key_bytes`; a key has at least one byte."""
    if not (a.prefix.startswith(b.prefix) or b.prefix.startswith(a.prefix)):
        return None
    if not (a.suffix.endswith(b.suffix) or b.suffix.endswith(a.suffix)):
        return None
    prefix, suffix = max(a.prefix, b.prefix, key=len), max(a.suffix, b.suffix, key=len)
    key = _joined(prefix, suffix) or "k"
    return key if len(key.encode("utf-8", "surrogatepass")) <= key_bytes else None


def _joined(prefix: str, suffix: str) -> str:
    """The shortest text that begins with one and ends with the other: they share as much of it as they can."""
    shared = next(n for n in range(min(len(prefix), len(suffix)), -1, -1) if prefix.endswith(suffix[:n]))
    return prefix + suffix[shared:]


def clashes(rules: Sequence[Rule], key_bytes: int = 1024) -> Iterator[tuple[int, int, str]]:
    """Every pair of rules that clash, as (earlier index, later index, witness), ordered by the later one."""
    return iter(sorted(_clashes(rules, key_bytes), key=lambda found: (found[1], found[0])))


def _clashes(rules: Sequence[Rule], key_bytes: int) -> Iterator[tuple[int, int, str]]:
    # Sorted by prefix, all prefixes that begin with one stand directly behind it; what comes after can be left unread.
    order = sorted(range(len(rules)), key=lambda index: rules[index].keys.prefix)
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            if not rules[j].keys.prefix.startswith(rules[i].keys.prefix):
                break
            key = clash(rules[i], rules[j], key_bytes)
            if key is not None:
                yield min(i, j), max(i, j), key
