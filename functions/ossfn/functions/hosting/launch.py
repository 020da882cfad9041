"""The command and the environment that serve one version with the stock functions-framework. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ossfn.functions.model import Version

MARK = "OSSFN_HOSTED_BY"
"""Environment variable that every process of a host carries; its value is the data directory of the service."""

JD_RUNTIME = Path(__file__).parents[1] / "jd_runtime" / "ossfn_jd_runtime.py"
"""What functions-framework serves for an entry point `file.function`, JD Cloud's way."""
JD_RUNTIME_MB = 32
"""JD Cloud caps what the handler takes beyond its runtime; ours takes about 25 MiB."""


@dataclass(frozen=True, slots=True)
class Launch:
    """All that is needed to start a version, any number of times."""

    version: int
    command: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path
    memory_bytes: int


def launch(name: str, version: Version, *, code: Path, python: Path, data: Path, environ: Mapping[str, str]) -> Launch:
    """How to start `version` of function `name`, unpacked at `code`, with interpreter `python`."""
    jd = "." in version.entry_point
    target, source = ("jd_function", JD_RUNTIME) if jd else (version.entry_point, code / version.source)
    # -P: otherwise `-m` puts the author's folder in front of the standard library, and their queue.py breaks gunicorn.
    command = [str(python), "-P", "-m", "functions_framework", "--target", target]
    command += ["--source", str(source), "--signature-type", version.signature_type]
    # It gets its socket from us and binds none; should that ever fail, it must not be reachable from outside.
    command += ["--host", "127.0.0.1", "--port", "0", *(["--asgi"] if version.asgi else [])]
    env = {
        **environ,
        **version.env,
        "PATH": f"{python.parent}:{environ.get('PATH', '/usr/bin:/bin')}",
        "PYTHONUNBUFFERED": "1",
        # With one thread per worker gunicorn stops a handler that overruns its time; with threads it cannot.
        "THREADS": "1",
        "WORKERS": "1" if version.asgi else str(version.concurrency),
        "CLOUD_RUN_TIMEOUT_SECONDS": str(version.timeout_seconds),
        "GUNICORN_LOG_LEVEL": "warning",
        "K_SERVICE": name,
        "K_CONFIGURATION": name,
        "K_REVISION": f"{name}-{version.number:05d}",
        MARK: str(data),
        # What a function keeps beyond one version; removed with the function.
        "OSSFN_STATE": str(data / "functions" / name / "state"),
    }
    memory_mb = version.memory_mb or 0
    if jd:
        env |= {"OSSFN_JD_HANDLER": version.entry_point, "OSSFN_JD_MEMORY": str(memory_mb)}
        memory_mb += JD_RUNTIME_MB if memory_mb else 0
    return Launch(version.number, tuple(command), env, code, memory_mb << 20)
