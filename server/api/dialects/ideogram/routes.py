"""The routes: generate of V3 and of the older models."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from json import JSONDecodeError
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from server.api.dependencies import ServicesDep, Submitter
from server.api.dialects.forms import is_form, read_form
from server.api.dialects.ideogram.errors import IdeogramRoute, refuse
from server.api.dialects.ideogram.request import UNSUPPORTED, GenerateRequest, LegacyRequest, V3Request
from server.api.dialects.model_names import is_missing
from server.api.errors import Problem
from server.api.task_response import linked_images
from server.services import Services
from server.task import Manifest, Status
from server.tasks.submission import InvalidParamsError, Submission
from server.tasks.validation_errors import describe_errors
from server.tasks.waiting import refuse_failed, submit_all, wait_for_all

NAME = "ideogram"
MAX_FILES = 12
SEEDS = 2**31 - 8
"""Ideogram's seeds end here; image i has seed + i."""
LARGEST_SIDE = 1024
"""The `max_wh` of tasks that do not set it."""
REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"description": "Refused; `error` tells why."} for status in (400, 401, 403, 409, 413, 429, 500, 503)
}
R = TypeVar("R", bound=GenerateRequest)

_routes = APIRouter(tags=["ideogram"], route_class=IdeogramRoute, responses=REFUSED)


def _body(kind: type[GenerateRequest], *, legacy: bool) -> dict[str, Any]:
    schema = kind.model_json_schema()
    if legacy:
        wrapped = {"type": "object", "properties": {"image_request": schema}, "required": ["image_request"]}
        return {"requestBody": {"required": True, "content": {"application/json": {"schema": wrapped}}}}
    types = ("multipart/form-data", "application/json")
    return {"requestBody": {"required": True, "content": {each: {"schema": schema} for each in types}}}


@_routes.post("/v1/ideogram-v3/generate", openapi_extra=_body(V3Request, legacy=False))
async def generate_v3(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """Images from a prompt. The answer comes once they are painted."""
    body = _validated(V3Request, await _fields(request))
    return await _paint(request, services, tenant, body, "V_3")


@_routes.post("/generate", openapi_extra=_body(LegacyRequest, legacy=True))
async def generate_legacy(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """Images from a prompt, in the form of the models before V3."""
    fields = (await _fields(request)).get("image_request")
    if not isinstance(fields, dict):
        raise InvalidParamsError("image_request is missing; send it as a JSON object", "image_request")
    body = _validated(LegacyRequest, fields)
    return await _paint(request, services, tenant, body, body.model)


router = APIRouter()
router.include_router(_routes)
router.include_router(_routes, prefix="/ideogram", include_in_schema=False)


async def _fields(request: Request) -> dict[str, Any]:
    if is_form(request):
        form = await read_form(request, MAX_FILES)
        return {**form.files, **form.fields}
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise HTTPException(400) from error
    if not isinstance(body, dict):
        raise HTTPException(400)
    return body


def _validated(kind: type[R], fields: Mapping[str, Any]) -> R:
    for name, advice in UNSUPPORTED.items():
        if fields.get(name):
            raise InvalidParamsError(f"{name} is not supported here; {advice}", name)
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        field, message = describe_errors(error.errors(include_url=False), kind.model_fields)
        raise InvalidParamsError(message, field) from error


async def _paint(request: Request, services: Services, tenant: str, body: GenerateRequest, model: str) -> Response:
    width, height = body.size
    params = {
        "text": body.words,
        "negative_prompt": body.negative_prompt,
        "model": services.catalog.default.name if is_missing(services.catalog, model) else model,
        "w": width,
        "h": height,
        "max_wh": max(width, height, LARGEST_SIDE),
        "num_steps": body.steps,
        "num_samples": body.num_images,
        "seed": secrets.randbelow(SEEDS) if body.seed is None else body.seed,
    }
    views = await submit_all(services, [Submission(type="txt2img.sd", params=params, tenant=tenant, dialect=NAME)])
    cancels = NAME in services.settings.cancel_on_hang_up
    ended = await wait_for_all(services, views, request.receive, cancels=cancels)
    refuse_failed(ended)
    if ended[0].outcome.status is Status.CANCELED:
        return refuse(Problem(409, "canceled", "the task was canceled; send the request again"))
    return JSONResponse(_answer(services, body, ended[0]))


def _answer(services: Services, body: GenerateRequest, manifest: Manifest) -> dict[str, Any]:
    """The links of the images; an image that the audit withholds has none."""
    images = [
        {
            "prompt": body.words,
            "resolution": f"{image.width}x{image.height}",
            "is_image_safe": image.safe,
            "seed": image.seed,
            "url": url or None,
            "style_type": body.style_type,
        }
        for url, image in linked_images(manifest, "image", services.links)
    ]
    created = datetime.fromtimestamp(manifest.outcome.finished_at, UTC)
    return {"created": created.strftime("%Y-%m-%dT%H:%M:%SZ"), "data": images}
