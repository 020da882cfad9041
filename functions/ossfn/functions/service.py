"""The one door to functions: deploy, look up, go back, remove."""

import asyncio
import fcntl
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from ossfn.functions.bundle import read_bundle
from ossfn.functions.catalog import Catalog
from ossfn.functions.config import check_alias, check_name, remote_config
from ossfn.functions.errors import Changed, DataInUse, Fault, FunctionRefused, NoSuchFunction, NoSuchVersion, WrongKind
from ossfn.functions.hosting.hosts import Hosts
from ossfn.functions.hosting.logs import LogLine
from ossfn.functions.hosting.states import State
from ossfn.functions.model import Function, Remote, Version
from ossfn.functions.resolve import resolve

Options = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Description:
    """A function as it is at this moment; a remote one has no state that we know."""

    function: Function
    state: State | None


class Functions:
    """All functions of one data directory. Open it in the event loop that uses it; its methods belong to that loop.

    What is asked for every event (`address_of` …) is answered from memory. One process at a time may have it open.
    """

    def __init__(self, data: Path, catalog_url: str = "") -> None:
        """`catalog_url` is an SQLAlchemy one; without it the catalog is a file in the data directory."""
        data = data.resolve()
        self._folder = data / "functions"
        self._catalog = Catalog(catalog_url or f"sqlite:///{self._folder / 'catalog.sqlite'}")
        self._hosts = Hosts(data)
        self._functions: dict[str, Function] = {}
        self._changing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._lock: BinaryIO | None = None

    async def open(self) -> None:
        """Begin to serve every deployed function; raises DataInUse."""
        self._lock = _lock(self._folder)
        await asyncio.to_thread(self._catalog.open)
        await self._hosts.open(await asyncio.to_thread(self._catalog.requirements))
        for function in await asyncio.to_thread(self._catalog.functions):
            self._functions[function.name] = function
            if isinstance(function.runs, Version):
                self._hosts.serve(self._hosts.prepare(function.name, function.runs))

    async def close(self) -> None:
        """Stop all hosts and let go of everything."""
        await self._hosts.close()
        await asyncio.to_thread(self._catalog.close)
        if self._lock:
            self._lock.close()

    async def __aenter__(self) -> "Functions":
        """Open, and close whatever happens."""
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def deploy(
        self,
        name: str,
        zipped: bytes,
        options: Options | None = None,
        *,
        actor: str = "",
        if_still: Function | None = None,
    ) -> Function:
        """Host a bundle (see `bundle.pack`) as the new version of `name`; it serves once this returns.

        `options` are keys of `config.FunctionConfig` and win over the bundle's functions.toml. Raises FunctionRefused,
        WrongKind or DeployRefused, and Changed when it is no longer `if_still`; the version before then still serves.
        """
        check_name(name)
        bundle = await asyncio.to_thread(read_bundle, zipped)
        async with self._changing[name]:
            self._check_still(name, if_still)
            if (known := self._functions.get(name)) and isinstance(known.runs, Remote):
                raise WrongKind(f"{name} is a remote function; remove it before code is deployed under its name")
            kept = await asyncio.to_thread(self._catalog.versions, name)
            number = kept[0].number + 1 if kept else 1
            version = await asyncio.to_thread(resolve, number, bundle, options or {}, actor=actor, now=time.time())
            self._check_region(name, version.region)
            try:
                await self._hosts.unpack(name, number, bundle)
                return await self._switch(name, version)
            except Exception:
                # Not when cancelled: the thread that records the version may still do so.
                await (self._hosts.discard(name, number) if known else self._hosts.remove(name))
                raise

    async def deploy_remote(
        self,
        name: str,
        url: str,
        options: Options | None = None,
        *,
        actor: str = "",
        if_still: Function | None = None,
    ) -> Function:
        """Let `name` stand for the function at `url`; `options` are the other keys of `config.RemoteConfig`.

        Raises FunctionRefused, WrongKind, and Changed when it is no longer `if_still`.
        """
        check_name(name)
        config = remote_config(url, options or {})
        async with self._changing[name]:
            self._check_still(name, if_still)
            if (known := self._functions.get(name)) and isinstance(known.runs, Version):
                raise WrongKind(f"{name} is hosted here; remove it before a URL is put under its name")
            self._check_region(name, config.region)
            now = time.time()
            remote = Remote(config.url, config.region, config.concurrency, config.timeout_seconds, now, actor)
            function = Function(name, remote, known.created_at if known else now, now)
            await asyncio.to_thread(self._catalog.put_remote, function)
            self._functions[name] = function
            return function

    async def rollback(self, name: str, to: int | str | None = None, *, if_still: Function | None = None) -> Function:
        """Serve another version again: the one of this number or alias, or the one before the present one.

        Raises NoSuchFunction, NoSuchVersion, WrongKind, DeployRefused, Changed.
        """
        async with self._changing[name]:
            self._check_still(name, if_still)
            serving = self._hosted(name).number
            if isinstance(to, str):
                to = await self._number_of(name, to)
            kept = await asyncio.to_thread(self._catalog.versions, name)
            wanted = [v for v in kept if (v.number == to if to is not None else v.number < serving)]
            if not wanted:
                raise _no_version(name, f"version {to}" if to is not None else f"version before {serving}", kept)
            return await self._switch(name, wanted[0])

    async def aliases(self, name: str) -> Mapping[str, int]:
        """The numbers of the versions that have names, by these; none for a remote function. Raises NoSuchFunction."""
        self.get(name)
        return await asyncio.to_thread(self._catalog.aliases, name)

    async def set_alias(self, name: str, alias: str, number: int | None = None) -> int:
        """Name a version, by its number or the one that serves; it is kept as long as it has a name.

        Raises NoSuchFunction, NoSuchVersion, WrongKind, FunctionRefused.
        """
        async with self._changing[name]:
            number = number or self._hosted(name).number
            check_alias(alias, await self.aliases(name))
            kept = await asyncio.to_thread(self._catalog.versions, name)
            if all(version.number != number for version in kept):
                raise _no_version(name, f"version {number}", kept)
            await asyncio.to_thread(self._catalog.put_alias, name, alias, number)
            return number

    async def remove_alias(self, name: str, alias: str) -> None:
        """Forget a name; its version stays. Raises NoSuchFunction, NoSuchVersion."""
        async with self._changing[name]:
            self.get(name)
            await self._number_of(name, alias)
            await asyncio.to_thread(self._catalog.put_alias, name, alias, None)

    async def remove(self, name: str, *, if_still: Function | None = None) -> None:
        """Forget a function, its versions and its logs; the caller has seen to its triggers.

        Raises NoSuchFunction, Changed.
        """
        async with self._changing[name]:
            self.get(name)
            self._check_still(name, if_still)
            await asyncio.to_thread(self._catalog.delete, name)
            del self._functions[name]
            await self._hosts.remove(name)

    def list(self) -> Sequence[Function]:
        """Every function, by name."""
        return sorted(self._functions.values(), key=lambda function: function.name)

    def get(self, name: str) -> Function:
        """One function; raises NoSuchFunction."""
        try:
            return self._functions[name]
        except KeyError:
            raise NoSuchFunction(name) from None

    def describe(self, name: str) -> Description:
        """A function and what its host is doing; raises NoSuchFunction."""
        function = self.get(name)
        return Description(function, self._hosts.state_of(name) if isinstance(function.runs, Version) else None)

    async def versions(self, name: str) -> Sequence[Version]:
        """The versions that can be served, newest first; none for a remote function. Raises NoSuchFunction."""
        self.get(name)
        return await asyncio.to_thread(self._catalog.versions, name)

    async def logs(self, name: str, lines: int = 100) -> Sequence[LogLine]:
        """The last lines it printed, oldest first; none for a remote function. Raises NoSuchFunction."""
        return await self._hosts.logs(name, lines) if isinstance(self.get(name).runs, Version) else []

    def region_of(self, name: str) -> str | None:
        """Where a function is; None when there is none of that name."""
        function = self._functions.get(name)
        return function.runs.region if function else None

    def address_of(self, name: str) -> str | None:
        """Where to send the next request, `unix:PATH` or a URL; None when there is no such function.

        Ask before every request: each version has its own address, and a function that stops when idle counts its idle
        time from here.
        """
        function = self._functions.get(name)
        if function and isinstance(function.runs, Remote):
            return function.runs.url
        return self._hosts.address_of(name) if function else None

    def concurrency_of(self, name: str) -> int | None:
        """Requests it takes at a time; None when there is no such function."""
        function = self._functions.get(name)
        return function.runs.concurrency if function else None

    def timeout_of(self, name: str) -> int | None:
        """Seconds that a request may take; None when there is no such function."""
        function = self._functions.get(name)
        return function.runs.timeout_seconds if function else None

    def _check_still(self, name: str, expected: Function | None) -> None:
        if expected is not None and self._functions.get(name) != expected:
            raise Changed(f"{name} has changed meanwhile; read it again")

    def _check_region(self, name: str, region: str) -> None:
        """Refuse to move a function: its triggers were accepted for where it is."""
        if (now := self.region_of(name)) and now != region:
            why = f"{name} is in {now} and cannot move to {region}: say {now}, or remove it first, or use another name"
            raise FunctionRefused([Fault("region", why)])

    def _hosted(self, name: str) -> Version:
        runs = self.get(name).runs
        if isinstance(runs, Remote):
            raise WrongKind(f"{name} is a remote function and has no versions")
        return runs

    async def _number_of(self, name: str, alias: str) -> int:
        known = await self.aliases(name)
        if alias not in known:
            raise NoSuchVersion(f"{name} has no alias {alias}; there are {', '.join(known) or 'none'}")
        return known[alias]

    async def _switch(self, name: str, version: Version) -> Function:
        """Start the version beside the present one, record it, and only then let the present one go."""
        host = self._hosts.prepare(name, version)
        now = time.time()
        known = self._functions.get(name)
        function = Function(name, version, known.created_at if known else now, now)
        try:
            await host.start()
            gone = await asyncio.to_thread(self._catalog.put_version, function, version)
        except BaseException:
            await host.close(grace_seconds=0)
            raise
        self._functions[name] = function
        self._hosts.serve(host)
        for old in gone:
            await self._hosts.discard(name, old.number)
        return function


def _no_version(name: str, which: str, kept: Sequence[Version]) -> NoSuchVersion:
    return NoSuchVersion(f"{name} has no {which}; there are {', '.join(str(version.number) for version in kept)}")


def _lock(folder: Path) -> BinaryIO:
    """Hold the folder until the file is closed or this process ends, however it ends."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (folder / ".lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise DataInUse(
            f"another ossfn looks after {folder.parent}; stop it, or give this one another data directory"
        ) from None
    return lock
