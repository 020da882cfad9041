"""Work that is done once for each event, however many processes are given it."""

import asyncio
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from ossfn.functions.kit import ObjectEvent, RetryLater, SqliteIds, once
from ossfn.functions.kit.once import KEEP_SECONDS


def event(number: str = "1") -> ObjectEvent:
    return ObjectEvent(id=number, source="s", name="s3:ObjectCreated:Put", bucket="b", key="k")


class Clock:
    """Time that is told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ids(tmp_path: Path, clock: Clock) -> SqliteIds:
    return SqliteIds(tmp_path / "new" / "once.sqlite", hold_seconds=90, clock=clock)


def test_a_repeat_does_nothing(ids: SqliteIds) -> None:
    seen: list[str] = []

    @once(ids=ids)
    def handler(event: ObjectEvent) -> str:
        seen.append(event.id)
        return "done"

    assert [handler(event("1")), handler(event("1")), handler(event("2"))] == ["done", None, "done"]
    assert seen == ["1", "2"]


async def test_async_handlers_too(ids: SqliteIds) -> None:
    seen: list[str] = []

    @once(ids=ids)
    async def handler(event: ObjectEvent) -> None:
        await asyncio.sleep(0)
        seen.append(event.id)
        if len(seen) == 1:
            raise ValueError("first time")

    with pytest.raises(ValueError, match="first time"):
        await handler(event())
    await handler(event())
    await handler(event())
    assert seen == ["1", "1"]


def test_who_fails_may_try_again(ids: SqliteIds) -> None:
    answers = iter([RetryLater(5), KeyError("x"), None])

    @once(ids=ids)
    def handler(event: ObjectEvent) -> str:
        if problem := next(answers):
            raise problem
        return "done"

    for problem in (RetryLater, KeyError):
        with pytest.raises(problem):
            handler(event())
    assert handler(event()) == "done"
    assert handler(event()) is None


def test_a_repeat_comes_again_while_the_first_is_worked_on(ids: SqliteIds) -> None:
    begun, go_on = threading.Event(), threading.Event()

    @once(ids=ids)
    def handler(event: ObjectEvent) -> None:
        begun.set()
        assert go_on.wait(10)

    first = threading.Thread(target=handler, args=[event()])
    first.start()
    assert begun.wait(10)
    with pytest.raises(RetryLater, match="being worked on"):
        handler(event())
    go_on.set()
    first.join()
    assert handler(event()) is None


def test_who_was_killed_is_not_waited_for_for_ever(ids: SqliteIds, clock: Clock) -> None:
    assert ids.begin("1") is True
    clock.now += 89
    assert ids.begin("1") is None
    clock.now += 1
    assert ids.begin("1") is True


def test_ids_are_forgotten_in_the_end(ids: SqliteIds, clock: Clock) -> None:
    ids.begin("1")
    ids.done("1")
    clock.now += KEEP_SECONDS
    assert ids.begin("1") is False
    clock.now += 1
    assert ids.begin("1") is True


RACER = """
import sys
from pathlib import Path
from ossfn.functions.kit import SqliteIds
ids = SqliteIds(Path(sys.argv[1]), hold_seconds=60)
for number in range(40):
    if ids.begin(str(number)):
        print(number)
        ids.done(str(number))
"""


@pytest.mark.slow
def test_no_id_is_given_to_two_processes(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen([sys.executable, "-c", RACER, str(tmp_path / "ids")], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    won = Counter(number for racer in racers for number in racer.communicate(timeout=60)[0].split())
    assert [racer.returncode for racer in racers] == [0] * 4
    assert won == Counter(map(str, range(40)))
