"""The routes of this API: draw, the detail of a task, the customer; and what is refused by name."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Request, Response
from pydantic import Field

from server.api.dependencies import Reader, ServicesDep, Submitter
from server.api.dialects.chuzhan import tools
from server.api.dialects.chuzhan.answers import Answer, Reply, TaskDetail, task_detail
from server.api.dialects.chuzhan.midjourney import routes as midjourney
from server.api.dialects.chuzhan.options import without_missing
from server.api.dialects.chuzhan.prices import ConsumeItem, consumption, price
from server.api.dialects.chuzhan.refusals import PREFIX, REFUSED, ChuzhanRoute, DrawRoute, RefusedReply, refuse
from server.api.dialects.chuzhan.request import DetailRequest, DrawRequest
from server.api.dialects.chuzhan.tasks import find_task, submit_task
from server.api.dialects.chuzhan.workflow import sent_name, task_of
from server.api.errors import Problem
from server.api.router import Router
from server.services import Services
from server.task import Status
from server.tasks.input_images import BadInputError

NOT_OFFERED = {
    "/v1/train": "training is not offered; train a LoRA elsewhere and put its file into the models folder",
}


class DrawData(Answer):
    painting_sign: str | None = Field(None, description="The `taskId` for /aiapi/v1/task/detail.")
    task_limit_count: int = Field(description="How many unfinished tasks the tenant may have.")
    used: int = Field(description="What the hosted service would have charged.")
    estimate_used: int = Field(description="What the hosted service would charge.")
    balance: None = Field(None, description="This server has no points.")
    consume_detail: list[ConsumeItem]


class Customer(Answer):
    customer_name: str
    task_limit_count: int = Field(description="How many unfinished tasks the tenant may have.")
    task_count: int = Field(description="How many it has.")
    balance: None = Field(None, description="This server has no points.")


router = Router(prefix=PREFIX, tags=["chuzhan"], route_class=ChuzhanRoute, responses=REFUSED)


async def draw(
    body: DrawRequest,
    services: ServicesDep,
    tenant: Submitter,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Reply[DrawData]:
    """Accepts a task. Its result is available from /aiapi/v1/task/detail, and is sent to `callback`, if that is set."""
    body, left_out = without_missing(body, services.catalog)
    note = f"left out, because this server has no model for it: {', '.join(left_out)}" if left_out else ""
    estimate = price(body)
    data = DrawData(
        task_limit_count=_task_limit(services, tenant),
        used=0 if body.predict_consume else estimate,
        estimate_used=estimate,
        consume_detail=consumption(body),
    )
    if body.predict_consume:
        return Reply(data=data, msg=note)
    task_type, params = task_of(body, services.catalog)
    try:
        view = await submit_task(services, tenant, body, task_type, params, idempotency_key)
    except BadInputError as error:
        raise BadInputError(sent_name(error.field, params), error.message) from error
    return Reply(data=data.model_copy(update={"painting_sign": view.task.id}), msg=note)


router.add_api_route(
    "/v1/draw",
    draw,
    methods=["POST"],
    response_model=Reply[DrawData] | RefusedReply,
    response_model_exclude_none=True,
    route_class_override=DrawRoute,
)


@router.post("/v1/task/detail", response_model=Reply[TaskDetail] | RefusedReply)
async def get_task_detail(
    body: DetailRequest, request: Request, services: ServicesDep, tenant: Reader
) -> Reply[TaskDetail]:
    """The state of a task, and its images once it has ended; with `waitUtilEnd`, not before."""
    record = await find_task(services, tenant, body, request)
    return Reply(data=task_detail(record, services.links, body, services.clock()))


@router.post("/v1/customer/detail", response_model=Reply[Customer] | RefusedReply)
async def get_customer(services: ServicesDep, tenant: Reader) -> Reply[Customer]:
    """The tenant of the key. This address is Hua's own: that API's document does not name the one it has."""
    unfinished = [(await services.queue.recent(tenant, status, 1, 1))[1] for status in (Status.QUEUED, Status.RUNNING)]
    limit = _task_limit(services, tenant)
    return Reply(data=Customer(customer_name=tenant, task_limit_count=limit, task_count=sum(unfinished)))


router.include_router(tools.router)
router.include_router(midjourney.router)


def _refuse_below(path: str, message: str) -> None:
    async def refuse_by_name(tenant: Reader, rest: str) -> Response:
        return refuse(Problem(404, "not_offered", message))

    router.add_api_route(f"{path}/{{rest:path}}", refuse_by_name, methods=["POST"], include_in_schema=False)


for _path, _message in NOT_OFFERED.items():
    _refuse_below(_path, _message)


def _task_limit(services: Services, tenant: str) -> int:
    return services.tenants.policy(tenant).task_limit or services.settings.task_limit
