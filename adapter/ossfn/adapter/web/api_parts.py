"""What the API's routes work on: the registry, the functions and the history of the app that they belong to."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from ossfn.adapter.backend import History
from ossfn.functions.service import Functions
from ossfn.trigger_registry.registry import Registry


@dataclass(frozen=True, slots=True)
class Parts:
    """Kept as `app.state.parts`."""

    registry: Registry
    functions: Functions
    history: History


async def _registry(request: Request) -> Registry:
    parts: Parts = request.app.state.parts
    return parts.registry


async def _functions(request: Request) -> Functions:
    parts: Parts = request.app.state.parts
    return parts.functions


async def _history(request: Request) -> History:
    parts: Parts = request.app.state.parts
    return parts.history


async def _caller(request: Request) -> str:
    caller: str = request.state.caller
    return caller


Caller = Annotated[str, Depends(_caller)]
"""The name of the token that the request bears: who made a change, in the history."""

RegistryPart = Annotated[Registry, Depends(_registry)]
"""Waits for a disk, but for reads of buckets and rules: call it from plain `def` routes, which run in threads."""

FunctionsPart = Annotated[Functions, Depends(_functions)]
"""Belongs to the event loop: call it from `async def` routes."""

HistoryPart = Annotated[History, Depends(_history)]
"""Belongs to the event loop, as `FunctionsPart`."""
