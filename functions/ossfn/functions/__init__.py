"""Author, deploy, run and look after functions."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ossfn.functions.kit import Drop, IdStore, ObjectEvent, RetryLater, SqliteIds, object_event, once

__all__ = ["Drop", "IdStore", "ObjectEvent", "RetryLater", "SqliteIds", "object_event", "once"]


def __getattr__(name: str) -> object:
    """The author's kit, imported when asked for: the service and the command line do without functions-framework."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ossfn.functions import kit

    return getattr(kit, name)
