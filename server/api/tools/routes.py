"""The routes of `/v1/tools`."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Header, Path, Response
from pydantic import Field

from server.api.authenticated_route import AuthenticatedRoute, SubmissionRoute
from server.api.dependencies import Reader, ServicesDep, Submitter
from server.api.errors import error_responses
from server.api.files.local_picture import RESPONSES, picture_response
from server.api.router import Router
from server.api.task_request import ACCEPTED_RESPONSES, Envelope, SubmissionHeadersDep, submit_and_reply
from server.api.task_response import TaskReply
from server.api.tools.reply import ToolList, ToolProblem, ToolReply, tool_reply
from server.services import Services
from server.tasks.tool_values import naming_fields
from server.tools.tools import UnknownToolError

router = Router(prefix="/v1/tools", tags=["tools"], route_class=AuthenticatedRoute)
ToolId = Annotated[str, Path(max_length=64, description="The `id` that GET /v1/tools lists.")]


class ToolEnvelope(Envelope):
    """The filled-in form of a tool."""

    values: dict[str, Any] = Field({}, description="What is filled in, by the id of the field.")


@router.get("", responses=error_responses(401))
async def list_tools(services: ServicesDep, tenant: Reader) -> ToolList:
    """The stored tools: each is a form that makes a task."""
    return await asyncio.to_thread(_listed, services, tenant)


@router.get("/{tool_id}", responses=error_responses(401, 404, 422))
async def get_tool(tool_id: ToolId, services: ServicesDep, tenant: Reader) -> ToolReply:
    """One tool, with its form."""
    tool = await asyncio.to_thread(services.tools.find, tool_id, tenant)
    return tool_reply(tool, services.catalog, services.links)


async def submit_tool(
    tool_id: ToolId,
    body: ToolEnvelope,
    services: ServicesDep,
    tenant: Submitter,
    headers: SubmissionHeadersDep,
    response: Response,
) -> TaskReply:
    """Submits the task of type `workflow` that the tool makes of these values."""
    tool = await asyncio.to_thread(services.tools.find, tool_id, tenant)
    filled = tool.fill(body.values)
    with naming_fields(filled):
        return await submit_and_reply(services, tenant, "workflow", body, filled.params, headers, response)


router.add_api_route(
    "/{tool_id}",
    submit_tool,
    methods=["POST"],
    status_code=202,
    responses=ACCEPTED_RESPONSES,
    route_class_override=SubmissionRoute,
)


@router.get(
    "/{tool_id}/pictures/{name}",
    response_class=Response,
    responses={**RESPONSES, **error_responses(401, 404, 422)},
)
async def get_tool_picture(
    tool_id: ToolId,
    name: Annotated[str, Path(max_length=200, description="The last part of a `cover`.")],
    services: ServicesDep,
    tenant: Reader,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """A cover of a tool, or of a value of one of its choices."""
    picture = await asyncio.to_thread(services.tools.picture, tool_id, tenant, name)
    response = picture_response(picture, if_none_match)
    if response is None:
        raise UnknownToolError(f"the picture {name!r} of tool {tool_id!r} is no PNG, JPEG or WebP of at most 16 MiB")
    return response


def _listed(services: Services, tenant: str) -> ToolList:
    tools, catalog = services.tools, services.catalog
    return ToolList(
        data=[tool_reply(tool, catalog, services.links) for tool in tools.every() if tool.is_for(tenant)],
        problems=[ToolProblem(message=message) for message in tools.broken()],
    )
