"""小工具 and 应用工具: the stored tools of this server, each with a form, in the format of this API.

The documents name `/utilityTool/detail` and `/workflow/task/detail`. The other addresses are Hua's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request
from pydantic import Field

from server.api.dependencies import Reader, ServicesDep, Submitter
from server.api.dialects.chuzhan.answers import Answer, Reply, task_detail
from server.api.dialects.chuzhan.refusals import ChuzhanRoute, DrawRoute, RefusedReply
from server.api.dialects.chuzhan.request import Body, DetailRequest, NotifiedRequest, Picture, StyleId
from server.api.dialects.chuzhan.tasks import find_task, submit_task
from server.services import Services
from server.tasks.tool_values import naming_fields
from server.tools.field import Item, ToolField, ToolValueError
from server.tools.tool import Tool
from server.tools.tools import UnknownToolError

Group = Literal["workflow", "utility"]

router = APIRouter(route_class=ChuzhanRoute)


class WorkflowRequest(Body):
    workflow_id: StyleId = Field(max_length=64, description="The id of a tool.")


class WorkflowSubmission(WorkflowRequest, NotifiedRequest):
    fields: dict[str, Any] = Field({}, description="What is filled in, by the id of the field.")


class ToolRequest(Body):
    utility_tool_id: StyleId = Field(max_length=64, description="The id of a tool.")


class ToolSubmission(ToolRequest, NotifiedRequest):
    img: Picture | None = None
    mask_img: Picture | None = Field(None, description="Its white pixels are replaced, as the tool says.")
    options: dict[str, Any] = Field({}, description="The chosen item of each option, and other fields, by id.")


class ItemData(Answer):
    id: str
    name: str
    cover_image_url: str = Field(description="Needs a key, as all addresses. Empty: there is no picture.")


class FieldData(Answer):
    id: str
    name: str
    type: str = Field(description="image, mask, text, number, integer, choice, bool, size or seed.")
    required: bool
    default: Any = None
    items: list[ItemData] = Field([], description="The values of a choice.")


class WorkflowData(Answer):
    id: str
    name: str
    cover_image_url: str
    fields: list[FieldData]


class OptionData(Answer):
    id: str
    name: str
    required: bool
    items: list[ItemData]


class ToolData(Answer):
    id: str
    name: str
    options: list[OptionData]
    mask_required: bool
    fields: list[FieldData] = Field(description="What is filled in beside the options, `img` and `maskImg`.")


class SubmittedData(Answer):
    painting_sign: str = Field(description="The `taskId` for /workflow/task/detail and /v1/task/detail.")
    used: float = Field(description="The price of the tool, by the operator's table.")
    balance: None = Field(None, description="This server has no points.")


class FileData(Answer):
    file_url: str
    audit: int = Field(description="0: the image passed. 1: the audit withholds it, and `fileUrl` is empty.")


class WorkflowTaskData(Answer):
    task_id: str
    state: str = Field(description="in_queue, running, success or fail.")
    fail_reason: str
    progress: float = Field(description="0 to 1.")
    cover_image_url: str = Field(description="The first image.")
    files: list[FileData]


@router.post("/workflow/detail", response_model=Reply[WorkflowData] | RefusedReply)
async def get_workflow(body: WorkflowRequest, services: ServicesDep, tenant: Reader) -> Reply[WorkflowData]:
    """The form of a tool of the group `workflow`."""
    tool = await _find(services, body.workflow_id, tenant, "workflow")
    cover, fields = _cover(services, tool, tool.cover), [_field(services, tool, each) for each in tool.fields]
    return Reply(data=WorkflowData(id=tool.id, name=_name(tool), cover_image_url=cover, fields=fields))


@router.post("/utilityTool/detail", response_model=Reply[ToolData] | RefusedReply)
async def get_utility_tool(body: ToolRequest, services: ServicesDep, tenant: Reader) -> Reply[ToolData]:
    """The options of a tool of the group `utility`."""
    tool = await _find(services, body.utility_tool_id, tenant, "utility")
    choices = [field for field in tool.fields if field.type == "choice"]
    pictures = {field.id for field in (_first(tool, "image"), _first(tool, "mask")) if field}
    others = [field for field in tool.fields if field not in choices and field.id not in pictures]
    mask = _first(tool, "mask")
    return Reply(
        data=ToolData(
            id=tool.id,
            name=_name(tool),
            options=[
                OptionData(
                    id=field.id,
                    name=_name(field),
                    required=field.required,
                    items=[_item(services, tool, item) for item in field.items],
                )
                for field in choices
            ],
            mask_required=mask is not None and mask.required,
            fields=[_field(services, tool, field) for field in others],
        )
    )


async def submit_workflow(
    body: WorkflowSubmission,
    services: ServicesDep,
    tenant: Submitter,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Reply[SubmittedData]:
    """Submits the filled-in form of a tool."""
    tool = await _find(services, body.workflow_id, tenant, "workflow")
    return await _submit(services, tenant, tool, body.fields, body, idempotency_key)


async def submit_utility_tool(
    body: ToolSubmission,
    services: ServicesDep,
    tenant: Submitter,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Reply[SubmittedData]:
    """Submits a tool with its options, a picture and a mask."""
    tool = await _find(services, body.utility_tool_id, tenant, "utility")
    values = dict(body.options)
    for name, kind, picture in (("img", "image", body.img), ("maskImg", "mask", body.mask_img)):
        if picture is not None:
            field = _first(tool, kind)
            if field is None:
                raise ToolValueError(name, "is a picture that this tool has no use for; leave it out")
            values[field.id] = picture
    return await _submit(services, tenant, tool, values, body, idempotency_key)


for _path, _submit_route in (("/workflow/submit", submit_workflow), ("/utilityTool/submit", submit_utility_tool)):
    router.add_api_route(
        _path,
        _submit_route,
        methods=["POST"],
        response_model=Reply[SubmittedData] | RefusedReply,
        route_class_override=DrawRoute,
    )


@router.post("/workflow/task/detail", response_model=Reply[WorkflowTaskData] | RefusedReply)
async def get_workflow_task(
    body: DetailRequest, request: Request, services: ServicesDep, tenant: Reader
) -> Reply[WorkflowTaskData]:
    """The state and the files of a task that a tool made; with `waitUtilEnd`, not before it has ended."""
    record = await find_task(services, tenant, body, request)
    found = task_detail(record, services.links, body, services.clock())
    return Reply(
        data=WorkflowTaskData(
            task_id=found.task_id,
            state=found.state,
            fail_reason=found.fail_reason,
            progress=found.progress,
            cover_image_url=found.img_url,
            files=[FileData(file_url=image.image_url, audit=image.audit) for image in found.images],
        )
    )


async def _find(services: Services, id: str, tenant: str, group: Group) -> Tool:
    """Raises UnknownToolError."""
    tool = await asyncio.to_thread(services.tools.find, id, tenant)
    if tool.group != group:
        raise UnknownToolError(f"tool {id!r} is of the group {tool.group!r}; use the addresses of that group")
    return tool


async def _submit(
    services: Services,
    tenant: str,
    tool: Tool,
    values: Mapping[str, Any],
    body: NotifiedRequest,
    idempotency_key: str | None,
) -> Reply[SubmittedData]:
    filled = tool.fill(values)
    with naming_fields(filled):
        view = await submit_task(services, tenant, body, "workflow", filled.params, idempotency_key)
    return Reply(data=SubmittedData(painting_sign=view.task.id, used=tool.price or 0))


def _first(tool: Tool, kind: str) -> ToolField | None:
    """The first field of a type."""
    return next((field for field in tool.fields if field.type == kind), None)


def _name(named: Tool | ToolField | Item) -> str:
    """In Chinese, as the texts of this API are, if it has such a name."""
    return named.name_zh or named.name or named.id


def _field(services: Services, tool: Tool, field: ToolField) -> FieldData:
    return FieldData(
        id=field.id,
        name=_name(field),
        type=field.type,
        required=field.required,
        default=field.default,
        items=[_item(services, tool, item) for item in field.items],
    )


def _item(services: Services, tool: Tool, item: Item) -> ItemData:
    return ItemData(id=item.id, name=_name(item), cover_image_url=_cover(services, tool, item.cover))


def _cover(services: Services, tool: Tool, name: str) -> str:
    return services.links.tool_picture(tool.id, name) if name else ""
