"""What is in force now: every bucket's latest state, in memory, arranged for matching."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ossfn.trigger_registry.changes import Revision
from ossfn.trigger_registry.matching import NOT_REGISTERED, Match, Matcher
from ossfn.trigger_registry.rules import Bucket


@dataclass(frozen=True, slots=True)
class _Live:
    """One bucket; deleted ones stay, so that nothing older comes back."""

    revision: Revision
    matcher: Matcher | None


class LiveBuckets:
    """Read from any number of threads without a lock, and never touching a disk; taken over by one at a time."""

    def __init__(self) -> None:
        self._live: dict[str, _Live] = {}
        self._seen = 0
        self._taking = threading.Lock()

    def catch_up(self, changed_since: Callable[[int], tuple[int, Sequence[Revision]]]) -> bool:
        """Take over everything that changed since the last time; whether any of it was news."""
        with self._taking:
            seen, revisions = changed_since(self._seen)
            news = [self._take(revision) for revision in revisions]
            self._seen = seen
        return any(news)

    def take(self, revisions: Iterable[Revision]) -> None:
        """Put these in force, unless newer ones are already."""
        with self._taking:
            for revision in revisions:
                self._take(revision)

    def match(self, bucket: str, event_name: str, key: str) -> Match:
        """The rules that get this event."""
        live = self._live.get(bucket)
        return live.matcher.match(event_name, key) if live and live.matcher else NOT_REGISTERED

    def all(self) -> list[Bucket]:
        """Every bucket, by name."""
        present = (live.revision.bucket for live in list(self._live.values()))
        return sorted((bucket for bucket in present if bucket), key=lambda bucket: bucket.name)

    def find(self, name: str) -> Bucket | None:
        """One bucket, when there is such."""
        live = self._live.get(name)
        return live.revision.bucket if live else None

    def _take(self, revision: Revision) -> bool:
        known = self._live.get(revision.name)
        if known and known.revision.generation >= revision.generation:
            return False
        self._live[revision.name] = _Live(revision, Matcher(revision.bucket) if revision.bucket else None)
        return True
