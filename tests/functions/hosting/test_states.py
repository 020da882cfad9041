"""How long a host that fails is left alone."""

from ossfn.functions.hosting.states import backoff_seconds


def test_waits_double_to_a_minute() -> None:
    assert [backoff_seconds(failures) for failures in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert backoff_seconds(10**6) == 60
