"""When two notifications are the same happening."""

import pytest
from msgspec import Raw
from msgspec.structs import replace

from ossfn.adapter.events import ObjectEvent, identity

EVENT = ObjectEvent(
    name="s3:ObjectCreated:Put",
    bucket="demo",
    key="a.txt",
    time="2026-11-22T15:57:26Z",
    dialect="aws",
    event_source="aws:s3",
    record=Raw(b"{}"),
    version_id="v1",
    sequencer="00635A7B1C3F",
    request_id="R1",
    source="store-1",
)


@pytest.mark.parametrize(
    "other",
    [
        {"time": "2026-11-22T15:57:27Z"},
        {"size": 3},
        {"request_id": "R2"},
        {"version_id": "v2"},
    ],
)
def test_a_sequencer_says_it_alone(other: dict[str, str]) -> None:
    assert identity(replace(EVENT, **other)) == identity(EVENT)


@pytest.mark.parametrize(
    "other",
    [
        {"source": "store-2"},
        {"bucket": "demo2"},
        {"key": "b.txt"},
        {"name": "s3:ObjectRemoved:Delete"},
        {"sequencer": "00635A7B1C40"},
        {"sequencer": None},
    ],
)
def test_what_differs_is_another_happening(other: dict[str, str | None]) -> None:
    assert identity(replace(EVENT, **other)) != identity(EVENT)


def test_without_sequencer_version_and_request_say_it() -> None:
    plain = replace(EVENT, sequencer=None)
    assert identity(plain) == identity(replace(plain, time=""))
    assert identity(plain) != identity(replace(plain, version_id="v2"))
    assert identity(plain) != identity(replace(plain, request_id="R2"))


def test_a_version_alone_identifies_what_made_it_but_not_what_can_happen_to_it_twice() -> None:
    versioned = replace(EVENT, sequencer=None, request_id=None)
    assert identity(versioned) is not None
    assert identity(replace(versioned, name="s3:ObjectTagging:Put")) is None


def test_an_event_that_carries_nothing_to_tell_by_is_never_a_repeat() -> None:
    assert identity(replace(EVENT, sequencer=None, request_id=None, version_id=None)) is None
