"""Functions over HTTP: deploy, look up, go back, try out, remove; and the triggers that call them."""

import asyncio
from typing import Annotated, Any
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Query, Request, Response

from ossfn.adapter.web.api_faults import ApiError
from ossfn.adapter.web.api_function_shapes import (
    AliasIn,
    AliasOut,
    DeployOptions,
    FunctionOut,
    FunctionsOut,
    LogOut,
    RollbackIn,
    TriggersOut,
    VersionsOut,
    function_out,
    log_line_out,
    triggers_out,
    version_out,
)
from ossfn.adapter.web.api_guard import ZIP, media_type
from ossfn.adapter.web.api_invoke import Invocation, invoke
from ossfn.adapter.web.api_parts import Caller, FunctionsPart, RegistryPart
from ossfn.adapter.web.api_preconditions import FunctionIfMatch, tag_of
from ossfn.functions.config import RemoteConfig
from ossfn.functions.service import Functions
from ossfn.trigger_registry.errors import InUse

router = APIRouter(prefix="/api/v1/functions", tags=["functions"])

_PUT_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            ZIP: {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": RemoteConfig.model_json_schema()},
        },
    }
}
_INVOKE_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}


@router.get("")
async def list_functions(functions: FunctionsPart) -> FunctionsOut:
    """Every function."""
    return FunctionsOut(functions=[function_out(functions.describe(each.name)) for each in functions.list()])


@router.get("/{name}")
async def get_function(name: str, functions: FunctionsPart, response: Response) -> FunctionOut:
    """One function."""
    return _told(name, functions, response)


def _told(name: str, functions: Functions, response: Response) -> FunctionOut:
    response.headers["ETag"] = tag_of(functions.get(name))
    return function_out(functions.describe(name))


@router.put("/{name}", responses={201: {"model": FunctionOut}}, openapi_extra=_PUT_BODY)
async def put_function(
    name: str,
    request: Request,
    options: Annotated[DeployOptions, Query()],
    functions: FunctionsPart,
    caller: Caller,
    response: Response,
    still: FunctionIfMatch,
) -> FunctionOut:
    """Deploy a zip as the next version, which serves once this is answered; or name a function that runs elsewhere."""
    is_new = all(each.name != name for each in functions.list())
    body = await request.body()
    if media_type(request.headers) == ZIP:
        await functions.deploy(name, body, options.options(), actor=caller, if_still=still)
    else:
        remote: dict[str, Any] = options.options() | _json_object(body)
        await functions.deploy_remote(name, remote.pop("url", ""), remote, actor=caller, if_still=still)
    if is_new:
        response.status_code = 201
        response.headers["Location"] = f"/api/v1/functions/{quote(name)}"
    return _told(name, functions, response)


@router.delete("/{name}", status_code=204)
async def delete_function(
    name: str,
    functions: FunctionsPart,
    registry: RegistryPart,
    caller: Caller,
    still: FunctionIfMatch,
    cascade: bool = False,
) -> None:
    """Remove a function with its versions and logs; with `cascade` also the rules that call it."""
    functions.get(name)
    await asyncio.to_thread(registry.refresh)  # another process may have made a trigger a moment ago
    users = [f"{bucket}/{rule.name}" for bucket, rule in await asyncio.to_thread(registry.triggers_of, name)]
    if users and not cascade:
        raise InUse(f"Function {name} still has {len(users)} triggers; delete them first.", users)
    if cascade:
        await asyncio.to_thread(registry.drop_triggers_of, name, actor=caller)
    await functions.remove(name, if_still=still)


@router.get("/{name}/triggers")
async def list_triggers(name: str, functions: FunctionsPart, registry: RegistryPart) -> TriggersOut:
    """The rules that call a function, in every bucket."""
    functions.get(name)
    return triggers_out(await asyncio.to_thread(registry.triggers_of, name))


@router.get("/{name}/versions")
async def list_versions(name: str, functions: FunctionsPart) -> VersionsOut:
    """The versions that can be served."""
    versions = [version_out(version) for version in await functions.versions(name)]
    return VersionsOut(versions=versions, aliases=dict(await functions.aliases(name)))


@router.put("/{name}/aliases/{alias}")
async def put_alias(name: str, alias: str, functions: FunctionsPart, body: AliasIn | None = None) -> AliasOut:
    """Name a version, which is kept as long as it has a name."""
    return AliasOut(alias=alias, version=await functions.set_alias(name, alias, body.version if body else None))


@router.delete("/{name}/aliases/{alias}", status_code=204)
async def delete_alias(name: str, alias: str, functions: FunctionsPart) -> None:
    """Forget a name; its version stays."""
    await functions.remove_alias(name, alias)


@router.get("/{name}/logs")
async def get_logs(name: str, functions: FunctionsPart, lines: Annotated[int, Query(ge=1, le=10_000)] = 100) -> LogOut:
    """What a function printed last."""
    return LogOut(lines=[log_line_out(line) for line in await functions.logs(name, lines)])


@router.post("/{name}:rollback")
async def rollback_function(
    name: str, functions: FunctionsPart, response: Response, still: FunctionIfMatch, body: RollbackIn | None = None
) -> FunctionOut:
    """Serve an earlier version again."""
    await functions.rollback(name, (body.alias or body.version) if body else None, if_still=still)
    return _told(name, functions, response)


@router.post("/{name}:invoke", openapi_extra=_INVOKE_BODY)
async def invoke_function(name: str, request: Request, functions: FunctionsPart) -> Invocation:
    """Send a CloudEvent, or any other JSON, to a function and give back what it answers."""
    return await invoke(functions, name, await request.body())


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "InvalidRequest", f"The body is not JSON: {error}", field="body") from None
    if not isinstance(content, dict):
        raise ApiError(400, "InvalidRequest", 'Give an object, like {"url": "https://…"}.', field="body")
    return content
