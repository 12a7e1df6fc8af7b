"""The routes of the models before V3."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from server.api.body_schema import body_schema
from server.api.dependencies import ServicesDep, Submitter
from server.api.dialects.ideogram import tasks
from server.api.dialects.ideogram.body import form_schema, image_request, read_body, stored_file, validated
from server.api.dialects.ideogram.errors import REFUSED, ForbiddenKeyRoute, IdeogramRoute
from server.api.dialects.ideogram.masks import MASK, stored_mask
from server.api.dialects.ideogram.painting import paint, prompt_params
from server.api.dialects.ideogram.request_legacy import (
    IMAGE_FILE,
    EditLegacyRequest,
    GenerateLegacyRequest,
    ReframeLegacyRequest,
    RemixLegacyRequest,
)
from server.api.dialects.model_names import has_captioner

router = APIRouter(tags=["ideogram"], route_class=IdeogramRoute, responses=REFUSED)
remix_router = APIRouter(tags=["ideogram"], route_class=ForbiddenKeyRoute, responses=REFUSED)


def _generate_body() -> dict[str, Any]:
    properties = {"image_request": body_schema(GenerateLegacyRequest)}
    schema = {"type": "object", "properties": properties, "required": ["image_request"]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post("/generate", openapi_extra=_generate_body())
async def generate_legacy(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """Images from a prompt, in the form of the models before V3."""
    body = image_request(GenerateLegacyRequest, await read_body(request))
    painting = tasks.generate(await prompt_params(services, tenant, body), body.size)
    return await paint(request, services, tenant, body, painting)


@remix_router.post("/remix", openapi_extra=form_schema(RemixLegacyRequest, IMAGE_FILE, in_request=True))
async def remix_legacy(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """A picture, cropped to the size of the request and repainted as the prompt says."""
    form = await read_body(request)
    body = image_request(RemixLegacyRequest, form)
    picture = await stored_file(services, tenant, form, IMAGE_FILE)
    painting = tasks.remix(await prompt_params(services, tenant, body), picture, body.size, body.image_weight)
    return await paint(request, services, tenant, body, painting)


@router.post("/edit", openapi_extra=form_schema(EditLegacyRequest, IMAGE_FILE, MASK))
async def edit_legacy(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """A picture, repainted where the mask is black."""
    form = await read_body(request)
    body = validated(EditLegacyRequest, form.fields)
    picture = await stored_file(services, tenant, form, IMAGE_FILE)
    mask = await stored_mask(services, tenant, form, picture)
    painting = tasks.edit(await prompt_params(services, tenant, body), picture, mask)
    return await paint(request, services, tenant, body, painting)


@router.post("/reframe", openapi_extra=form_schema(ReframeLegacyRequest, IMAGE_FILE))
async def reframe_legacy(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """A picture in a frame of another shape, with more around it."""
    form = await read_body(request)
    body = validated(ReframeLegacyRequest, form.fields)
    picture = await stored_file(services, tenant, form, IMAGE_FILE)
    params, describes = await prompt_params(services, tenant, body), has_captioner(services.catalog)
    painting = tasks.reframe(params, picture, body.size, describes=describes)
    return await paint(request, services, tenant, body, painting)
