"""From a bundle and what was said about it to the version that will run."""

import re
from collections.abc import Mapping

from ossfn.functions.bundle import CONFIG_FILE, REQUIREMENTS_FILE, Bundle
from ossfn.functions.config import FunctionConfig, function_config
from ossfn.functions.entry_point import Handler, find_handler
from ossfn.functions.environment import environment_key
from ossfn.functions.errors import Fault, FunctionRefused
from ossfn.functions.model import Version

_IMPORTS_KIT = re.compile(rb"^\s*(from|import)\s+ossfn\b", re.MULTILINE)
_REQUIRES_KIT = re.compile(r"^\s*ossfn(?![\w.-])", re.MULTILINE | re.IGNORECASE)

WORKERS = 4
"""Worker processes of a sync function that does not say; each holds one request."""
MOST_WORKERS = 64
ASYNC_REQUESTS = 64
"""Requests at a time of an async function that does not say."""


def resolve(number: int, bundle: Bundle, options: Mapping[str, object], *, actor: str, now: float) -> Version:
    """Version `number`, complete; raises FunctionRefused."""
    config = _with_jd_source(function_config(bundle.text(CONFIG_FILE), options))
    code = bundle.text(config.source)
    if code is None:
        why = f"the bundle has no {config.source}; `source` names another file, entry point `index.handler` one of JD's"
        raise FunctionRefused([Fault("source", why)])
    handler = find_handler(code, config)
    return Version(
        number=number,
        sha256=bundle.sha256,
        source=config.source,
        entry_point=handler.entry_point,
        signature_type=handler.signature_type,
        asgi=handler.asgi,
        concurrency=_concurrency(config, handler),
        timeout_seconds=config.timeout_seconds,
        memory_mb=config.memory_mb,
        idle_seconds=config.idle_seconds,
        region=config.region,
        requirements=_environment(bundle),
        env=config.env,
        created_at=now,
        actor=actor,
    )


def _with_jd_source(config: FunctionConfig) -> FunctionConfig:
    """The file that JD's `file.function` names."""
    file, dot, _ = (config.entry_point or "").partition(".")
    return config.model_copy(update={"source": f"{file}.py"}) if dot else config


def _environment(bundle: Bundle) -> str | None:
    requirements = bundle.text(REQUIREMENTS_FILE)
    if requirements is None:
        return None
    if _REQUIRES_KIT.search(requirements):
        why = "leave ossfn out: a function that imports it gets it from the service that runs it, not from an index"
        raise FunctionRefused([Fault(REQUIREMENTS_FILE, why)])
    return environment_key(requirements, with_kit=any(_IMPORTS_KIT.search(code) for code in bundle.code()))


def _concurrency(config: FunctionConfig, handler: Handler) -> int:
    if config.concurrency is None:
        return ASYNC_REQUESTS if handler.asgi else WORKERS
    if not handler.asgi and config.concurrency > MOST_WORKERS:
        why = f"a sync handler has one process per request, at most {MOST_WORKERS}; an async one can take more"
        raise FunctionRefused([Fault("concurrency", why)])
    return config.concurrency
