"""How a target is treated: its own settings before those for all, numbers or a preset, faults said early."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ossfn.adapter.retry import PRESETS, LanePolicy, RetryPolicy
from ossfn.adapter.senders import Callbacks, HttpSender
from ossfn.adapter.settings import Settings
from ossfn.adapter.targets import Targets
from ossfn.adapter.transport import KeepAliveTransport
from ossfn.functions.service import Functions


async def test_the_longest_pattern_wins(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "data": tmp_path,
            "targets": {
                "callback:*": {"concurrency": 2},
                "callback:https://slow.example/*": {"per_second": 0.5, "retry": "jd"},
                "function:thumbs": {"retry": {"first_delay": 7, "max_attempts": 2}},
            },
        }
    )
    callbacks = Callbacks({}, origin="here", timeout_seconds=30)
    async with Functions(tmp_path) as functions, KeepAliveTransport() as transport:
        await functions.deploy_remote("thumbs", "http://127.0.0.1:1/", {"concurrency": 3, "timeout_seconds": 20})
        lane_of = Targets(functions, HttpSender(transport), callbacks, settings).lane_of
        assert lane_of("callback:https://a.example/x") == LanePolicy(2, PRESETS["default"], None, 30)
        assert lane_of("callback:https://slow.example/x") == LanePolicy(8, PRESETS["jd"], 0.5, 30)
        assert lane_of("function:thumbs") == LanePolicy(3, RetryPolicy(first_delay=7, max_attempts=2), None, 30)
        assert lane_of("function:unknown") == LanePolicy(1, PRESETS["default"], None, 10)


@pytest.mark.parametrize(
    "own",
    [
        {"retry": "sometimes"},
        {"retry": {"first_delays": 1}},
        {"retry": {"first_delay": "soon"}},
        {"concurrency": 0},
        {"per_second": 0},
        {"rate": 5},
    ],
)
def test_what_is_misspelt_is_refused(tmp_path: Path, own: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"data": tmp_path, "targets": {"function:a": own}})
