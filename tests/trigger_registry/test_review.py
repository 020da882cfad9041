"""A whole document is looked at, however much is wrong with it."""

import pytest

from ossfn.trigger_registry.errors import RuleRefused
from ossfn.trigger_registry.limits import DEFAULT_LIMITS
from ossfn.trigger_registry.review import MOST_FAULTS, Surroundings, accepted, all_of
from ossfn.trigger_registry.rules import Bucket, FunctionRef, KeyFilter, Rule


def test_a_megabyte_of_misspelt_events_is_refused_soon() -> None:
    rule = Rule("r", tuple(f"s3:ObjectCreatd:Putt{n}" for n in range(28_000)), KeyFilter(), (FunctionRef("f"),))
    around = Surroundings(DEFAULT_LIMITS, lambda _: "cn-north-1", lambda _: None, lambda _: ())
    with pytest.raises(RuleRefused) as refused:
        accepted(Bucket("b", "cn-north-1"), [rule], all_of([rule]), around)
    assert len(refused.value.faults) == MOST_FAULTS
