"""Opens the doors of a running service on two ports and closes them when the process is asked to stop."""

import asyncio
import gc
import re
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from ossfn.adapter.service import Service, running
from ossfn.adapter.settings import Settings
from ossfn.adapter.web.admin_api import admin_app
from ossfn.adapter.web.api_guard import Token
from ossfn.adapter.web.bounded_http import bounded_http
from ossfn.adapter.web.console.app import console_routes
from ossfn.adapter.web.console.pages import Behind
from ossfn.adapter.web.gateway import gateway_route
from ossfn.adapter.web.grant_api import grant_route
from ossfn.adapter.web.health import health_routes
from ossfn.adapter.web.ingest_api import IngestDoor
from ossfn.trigger_registry.s3_api import ENDPOINT_HOSTS, s3_app


class _Server(uvicorn.Server):
    """One of several servers in a process: signals are ours to hear; `ready` is set once it accepts."""

    def __init__(self, app: Starlette, http: type[asyncio.Protocol]) -> None:
        super().__init__(_config(app, http))
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; prints one JSON line on stdout once both ports answer."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as service:
        sockets = [_listen(settings.host, port) for port in (settings.port, settings.s3_port)]
        http = bounded_http(
            request_seconds=settings.request_seconds,
            connections=settings.max_connections,
            connections_per_client=settings.max_connections_per_client,
        )
        servers = [_Server(app, http) for app in (main_app(service), notification_app(service))]
        tasks = [
            asyncio.create_task(server.serve(sockets=[sock])) for server, sock in zip(servers, sockets, strict=True)
        ]
        for server in servers:
            await server.ready.wait()
        announce(settings, *(sock.getsockname()[1] for sock in sockets))
        gc.freeze()  # what is here now stays: no collection need look at it again
        await stop.wait()
        run_file(settings).unlink(missing_ok=True)
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


def main_app(service: Service) -> Starlette:
    """Ingest, health and metrics, functions called directly, the console, and under everything else the JSON API."""
    door = IngestDoor(
        service.ingest,
        service.senders,
        body_bytes=service.settings.ingest_body_bytes,
        on_refused=service.metrics.refused,
    )
    tokens = _tokens(service.settings)
    api = _json_api(service, tokens)
    return Starlette(
        routes=[
            door.route,
            *health_routes(service.metrics, service.backend.healthy, tokens=tokens),
            grant_route(service.verification.granted),
            gateway_route(service.functions, tokens=tokens),
            *_console(service, api, tokens),
            Mount("/", api),
        ]
    )


def _json_api(service: Service, tokens: Sequence[Token]) -> ASGIApp:
    return admin_app(
        registry=service.registry,
        functions=service.functions,
        history=service.backend,
        tokens=tokens,
    )


def _console(service: Service, api: ASGIApp, tokens: Sequence[Token]) -> list[BaseRoute]:
    return console_routes(
        api=api,
        behind=Behind(
            service.registry, service.functions, service.recent, service.settings.limits, service.backend.circuits
        ),
        tokens=tokens,
        key=service.keys.derived("console"),
    )


def _tokens(settings: Settings) -> list[Token]:
    named = [
        Token(name, known.token.get_secret_value(), known.scope == "write")
        for name, known in settings.api_tokens.items()
    ]
    return [*([Token("api", settings.api_token.get_secret_value())] if settings.api_token else []), *named]


def notification_app(service: Service) -> Starlette:
    """The S3 notification API."""
    return s3_app(
        service.registry,
        service.keys,
        clock=time.time,
        new_request_id=lambda: secrets.token_hex(8).upper(),
        limits=service.settings.limits,
        auto_create_buckets=service.settings.on_loopback,
        verification=service.settings.callback_verification,
        endpoint_hosts=[*ENDPOINT_HOSTS, *map(re.escape, service.settings.s3_hosts)],
    )


def announce(settings: Settings, port: int, s3_port: int) -> None:
    """Say that it is ready: on stdout for whoever started it, in the data directory for the command line."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{port}"
    ready = {"ready": True, "port": port, "s3_port": s3_port, "console": f"{url}/console/", "url": url}
    run_file(settings).write_bytes(orjson.dumps(ready))
    sys.stdout.write(orjson.dumps(ready).decode() + "\n")
    sys.stdout.flush()


def run_file(settings: Settings) -> Path:
    """Where a service running on this data directory says how to reach it."""
    return settings.data / "running.json"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio leaves Nagle on
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(2048)
    return sock


def _config(app: Starlette, http: type[asyncio.Protocol]) -> uvicorn.Config:
    return uvicorn.Config(
        app, lifespan="off", log_config=None, access_log=False, server_header=False, http=http, ws="none",
        timeout_graceful_shutdown=10,
    )  # fmt: skip
