"""What became of a bucket, when, and by whom. Pure values."""

from dataclasses import dataclass

from ossfn.trigger_registry.rules import Bucket


@dataclass(frozen=True, slots=True)
class Revision:
    """A bucket's name at one generation: how it stood then, or None when that change deleted it."""

    name: str
    generation: int
    bucket: Bucket | None


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a bucket's history; None stands for "there was no bucket"."""

    generation: int
    at: float
    """Unix seconds."""
    actor: str
    action: str
    before: Bucket | None
    after: Bucket | None
