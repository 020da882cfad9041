"""A registry on a real SQLite file, and the functions it may find."""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ossfn.trigger_registry.limits import DEFAULT_LIMITS, Limits
from ossfn.trigger_registry.registry import Registry
from ossfn.trigger_registry.stores.sql import SqlRuleStore


class Functions(dict[str, str]):
    """Functions by name, with their region."""

    def region_of(self, name: str) -> str | None:
        """Where the function is."""
        return self.get(name)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where this test's registry is kept."""
    return f"sqlite:///{tmp_path / 'registry.db'}"


@pytest.fixture
def functions() -> Functions:
    """The functions that exist: `thumbs` and `audit`, and `far` in another region."""
    return Functions(thumbs="cn-north-1", audit="cn-north-1", far="cn-east-2")


@pytest.fixture
def open_registry(url: str, functions: Functions) -> Iterator[Callable[..., Registry]]:
    """Opens registries on this test's store: each call is one more process's view of it."""
    opened: list[Registry] = []

    def open_one(limits: Limits = DEFAULT_LIMITS) -> Registry:
        numbers = itertools.count(1)
        registry = Registry(
            SqlRuleStore(url),
            functions,
            limits=limits,
            clock=time.time,
            new_name=lambda: f"made{len(opened)}x{next(numbers)}",
        )
        registry.open()
        opened.append(registry)
        return registry

    yield open_one
    for registry in opened:
        registry.close()


@pytest.fixture
def registry(open_registry: Callable[..., Registry]) -> Registry:
    """An empty registry with one bucket, `photos`."""
    registry = open_registry()
    registry.put_bucket("photos", actor="test")
    return registry
