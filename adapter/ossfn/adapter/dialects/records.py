"""The loop over `Records`: one decoder for each record, all of them taken or none."""

from collections.abc import Callable

from msgspec import Raw

from ossfn.adapter.dialects.decoded import Decoded, NotDecodable
from ossfn.adapter.dialects.notification import Notification
from ossfn.adapter.events import ObjectEvent

MAX_RECORDS = 1000
"""More in one notification is refused: DeleteObjects, the largest thing that is one request, names 1,000 keys."""


def decode_records(notification: Notification, decode: Callable[[Raw], ObjectEvent | str]) -> Decoded:
    """Decode each of `Records`; where `decode` gives a string, it says why that record is ignored."""
    records = notification.top.Records
    if records is None:
        raise NotDecodable("Records", "missing")
    return decode_all(records, "Records", decode)


def decode_all(records: list[Raw], place: str, decode: Callable[[Raw], ObjectEvent | str]) -> Decoded:
    """Decode each of a list; a fault in one names its place, e.g. `Records[3].s3.object.key`."""
    if not records:
        raise NotDecodable(place, "empty")
    if len(records) > MAX_RECORDS:
        raise NotDecodable(place, f"{len(records)} in one notification, at most {MAX_RECORDS} are taken")
    events: list[ObjectEvent] = []
    ignored: list[str] = []
    for index, record in enumerate(records):
        try:
            result = decode(record)
        except NotDecodable as error:
            raise error.inside(f"{place}[{index}]") from error
        if isinstance(result, str):
            ignored.append(result)
        else:
            events.append(result)
    return Decoded(tuple(events), tuple(ignored))
