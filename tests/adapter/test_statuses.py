"""What an HTTP status means for a delivery."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossfn.adapter.delivery import Accepted, Failed, Gone, Outcome, Refused
from ossfn.adapter.statuses import outcome_of

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((200, 201, 202, 204, 299), Accepted),
        ((408, 425, 429, 500, 501, 502, 503, 504, 507, 520, 599), Failed),
        ((300, 301, 302, 303, 304, 307, 308, 399), Refused),
        ((400, 401, 403, 404, 405, 409, 413, 415, 418, 422, 451, 499), Refused),
        ((410,), Gone),
        ((0, 99, 100, 101, 199, 600, 999), Refused),
    ],
)
def test_each_status_has_one_meaning(statuses: tuple[int, ...], kind: type[Outcome]) -> None:
    assert {status: type(outcome_of(status, None, NOW)) for status in statuses} == dict.fromkeys(statuses, kind)


@given(st.integers(-1, 10_000))
def test_no_status_is_without_an_outcome_or_a_reason(status: int) -> None:
    outcome = outcome_of(status, None, NOW)
    assert isinstance(outcome, get_args(Outcome))
    assert isinstance(outcome, Accepted) == (200 <= status < 300)
    if not isinstance(outcome, Accepted):
        assert outcome.reason.startswith(str(status))


def test_reasons_say_what_to_do() -> None:
    moved, refused = outcome_of(302, None, NOW), outcome_of(415, None, NOW)
    assert moved == Refused("302 Found: redirects are never followed; give the final address as target")
    assert refused == Refused(
        "415 Unsupported Media Type: the target does not take this format; choose another for the rule"
    )


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("9" * 400, float("inf")),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
        ("Sun Nov  6 08:50:37 1994", 60.0),
        ("Sun, 06 Nov 1994 09:50:37 +0100", 60.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("Sun, 06 Nov 999999 08:49:37 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    outcome = outcome_of(503, header, NOW)
    assert isinstance(outcome, Failed)
    assert outcome.retry_after == seconds


@given(st.text())
def test_no_retry_after_breaks_it(header: str) -> None:
    assert isinstance(outcome_of(429, header, NOW), Failed)


def test_what_is_not_retried_heeds_no_retry_after() -> None:
    assert isinstance(outcome_of(404, "5", NOW), Refused)
