"""Buckets, rules, history and named callbacks through the JSON API."""

import asyncio
from typing import Any

import pytest

from ossfn.adapter.web.api_faults import Argument

from .conftest import Api

HOOK = "https://hooks.example.com/a"


def a_rule(prefix: str = "in/", **more: Any) -> dict[str, Any]:
    return {"events": ["s3:ObjectCreated:*"], "prefix": prefix, "target": {"callbacks": [HOOK]}, **more}


async def a_bucket(api: Api, *prefixes: str) -> str:
    """A bucket `photos` with a rule for each prefix; its ETag."""
    answer = await api.ask("PUT", "/buckets/photos", {}, status=201)
    for prefix in prefixes:
        answer = await api.ask("POST", "/buckets/photos/rules", a_rule(prefix), status=201)
    return answer.headers["etag"]


async def test_a_bucket_is_made_read_changed_and_listed(api: Api) -> None:
    made = await api.ask("PUT", "/buckets/photos", {"mode": "fan-out"}, status=201)
    assert made.headers["location"] == "/api/v1/buckets/photos"
    assert made.headers["etag"] == '"1"'
    expected = {
        "name": "photos", "region": "cn-north-1", "mode": "fan-out", "owner": "", "generation": 1, "rule_count": 0,
    }  # fmt: skip
    assert made.json() == expected
    again = await api.ask("PUT", "/buckets/photos", {"mode": "fan-out"})
    assert again.headers["etag"] == '"1"', "nothing changed, so there is no new generation"
    moved = await api.ask("PUT", "/buckets/photos", {"region": "cn-east-2"})
    assert moved.headers["etag"] == '"2"'
    assert moved.json()["mode"] == "fan-out", "what is left out stays"
    assert (await api.get("/buckets"))["buckets"] == [await api.get("/buckets/photos")] == [moved.json()]


async def test_a_bucket_with_rules_is_deleted_only_with_them(api: Api) -> None:
    await a_bucket(api, "a/", "b/")
    refused = await api.refused("DELETE", "/buckets/photos", status=409)
    assert (refused.code, refused.users) == ("Conflict", ["r1", "r2"])
    assert "cascade" in refused.faults[0].advice
    await api.ask("DELETE", "/buckets/photos?cascade=true", status=204)
    assert (await api.refused("GET", "/buckets/photos", status=404)).code == "NoSuchBucket"


async def test_a_bucket_of_a_wrong_name_or_region_is_refused(api: Api) -> None:
    refused = await api.refused("PUT", "/buckets/-", {"region": "no region"})
    assert [fault.field for fault in refused.faults] == ["bucket", "region"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/buckets/photos", {"mode": "fan-out"}),
        ("DELETE", "/buckets/photos?cascade=true", None),
        ("PUT", "/buckets/photos/rules", {"rules": []}),
        ("POST", "/buckets/photos/rules", a_rule("new/")),
        ("PUT", "/buckets/photos/rules/r1", a_rule("new/")),
        ("DELETE", "/buckets/photos/rules/r1", None),
        ("POST", "/buckets/photos:rollback", {"generation": 1}),
    ],
)
async def test_every_write_minds_if_match(api: Api, method: str, path: str, body: Any) -> None:
    etag = await a_bucket(api, "a/")
    before = api.registry.bucket("photos")
    for stale in ('"1"', "2", 'W/"2"', '"x", "1"'):
        refused = await api.refused(method, path, body, status=412, if_match=stale)
        assert refused.code == "PreconditionFailed"
    assert api.registry.bucket("photos") == before
    answer = await api.http.request(method, f"/api/v1{path}", json=body, headers={"If-Match": f'"7", {etag}'})
    assert answer.is_success
    assert [bucket.generation for bucket in api.registry.buckets()] in ([], [3])


async def test_if_match_with_a_star_wants_the_bucket_to_be_there(api: Api) -> None:
    await api.refused("PUT", "/buckets/photos", {}, status=412, if_match="*")
    await a_bucket(api)
    await api.ask("PUT", "/buckets/photos", {"mode": "fan-out"}, if_match="*")


async def test_if_none_match_makes_new_things_only(api: Api) -> None:
    await api.ask("PUT", "/buckets/photos", {}, status=201, if_none_match="*")
    await api.refused("PUT", "/buckets/photos", {"mode": "fan-out"}, status=412, if_none_match="*")
    await api.ask("PUT", "/buckets/photos/rules/one", a_rule(), status=201, if_none_match="*")
    await api.refused("PUT", "/buckets/photos/rules/one", a_rule("b/"), status=412, if_none_match="*")
    refused = await api.refused("PUT", "/buckets/photos", {}, if_none_match='"1"')
    assert refused.faults[0].field == "If-None-Match"
    assert api.registry.bucket("photos").mode == "strict"
    assert api.registry.rule("photos", "one").keys.prefix == "in/"


async def test_of_many_writers_with_one_etag_one_wins(api: Api) -> None:
    etag = await a_bucket(api)
    answers = await asyncio.gather(
        *(
            api.http.post("/api/v1/buckets/photos/rules", json=a_rule(f"{n}/"), headers={"If-Match": etag})
            for n in range(20)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [412] * 19
    assert len(api.registry.bucket("photos").rules) == 1


async def test_a_rule_is_added_read_replaced_and_deleted(api: Api) -> None:
    await a_bucket(api)
    added = await api.ask("POST", "/buckets/photos/rules", a_rule(ordered=True), status=201)
    assert added.headers["location"] == "/api/v1/buckets/photos/rules/r1"
    expected = {
        "name": "r1", "id": "r1", "events": ["s3:ObjectCreated:*"], "prefix": "in/", "suffix": "",
        "target": {"callbacks": [HOOK]}, "ordered": True, "drop_stale": False, "format": "structured",
        "verification": "none", "enabled": True,
    }  # fmt: skip
    assert added.json() == expected
    assert await api.get("/buckets/photos/rules/r1") == expected
    replaced = await api.ask("PUT", "/buckets/photos/rules/r1", a_rule("out/", enabled=False))
    assert (replaced.json()["prefix"], replaced.json()["enabled"], replaced.json()["ordered"]) == ("out/", False, False)
    await api.ask("DELETE", "/buckets/photos/rules/r1", status=204)
    assert (await api.refused("GET", "/buckets/photos/rules/r1", status=404)).code == "NoSuchRule"


async def test_what_was_read_can_be_put_back_and_changes_nothing(api: Api) -> None:
    etag = await a_bucket(api, "a/", "b/")
    rule = await api.get("/buckets/photos/rules/r2")
    assert (await api.ask("PUT", "/buckets/photos/rules/r2", rule)).headers["etag"] == etag
    rules = await api.ask("GET", "/buckets/photos/rules")
    assert rules.headers["etag"] == etag
    assert (await api.ask("PUT", "/buckets/photos/rules", rules.json())).headers["etag"] == etag


async def test_all_rules_are_replaced_in_the_order_given(api: Api) -> None:
    await a_bucket(api, "a/")
    rules = [a_rule("c/", name="c"), a_rule("b/", name="b"), a_rule("a/", name="a")]
    answer = await api.ask("PUT", "/buckets/photos/rules", {"rules": rules})
    assert [rule["name"] for rule in answer.json()["rules"]] == ["c", "b", "a"]


async def test_a_rule_may_not_be_added_twice_nor_renamed(api: Api) -> None:
    await a_bucket(api)
    await api.ask("POST", "/buckets/photos/rules", a_rule(name="one"), status=201)
    twice = await api.refused("POST", "/buckets/photos/rules", a_rule("b/", name="one"), status=409)
    assert twice.code == "RuleAlreadyExists"
    renamed = await api.refused("PUT", "/buckets/photos/rules/one", a_rule(name="two"))
    assert renamed.faults[0].field == "name"


async def test_a_rule_of_an_unknown_bucket_is_refused(api: Api) -> None:
    assert (await api.refused("POST", "/buckets/photos/rules", a_rule(), status=404)).code == "NoSuchBucket"


async def test_everything_that_is_wrong_with_a_rule_is_said_at_once(api: Api) -> None:
    await a_bucket(api)
    wrong = a_rule("x" * 1023, name="no good", events=["s3:ObjectCreatd:*"], target={"callbacks": ["ftp://a"]})
    refused = await api.refused("POST", "/buckets/photos/rules", wrong)
    fields = {fault.field: fault for fault in refused.faults}
    assert set(fields) == {"name", "events[0]", "prefix", "target.callbacks[0]"}
    assert fields["prefix"].limit == "prefix_bytes"
    assert "s3:ObjectCreated:*" in fields["events[0]"].advice
    assert fields["events[0]"].arguments[0] == Argument(name="ArgumentName", value="Event")


@pytest.mark.parametrize("target", [{}, {"function": "f", "callbacks": [HOOK]}])
async def test_none_or_both_kinds_of_target_are_refused_with_whatever_else_is_wrong(api: Api, target: Any) -> None:
    await a_bucket(api)
    wrong = a_rule() | {"target": target, "events": ["s3:Nothing"], "prefix": "x" * 1023}
    refused = await api.refused("POST", "/buckets/photos/rules", wrong)
    assert [fault.field for fault in refused.faults] == ["events[0]", "prefix", "target"]
    assert refused.faults[2].message == "A rule has 1 to 5 callbacks or one function as its target."


async def test_a_wrong_value_is_repeated_as_the_json_that_it_was(api: Api) -> None:
    await a_bucket(api)
    refused = await api.refused("POST", "/buckets/photos/rules", a_rule() | {"prefix": {"é": [None, True]}})
    assert refused.faults[0].value == '{"é": [null, true]}'


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"target": {"queue": "f"}}, "target.queue"),
        ({"prefx": "in/"}, "prefx"),
        ({"events": "s3:ObjectCreated:*"}, "events"),
        ({"events": [1]}, "events[0]"),
        ({"ordered": "yes"}, "ordered"),
        ({"format": "xml"}, "format"),
    ],
)
async def test_a_rule_of_a_wrong_shape_is_refused_where_it_is_wrong(api: Api, change: Any, field: str) -> None:
    await a_bucket(api)
    refused = await api.refused("POST", "/buckets/photos/rules", a_rule() | change)
    assert (refused.code, refused.faults[0].field) == ("InvalidRequest", field)
    assert not api.registry.bucket("photos").rules


async def test_a_missing_field_is_named_with_its_place(api: Api) -> None:
    await a_bucket(api)
    refused = await api.refused("PUT", "/buckets/photos/rules", {"rules": [a_rule(), {"target": {"function": "f"}}]})
    assert refused.faults[0].field == "rules[1].events"


async def test_a_clash_names_both_rules_and_a_key_that_both_would_take(api: Api) -> None:
    await a_bucket(api, "photos/")
    clash = a_rule("photos/2026/", name="late", suffix=".jpg")
    (fault,) = (await api.refused("POST", "/buckets/photos/rules", clash)).faults
    assert (fault.rule, fault.other_rule, fault.limit) == ("late", "r1", "overlap")
    assert fault.witness is not None
    await api.ask("PUT", "/buckets/photos", {"mode": "fan-out"})
    await api.ask("POST", "/buckets/photos/rules", clash, status=201)
    explained = await api.get(f"/explain?bucket=photos&key={fault.witness}&event=s3:ObjectCreated:Put")
    assert [rule["matched"] for rule in explained["rules"]] == [True, True]


async def test_explain_says_why_each_rule_takes_an_event_or_not(api: Api) -> None:
    await a_bucket(api, "in/", "out/")
    explained = await api.get("/explain?bucket=photos&key=in%2Fa%20b&event=ObjectCreated:Put")
    assert [(rule["rule"], rule["why"]) for rule in explained["rules"]] == [("r1", "matched"), ("r2", "prefix")]
    assert explained["key"] == "in/a b"
    assert explained["targets"] == [f"callback:{HOOK}"]
    assert explained["generation"] == 3
    await api.refused("GET", "/explain?bucket=nowhere&key=a&event=s3:ObjectCreated:Put", status=404)
    await api.refused("GET", "/explain?bucket=photos&key=a")
    await api.refused("GET", "/explain?bucket=photos&key=a&event=s3:ObjectCreated:Put&event_id=1")


async def test_history_shows_each_change_and_a_rollback_undoes_them(api: Api) -> None:
    await a_bucket(api, "a/")
    await api.ask("PUT", "/buckets/photos", {"mode": "fan-out"})
    changes = (await api.get("/buckets/photos/history"))["changes"]
    assert [(change["generation"], change["actor"]) for change in changes] == [(3, "api"), (2, "api"), (1, "api")]
    assert changes[0]["at"] == "2023-11-14T22:13:20.000000Z"
    assert (changes[0]["before"]["mode"], changes[0]["after"]["mode"]) == ("strict", "fan-out")
    assert changes[-1]["before"] is None
    back = await api.ask("POST", "/buckets/photos:rollback", {"generation": 1})
    assert (back.json()["generation"], back.json()["mode"], back.json()["rule_count"]) == (4, "strict", 0)
    refused = await api.refused("POST", "/buckets/photos:rollback", {"generation": 9}, status=404)
    assert refused.code == "NoSuchGeneration"


async def test_a_named_callback_is_made_changed_used_and_deleted(api: Api) -> None:
    made = await api.ask("PUT", "/callbacks/hook", {"urls": [HOOK]}, status=201)
    assert made.json() == {"name": "hook", "urls": [HOOK], "region": ""}
    assert made.headers["location"] == "/api/v1/callbacks/hook"
    await api.ask("PUT", "/callbacks/hook", {"urls": [f"{HOOK}/2"]})
    assert (await api.get("/callbacks/hook"))["urls"] == [f"{HOOK}/2"]
    assert len((await api.get("/callbacks"))["callbacks"]) == 1
    await api.refused("PUT", "/callbacks/hook", {"urls": ["not a url"]})
    await api.ask("DELETE", "/callbacks/hook", status=204)
    assert (await api.refused("GET", "/callbacks/hook", status=404)).code == "NoSuchCallback"
