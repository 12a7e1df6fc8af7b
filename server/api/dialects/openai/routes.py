"""The routes /v1/images/generations, /edits and /variations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import ValidationError

from server.api.authenticated_route import SubmissionRoute
from server.api.dependencies import ServicesDep, Submitter
from server.api.dialects.openai.answers import AnsweredRequest, ImagesReply, images_reply, linked_results
from server.api.dialects.openai.errors import OpenAIErrorReply, OpenAIRoute, blocked_problem, failure_problem, refuse
from server.api.dialects.openai.inputs import read_pictures
from server.api.dialects.openai.plan import Plan, TaskOptions, submissions
from server.api.dialects.openai.request import EditRequest, GenerationRequest, ImageRequest, VariationRequest
from server.api.dialects.openai.schema import EDIT_BODY, STREAM, VARIATION_BODY
from server.api.dialects.openai.stream import ImageStream
from server.api.dialects.openai.tasks import plan_edit, plan_generation, plan_variation
from server.api.router import Router
from server.services import Services
from server.task import Output, Status
from server.tasks.submission import InvalidParamsError
from server.tasks.validation_errors import describe_errors
from server.tasks.waiting import submit_all, wait_for_all

NAME = "openai"
DEFAULT_QUALITY = Output().quality
REQUEST_ID = "X-Request-Id"
"""OpenAI's clients show its value to people: the id of the first task."""
UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""Keep proxies from holding events back."""
REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": OpenAIErrorReply, "description": "Refused; `error.message` tells why."}
    for status in (400, 401, 403, 404, 409, 410, 413, 429, 500, 503)
}
ANSWERS: dict[int | str, dict[str, Any]] = {200: {"model": ImagesReply, "content": STREAM}, **REFUSED}
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200)]
R = TypeVar("R", bound=ImageRequest)


class PaintingRoute(SubmissionRoute, OpenAIRoute):
    """A route that submits tasks."""


router = Router(prefix="/v1/images", tags=["openai"], route_class=PaintingRoute, responses=ANSWERS)


@router.post("/generations")
async def generate_images(
    body: GenerationRequest,
    request: Request,
    services: ServicesDep,
    tenant: Submitter,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Images from a prompt. The answer comes once they are painted; with `stream`, previews come before."""
    plan = plan_generation(body, services.catalog)
    answered = AnsweredRequest(body, body.prompt, plan.params["text"])
    return await _paint(request, services, tenant, plan, answered, "image_generation", idempotency_key)


@router.post("/edits", openapi_extra={"requestBody": EDIT_BODY})
async def edit_image(
    request: Request, services: ServicesDep, tenant: Submitter, idempotency_key: IdempotencyKey = None
) -> Response:
    """Changes a picture as a prompt says; with `mask`, only where the mask is transparent."""
    sent = await read_pictures(request, services, tenant)
    body = _validated(EditRequest, sent.fields)
    plan = plan_edit(body, sent, services.catalog)
    answered = AnsweredRequest(body, body.prompt, plan.params["text"], sent.pictures)
    return await _paint(request, services, tenant, plan, answered, "image_edit", idempotency_key)


@router.post("/variations", openapi_extra={"requestBody": VARIATION_BODY})
async def vary_image(
    request: Request, services: ServicesDep, tenant: Submitter, idempotency_key: IdempotencyKey = None
) -> Response:
    """Pictures that resemble one."""
    sent = await read_pictures(request, services, tenant)
    body = _validated(VariationRequest, sent.fields)
    plan = plan_variation(body, sent, services.catalog)
    answered = AnsweredRequest(body, "", plan.params["text"], sent.pictures)
    return await _paint(request, services, tenant, plan, answered, "image_edit", idempotency_key)


def _validated(kind: type[R], fields: Mapping[str, Any]) -> R:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        field, message = describe_errors(error.errors(include_url=False), kind.model_fields)
        raise InvalidParamsError(message, field) from error


async def _paint(
    request: Request,
    services: Services,
    tenant: str,
    plan: Plan,
    answered: AnsweredRequest,
    kind: str,
    idempotency_key: str | None,
) -> Response:
    """Submits the tasks of a request and answers with their images. Raises what `submit_all` raises."""
    body, cancels = answered.request, idempotency_key is None and NAME in services.settings.cancel_on_hang_up
    options = TaskOptions(tenant, NAME, _output(body), body.priority, body.retention, idempotency_key)
    views = await submit_all(services, submissions(plan, body.n, options, apart=body.stream))
    headers = {REQUEST_ID: views[0].task.id}
    if body.stream:
        stream = ImageStream(services, answered, kind, cancels=cancels)
        return StreamingResponse(stream.bytes_of(views), 200, headers | UNBUFFERED, "text/event-stream")
    ended = await wait_for_all(services, views, request.receive, cancels=cancels)
    for manifest in ended:
        if manifest.outcome.status is not Status.SUCCEEDED:
            return refuse(failure_problem(manifest.outcome.status, manifest.outcome.failure))
    if not linked_results(services, ended):
        return refuse(blocked_problem(next((i.reason for m in ended for i in m.outcome.images), "there is none")))
    return JSONResponse((await images_reply(services, answered, ended)).model_dump(exclude_none=True), 200, headers)


def _output(body: ImageRequest) -> Output:
    compression = body.output_compression
    return Output(format=body.output_format, quality=DEFAULT_QUALITY if compression is None else max(compression, 1))
