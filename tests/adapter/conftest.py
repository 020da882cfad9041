"""A server that says exactly what a test wants it to say, and certificates for it."""

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What is done with one connection; it is closed afterwards."""


@dataclass
class RawServer:
    """A server that counts its connections."""

    talk: Talk
    port: int = 0
    connections: int = 0
    open: int = 0
    most_open: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.connections += 1
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        # asyncio.CancelledError: asyncio's streams log a cancelled connection as an error.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self.talk(reader, writer)
        self.open -= 1
        writer.close()

    async def all_closed(self) -> None:
        """Return when no connection is open, fail after two seconds."""
        async with asyncio.timeout(2):
            while self.open:
                await asyncio.sleep(0.001)


class Serve(Protocol):
    """Starts a server on loopback, on a free port unless told, or at a unix socket; it ends with the test."""

    async def __call__(
        self,
        talk: Talk,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        path: Path | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> RawServer: ...


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Servers for this test."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(
            talk: Talk,
            *,
            host: str = "127.0.0.1",
            port: int = 0,
            path: Path | None = None,
            tls: ssl.SSLContext | None = None,
        ) -> RawServer:
            raw = RawServer(talk)
            if path is not None:
                server = await asyncio.start_unix_server(raw.connected, path)
            else:
                server = await asyncio.start_server(raw.connected, host, port, ssl=tls)
                raw.port = server.sockets[0].getsockname()[1]
            stack.push_async_callback(stop, server, raw)
            return raw

        yield start


async def stop(server: asyncio.Server, raw: RawServer) -> None:
    """No more connections, and an end to those that are open."""
    server.close()
    for task in raw.tasks:
        task.cancel()
    await asyncio.gather(*raw.tasks)


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of the next request; raises IncompleteReadError when there is none."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    return head, await reader.readexactly(int(fields.get(b"content-length", 0)))


Certificates = Callable[[str], tuple[Path, Path]]
"""Certificate and key for a name, signed by the test's own authority."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a certificate authority that only these tests trust."""
    folder = tmp_path_factory.mktemp("authority")
    openssl(folder, "req", "-x509", *NEW_KEY, "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority")
    return folder


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(authority: Path) -> Certificates:
    def make(name: str) -> tuple[Path, Path]:
        kind = "IP" if name[0].isdigit() else "DNS"
        (authority / f"{name}.ext").write_text(f"subjectAltName={kind}:{name}\n")
        openssl(authority, "req", *NEW_KEY, f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=x")
        signed_by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext")
        openssl(authority, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed_by)
        return authority / f"{name}.pem", authority / f"{name}.key"

    return make


def serving_as(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


def trusting(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority / "ca.pem")
