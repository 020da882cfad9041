"""What authors may use in a handler: typed events, answers that decide about retries, and running once per event.

A copy of this folder goes into each environment that is made for an author's code, so it imports nothing else of ours.
"""

from ossfn.functions.kit.answers import Drop, RetryLater
from ossfn.functions.kit.events import ObjectEvent
from ossfn.functions.kit.handlers import object_event
from ossfn.functions.kit.once import IdStore, SqliteIds, once

__all__ = ["Drop", "IdStore", "ObjectEvent", "RetryLater", "SqliteIds", "object_event", "once"]
