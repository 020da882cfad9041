"""The JSON form of a bucket: complete, and readable for as long as history is kept."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossfn.trigger_registry.rules import AsPut, Bucket, Callback, FunctionRef, KeyFilter, Rule
from ossfn.trigger_registry.stores.documents import read, write

text = st.text(st.characters(codec="utf-8"), max_size=5)
targets = st.lists(st.builds(Callback, text), min_size=1, max_size=5).map(tuple) | st.tuples(
    st.builds(FunctionRef, st.text("fn", min_size=1, max_size=5))
)
rules = st.builds(
    Rule,
    name=text,
    events=st.lists(text, max_size=3).map(tuple),
    keys=st.builds(KeyFilter, text, text),
    targets=targets,
    id=text,
    enabled=st.booleans(),
    ordered=st.booleans(),
    drop_stale=st.booleans(),
    format=st.sampled_from(["structured", "binary", "s3-notification", "jd-notification"]),
    verification=st.sampled_from(["none", "jd", "cloudevents"]),
    as_put=st.builds(
        AsPut,
        st.sampled_from(["Topic", "Queue", "CloudFunction"]),
        text,
        st.lists(st.tuples(st.sampled_from(["Prefix", "Suffix"]), text), max_size=2).map(tuple),
    ),
)
buckets = st.builds(
    Bucket,
    name=text,
    region=text,
    mode=st.sampled_from(["strict", "first-match", "fan-out"]),
    owner=text,
    generation=st.integers(0, 2**53),
    rules=st.lists(rules, max_size=4).map(tuple),
)


@given(buckets)
def test_a_bucket_is_read_as_it_was_written(bucket: Bucket) -> None:
    assert read(write(bucket)) == bucket


RELEASE_0_1 = (
    '{"name":"b","region":"cn-north-1","generation":3,"rules":[{"name":"r","id":"r","events":["s3:ObjectCreated:*"],'
    '"element":"CloudFunction","target":"thumbs","prefix":"a/","filter_rules":[["Prefix","a/"]],"function":"thumbs"}]}'
)


def test_documents_of_the_first_release_stay_readable() -> None:
    as_put = AsPut("CloudFunction", "thumbs", (("Prefix", "a/"),))
    rule = Rule("r", ("s3:ObjectCreated:*",), KeyFilter("a/"), (FunctionRef("thumbs"),), id="r", as_put=as_put)
    assert read(RELEASE_0_1) == Bucket("b", "cn-north-1", generation=3, rules=(rule,))
    assert read(RELEASE_0_1.replace('"name":"b",', '"name":"b","from_a_later_release":1,')).rules == (rule,)


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"name":"b","region":"r","generation":1,"mode":"other"}'])
def test_anything_else_is_no_bucket(document: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        read(document)
