"""Overlap, held against trying every key."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossfn.trigger_registry.event_names import expand, known_patterns
from ossfn.trigger_registry.overlap import clash, clashes, shared_events, witness
from ossfn.trigger_registry.rules import Callback, KeyFilter, Rule

CASES = json.loads((Path(__file__).parents[1] / "cases" / "overlap_cases.json").read_text())["cases"]
ALPHABET = "aé图"
KEYS = ["".join(key) for n in range(1, 8) for key in itertools.product(ALPHABET, repeat=n)]

filters = st.builds(KeyFilter, st.text(ALPHABET, max_size=3), st.text(ALPHABET, max_size=3))


def rule(keys: KeyFilter, *events: str, name: str = "r") -> Rule:
    return Rule(name, events or ("s3:ObjectCreated:*",), keys, (Callback("http://127.0.0.1/"),))


@given(filters, filters, st.integers(1, 18))
def test_finds_a_key_exactly_when_there_is_one(a: KeyFilter, b: KeyFilter, key_bytes: int) -> None:
    # Prefix and suffix have up to 3 characters each, so 6 are enough to find any key that passes both filters.
    both = [key for key in KEYS if a.matches(key) and b.matches(key) and len(key.encode()) <= key_bytes]
    found = witness(a, b, key_bytes)
    assert (found is not None) == bool(both)
    if found is not None:
        assert a.matches(found)
        assert b.matches(found)
        assert 1 <= len(found.encode()) <= key_bytes


@pytest.mark.parametrize(
    ("a", "b", "key"),
    [
        (KeyFilter("ab", ""), KeyFilter("", "bc"), "abc"),
        (KeyFilter("abc", "cde"), KeyFilter("abcde", ""), "abcde"),
        (KeyFilter("images/", ""), KeyFilter("", "jpg"), "images/jpg"),
        (KeyFilter(), KeyFilter(), "k"),
        (KeyFilter("images/", ""), KeyFilter("logs/", ""), None),
        (KeyFilter("", ".JPG"), KeyFilter("", ".jpg"), None),
    ],
)
def test_the_witness_is_the_shortest_key(a: KeyFilter, b: KeyFilter, key: str | None) -> None:
    assert witness(a, b) == key


def test_filters_that_no_key_is_long_enough_for_do_not_clash() -> None:
    long = KeyFilter("p" * 600, "s" * 424)
    assert witness(long, KeyFilter("p" * 600, ""), 1024) == "p" * 600 + "s" * 424
    assert witness(long, KeyFilter("p" * 600, "x" + "s" * 424), 1024) is None
    assert witness(KeyFilter("图" * 341, ""), KeyFilter("", "ab"), 1024) is None


@given(st.sampled_from(known_patterns()), st.sampled_from(known_patterns()))
def test_patterns_share_an_event_exactly_when_they_cover_a_common_name(a: str, b: str) -> None:
    nested = a.endswith(":*") and b.endswith(":*") and (a.startswith(b[:-1]) or b.startswith(a[:-1]))
    common = bool(expand([a]) & expand([b])) or nested  # a name that no table lists yet
    assert (shared_events(rule(KeyFilter(), a), rule(KeyFilter(), b)) is not None) == common


def test_rules_for_different_events_do_not_clash() -> None:
    assert clash(rule(KeyFilter(), "s3:ObjectCreated:Put"), rule(KeyFilter(), "s3:ObjectCreated:Copy")) is None
    assert clash(rule(KeyFilter(), "s3:ObjectCreated:Put"), rule(KeyFilter(), "s3:ObjectRemoved:*")) is None
    assert clash(rule(KeyFilter(), "s3:ObjectCreated:Put"), rule(KeyFilter(), "s3:ObjectCreated:*")) == "k"


@given(st.lists(filters, max_size=8))
def test_finds_every_pair(some: list[KeyFilter]) -> None:
    rules = [rule(keys) for keys in some]
    pairs = ((i, j, clash(a, b)) for j, b in enumerate(rules) for i, a in enumerate(rules[:j]))
    assert list(clashes(rules)) == [(i, j, key) for i, j, key in pairs if key is not None]


def _rules(case: dict[str, Any]) -> Iterator[Rule]:
    for config in case["configs"]:
        values = {part["name"]: part["value"] for part in config.get("rules", [])}
        yield rule(KeyFilter(values.get("prefix", ""), values.get("suffix", "")), *config["events"], name=config["id"])


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_every_collected_case(case: dict[str, Any]) -> None:
    status = 400 if list(clashes(list(_rules(case)))) else 200
    expected = case["expect"]["status"]
    assert status in (expected if isinstance(expected, list) else [expected])
