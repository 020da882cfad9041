"""From a bundle and options to a complete version."""

from collections.abc import Callable

import pytest

from ossfn.functions.bundle import read_bundle
from ossfn.functions.environment import environment_key
from ossfn.functions.errors import FunctionRefused
from ossfn.functions.model import Version
from ossfn.functions.resolve import resolve

SYNC = "import functions_framework\n@functions_framework.cloud_event\ndef go(e): pass\n"
ASYNC = "from functions_framework import aio\n@aio.cloud_event\nasync def go(e): pass\n"

Zipped = Callable[..., bytes]


def resolved(zipped: bytes, **options: object) -> Version:
    return resolve(7, read_bundle(zipped), options, actor="me", now=1.5)


def test_a_lone_file_is_enough(zipped: Zipped) -> None:
    bundle = zipped({"main.py": SYNC})
    assert resolved(bundle) == Version(
        number=7,
        sha256=read_bundle(bundle).sha256,
        source="main.py",
        entry_point="go",
        signature_type="cloudevent",
        asgi=False,
        concurrency=4,
        timeout_seconds=60,
        memory_mb=None,
        idle_seconds=0,
        region="cn-north-1",
        requirements=None,
        env={},
        created_at=1.5,
        actor="me",
    )


def test_an_async_handler_takes_more_at_a_time(zipped: Zipped) -> None:
    assert resolved(zipped({"main.py": ASYNC})).concurrency == 64
    assert resolved(zipped({"main.py": ASYNC}), concurrency=1000).concurrency == 1000
    with pytest.raises(FunctionRefused, match="at most 64"):
        resolved(zipped({"main.py": SYNC}), concurrency=65)


def test_the_file_beside_the_code_is_read(zipped: Zipped) -> None:
    toml = 'source = "src/app.py"\nmemory_mb = 256\nidle_seconds = 30\nregion = "eu"\n'
    version = resolved(zipped({"src/app.py": SYNC, "functions.toml": toml}), memory_mb=512)
    assert (version.source, version.memory_mb, version.idle_seconds, version.region) == ("src/app.py", 512, 30, "eu")
    with pytest.raises(FunctionRefused, match=r"no src/app\.py"):
        resolved(zipped({"main.py": SYNC, "functions.toml": toml}))


def test_requirements_even_empty_ones_mean_an_environment_of_its_own(zipped: Zipped) -> None:
    for requirements in ("pillow\n", ""):
        version = resolved(zipped({"main.py": SYNC, "requirements.txt": requirements}))
        assert version.requirements == environment_key(requirements)
