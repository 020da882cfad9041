"""What the registry needs of the place that keeps its rules."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from ossfn.trigger_registry.changes import Change, Revision
from ossfn.trigger_registry.rules import NamedCallback


class Transaction(Protocol):
    """One change under way, alone: other writers wait until it ends."""

    def revision(self, bucket: str, generation: int | None = None) -> Revision | None:
        """The bucket at a generation, or as it stands; None when there never was that."""
        ...

    def keep(self, revision: Revision, *, at: float, actor: str, action: str) -> None:
        """Make this the bucket's present state."""
        ...

    def users(self, used: Collection[str]) -> list[tuple[str, str, str]]:
        """(what, bucket, rule) for every rule that uses one of these `users_key`s."""
        ...

    def callback(self, name: str) -> NamedCallback | None:
        """The callback that has this name."""
        ...

    def put_callback(self, callback: NamedCallback) -> None:
        """Keep it, in place of one that has its name."""
        ...

    def delete_callback(self, name: str) -> None:
        """Forget it, when there is one."""
        ...


class RuleStore(Protocol):
    """What keeps the rules. Every method may raise RegistryUnavailable, and has then changed nothing."""

    def open(self) -> None:
        """Be ready; several processes may do so at once."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...

    def changed_since(self, counter: int) -> tuple[int, Sequence[Revision]]:
        """The change counter now, and every bucket that changed after it stood at `counter`; cheap when none did."""
        ...

    def write(self) -> AbstractContextManager[Transaction]:
        """Kept durably and whole when the block ends, not at all when it raises."""
        ...

    def history(self, bucket: str, limit: int) -> list[Change]:
        """The bucket's latest changes, newest first."""
        ...

    def callbacks(self) -> list[NamedCallback]:
        """Every named callback, by name."""
        ...
