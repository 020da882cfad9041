"""One change on its way into the store: it minds If-Match and numbers the generations."""

from dataclasses import dataclass, field, replace

from ossfn.trigger_registry.changes import Revision
from ossfn.trigger_registry.errors import AccessDenied, NoSuchBucket, PreconditionFailed, RuleRefused
from ossfn.trigger_registry.review import Surroundings
from ossfn.trigger_registry.rule_store import Transaction
from ossfn.trigger_registry.rules import Bucket
from ossfn.trigger_registry.validation import bucket_faults


@dataclass(slots=True)
class ChangeUnderWay:
    """A transaction of a store; `kept` is to be taken over into memory once it has ended well."""

    tx: Transaction
    around: Surroundings
    at: float
    """Unix seconds."""
    actor: str
    action: str
    kept: list[Revision] = field(default_factory=list)

    def bucket(self, name: str, if_generation: int | None = None) -> Bucket | None:
        """The bucket as it stands in the store. Raises: PreconditionFailed."""
        revision = self.tx.revision(name)
        bucket = revision.bucket if revision else None
        generation = bucket.generation if bucket else 0
        if if_generation is not None and if_generation != generation:
            raise PreconditionFailed(
                f"Bucket {name} is at generation {generation}, not {if_generation}; read it again."
            )
        return bucket

    def existing(self, name: str, if_generation: int | None = None) -> Bucket:
        """The bucket as it stands in the store. Raises: NoSuchBucket, PreconditionFailed."""
        return existing(self.bucket(name, if_generation), name)

    def keep(self, now: Bucket | None, after: Bucket) -> Bucket:
        """Make `after` the bucket's next generation, unless nothing differs."""
        if after == now:
            self.kept.append(Revision(now.name, now.generation, now))  # news here when another process had made it
            return now
        after = replace(after, generation=self._next_generation(after.name))
        self._keep(Revision(after.name, after.generation, after))
        return after

    def delete(self, now: Bucket) -> None:
        """Make the next generation one in which there is no such bucket."""
        self._keep(Revision(now.name, self._next_generation(now.name), None))

    def _next_generation(self, name: str) -> int:
        last = self.tx.revision(name)
        return last.generation + 1 if last else 1

    def _keep(self, revision: Revision) -> None:
        self.tx.keep(revision, at=self.at, actor=self.actor, action=self.action)
        self.kept.append(revision)


def existing(bucket: Bucket | None, name: str) -> Bucket:
    """The bucket, when there is one. Raises: NoSuchBucket."""
    if bucket is None:
        raise NoSuchBucket(f"There is no bucket {name}.")
    return bucket


def checked(bucket: Bucket) -> Bucket:
    """A bucket to be made, if it may be called so and be there. Raises: RuleRefused."""
    if faults := list(bucket_faults(bucket.name, bucket.region)):
        raise RuleRefused(faults)
    return bucket


def owned(bucket: Bucket, owner: str) -> Bucket:
    """The bucket, when it is this owner's or nobody's. Raises: AccessDenied."""
    if bucket.owner not in ("", owner):
        raise AccessDenied(f"Bucket {bucket.name} belongs to someone else.")
    return bucket
