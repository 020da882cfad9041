"""Functions and named callbacks change only as the client has seen them, when it says so."""

import pytest

from .conftest import Api

THINGS = [
    ("/functions/far", {"url": "http://127.0.0.1:9/a"}, {"url": "http://127.0.0.1:9/b"}),
    ("/callbacks/hook", {"urls": ["http://127.0.0.1:9/a"]}, {"urls": ["http://127.0.0.1:9/b"]}),
]


@pytest.mark.parametrize(("path", "first", "second"), THINGS)
async def test_a_change_that_lost_the_race_is_refused(
    api: Api, path: str, first: dict[str, object], second: dict[str, object]
) -> None:
    seen = (await api.ask("PUT", path, first, status=201)).headers["etag"]
    assert (await api.ask("GET", path)).headers["etag"] == seen
    now = (await api.ask("PUT", path, second, If_Match=seen)).headers["etag"]
    assert now != seen
    assert (await api.refused("PUT", path, first, status=412, If_Match=seen)).code == "PreconditionFailed"
    assert (await api.refused("DELETE", path, status=412, If_Match=seen)).code == "PreconditionFailed"
    assert (await api.get(path)).get("url", "http://127.0.0.1:9/b") == "http://127.0.0.1:9/b"
    await api.ask("DELETE", path, status=204, If_Match=now)


@pytest.mark.parametrize(("path", "first", "second"), THINGS)
async def test_what_is_not_there_matches_nothing(
    api: Api, path: str, first: dict[str, object], second: dict[str, object]
) -> None:
    assert (await api.refused("PUT", path, first, status=412, If_Match="*")).code == "PreconditionFailed"
    await api.ask("PUT", path, second, status=201)
    await api.ask("PUT", path, first, If_Match="*")
