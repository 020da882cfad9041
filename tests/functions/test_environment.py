"""Environments of a function's own, really installed."""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from ossfn.functions.environment import Environments, environment_key, passed_on
from ossfn.functions.errors import DeployRefused
from ossfn.functions.service import Functions

REPOSITORY = Path(__file__).parents[2]


def test_the_same_requirements_share_a_key() -> None:
    assert environment_key("a==1\n") == environment_key("a==1\n") != environment_key("a==2\n")


@pytest.mark.parametrize("spelled", ["functions-framework==3.*", " Functions_Framework", "functions.framework>=3  # x"])
def test_a_framework_of_the_author_s_choice_is_another_key(spelled: str) -> None:
    assert environment_key(spelled) != environment_key(spelled.replace("unctions", "unction"))


def test_functions_see_the_surroundings_but_no_secret() -> None:
    surroundings = {"PATH": "/bin", "HOME": "/root", "LC_ALL": "C", "HTTPS_PROXY": "http://p", "no_proxy": "x"}
    secrets = {"OSSFN_TOKEN": "s", "AWS_SECRET_ACCESS_KEY": "s", "PYTHONPATH": "/x", "PIP_INDEX_URL": "s"}
    assert passed_on(surroundings | secrets) == surroundings


@pytest.fixture
def uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """With uv on PATH, where there is one; pip is several times slower."""
    if found := shutil.which("uv") or next(map(str, REPOSITORY.glob(".dev/uv-*/bin/uv")), None):
        monkeypatch.setenv("PATH", f"{Path(found).parent}:/usr/bin:/bin")


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without uv."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


@pytest.mark.slow
@pytest.mark.parametrize("installer", ["uv", "pip"])
async def test_a_function_gets_what_it_requires_and_others_do_not(
    tmp_path: Path, zipped: Callable[..., bytes], installer: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(installer)
    code = (
        "import functions_framework, toolz, sys\n"
        "@functions_framework.http\ndef go(r): return f'{toolz.__version__} {sys.prefix}'\n"
    )
    with_requirements = zipped({"main.py": code, "requirements.txt": "toolz==1.0.0\n"})
    async with Functions(tmp_path) as functions:
        await functions.deploy("f", with_requirements)
        transport = httpx.AsyncHTTPTransport(uds=(functions.address_of("f") or "").removeprefix("unix:"))
        async with httpx.AsyncClient(transport=transport) as client:
            answer = (await client.get("http://f/")).text
        home = tmp_path / "functions/.venvs" / environment_key("toolz==1.0.0\n")
        assert answer == f"1.0.0 {home}"
        began = time.monotonic()
        await functions.deploy("g", with_requirements)
        assert time.monotonic() - began < 5, "the environment is shared, not made again"
        with pytest.raises(DeployRefused, match="No module named 'toolz'"):
            await functions.deploy("h", zipped({"main.py": code}))
        for name in ("f", "g"):
            await functions.remove(name)
    async with Functions(tmp_path):
        assert not home.exists(), "what no version needs is cleared away at the next start"


@pytest.mark.slow
@pytest.mark.usefixtures("uv")
async def test_requirements_that_cannot_be_had_refuse_the_deploy(tmp_path: Path, zipped: Callable[..., bytes]) -> None:
    code = "import functions_framework\n@functions_framework.http\ndef go(r): return ''\n"
    async with Functions(tmp_path) as functions:
        with pytest.raises(DeployRefused, match="requirements cannot be installed") as refused:
            await functions.deploy("f", zipped({"main.py": code, "requirements.txt": "./not-there\n"}))
        assert any("not-there" in line for line in refused.value.tail)
        assert functions.list() == []


@pytest.mark.slow
@pytest.mark.usefixtures("uv")
async def test_an_environment_left_half_made_is_made_again(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")
    (tmp_path / "venvs/key/bin").mkdir(parents=True)
    environments = Environments(tmp_path / "venvs")
    first, second = await asyncio.gather(*(environments.python("key", requirements) for _ in range(2)))
    assert first == second
    checked = await asyncio.create_subprocess_exec(first, "-c", "import functions_framework")
    assert await checked.wait() == 0
