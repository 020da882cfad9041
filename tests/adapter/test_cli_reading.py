"""What a person types, as the API takes it."""

import pytest
import typer

from ossfn.adapter.cli.reading import header, moment


def test_moments_may_be_told_as_ago() -> None:
    assert moment("2026-11-22T15:57:26Z") == "2026-11-22T15:57:26Z"
    assert moment(None) is None
    hour, day = (float(moment(ago) or "") for ago in ("1h", "1d"))
    assert hour - day == pytest.approx(23 * 3600, abs=1)


def test_headers_are_taken_apart() -> None:
    assert header("X-Amz-Sns-Message-Type: Notification") == ("x-amz-sns-message-type", "Notification")
    with pytest.raises(typer.BadParameter, match="'Name: value'"):
        header("nothing")
