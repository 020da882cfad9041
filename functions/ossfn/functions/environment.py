"""A Python environment of a function's own, made from its requirements.txt and shared by all that require the same."""

import asyncio
import hashlib
import os
import platform
import re
import shutil
import signal
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from ossfn.functions.errors import DeployRefused

OLDEST_FRAMEWORK = "3.10.2"
"""The first functions-framework that was tried with the way we start it (listening socket handed over, READY=1)."""

INSTALL_SECONDS = 600
TAIL_LINES = 40

KIT = Path(__file__).with_name("kit")
"""What authors import of ossfn. It is copied, not installed: the service and all that it needs stay out."""
KIT_NEEDS = "pydantic>=2.11,<3"
_KIT_MARK = "-kit"

# What programs started for a function see of the service's environment: no secret of the service among it.
PASSED_ON = re.compile(
    r"PATH|HOME|USER|LANG|LC_.*|TZ|TMPDIR|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|(https?|no|all)_proxy", re.IGNORECASE
)
_INSTALLERS = re.compile(r"PIP_.*|UV_.*|XDG_(CACHE|CONFIG)_HOME")


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of the service's environment that functions get."""
    return {name: value for name, value in environ.items() if PASSED_ON.fullmatch(name)}


def environment_key(requirements: str, *, with_kit: bool = False) -> str:
    """Names the environment: the same key for the same requirements, interpreter, functions-framework and kit."""
    kit = [file.read_bytes().hex() for file in sorted(KIT.glob("*.py"))] if with_kit else []
    made_of = (requirements, sys.implementation.cache_tag, platform.python_version(), *_framework(requirements), *kit)
    digest = hashlib.sha256("\0".join(map(str, made_of)).encode()).hexdigest()[:32]
    return f"{digest}{_KIT_MARK}" if with_kit else digest


def _framework(requirements: str) -> tuple[str, ...]:
    """What is installed beside the requirements: our functions-framework, or a bound on theirs."""
    if re.search(r"^\s*functions[-_.]framework\b", requirements, re.IGNORECASE | re.MULTILINE):
        return (f"functions-framework>={OLDEST_FRAMEWORK},<4",)
    return (f"functions-framework=={version('functions-framework')}",)


class Environments:
    """The environments below one folder. Coroutines of one event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._making: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def python(self, key: str, requirements: Path) -> Path:
        """The interpreter of environment `key`, made first when it is not there; raises DeployRefused."""
        home = self._folder / key
        complete = home / ".complete"
        async with self._making[key]:
            if not complete.exists():
                await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)
                with_kit = key.endswith(_KIT_MARK)
                await _make(home, requirements, [KIT_NEEDS] if with_kit else [])
                if with_kit:
                    await asyncio.to_thread(_copy_kit, home)
                complete.touch()
        return home / "bin" / "python"

    def keep_only(self, keys: Iterable[str]) -> None:
        """Remove the environments that nothing needs any more. Blocks; nothing may be made meanwhile."""
        for home in set(self._folder.glob("*")) - {self._folder / key for key in keys}:
            shutil.rmtree(home, ignore_errors=True)


async def _make(home: Path, requirements: Path, more: Iterable[str]) -> None:
    wanted = ["-r", str(requirements), *_framework(await asyncio.to_thread(requirements.read_text)), *more]
    python = str(home / "bin" / "python")
    if uv := _uv():
        await _run(uv, "venv", "--quiet", "--python", sys.executable, str(home), cwd=requirements.parent)
        await _run(uv, "pip", "install", "--quiet", "--python", python, *wanted, cwd=requirements.parent)
    else:
        await _run(sys.executable, "-m", "venv", str(home), cwd=requirements.parent)
        pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")
        await _run(*pip, *wanted, cwd=requirements.parent)


def _copy_kit(home: Path) -> None:
    [packages] = home.glob("lib/python*/site-packages")
    to = packages / "ossfn" / "functions"
    shutil.copytree(KIT, to / KIT.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(KIT.with_name("__init__.py"), to)


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return shutil.which("uv") or (str(beside) if beside.exists() else None)


async def _run(*command: str, cwd: Path) -> None:
    env = passed_on(os.environ) | {name: value for name, value in os.environ.items() if _INSTALLERS.fullmatch(name)}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(INSTALL_SECONDS):
            written, _ = await process.communicate()
    except TimeoutError:
        raise DeployRefused(f"installing the requirements took longer than {INSTALL_SECONDS} s") from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode:
        tail = written.decode(errors="replace").splitlines()[-TAIL_LINES:]
        raise DeployRefused("the requirements cannot be installed", tail)
