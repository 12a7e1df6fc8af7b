"""The routes of V3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from fastapi import APIRouter, Request, Response

from server.api.body_schema import body_schema
from server.api.dependencies import ServicesDep, Submitter
from server.api.dialects.forms import Form
from server.api.dialects.ideogram import tasks
from server.api.dialects.ideogram.body import form_schema, read_body, stored_file, validated
from server.api.dialects.ideogram.errors import REFUSED, ForbiddenKeyRoute, IdeogramRoute
from server.api.dialects.ideogram.masks import MASK, stored_mask
from server.api.dialects.ideogram.painting import Painting, paint, prompt_params
from server.api.dialects.ideogram.request_v3 import (
    GenerateV3Request,
    ReframeV3Request,
    RemixV3Request,
    TransparentRequest,
    V3Request,
)
from server.api.dialects.ideogram.style_codes import CHARACTER, PICTURES, FollowedStyle, followed_style
from server.api.dialects.model_names import has_captioner
from server.services import Services
from server.tasks.input_images import Upload

IMAGE = "image"
R = TypeVar("R", bound=V3Request)

router = APIRouter(prefix="/v1/ideogram-v3", tags=["ideogram"], route_class=IdeogramRoute, responses=REFUSED)


@dataclass(frozen=True, slots=True)
class V3Call(Generic[R]):
    """A request that has been read and checked, but for its pictures."""

    request: Request
    services: Services
    tenant: str
    form: Form
    body: R
    params: Mapping[str, Any]
    """Those that all paintings share."""
    style: FollowedStyle

    async def picture(self) -> Upload:
        """Raises what `stored_file` raises."""
        return await stored_file(self.services, self.tenant, self.form, IMAGE)

    async def paint(self, painting: Painting) -> Response:
        """Raises what `paint` raises."""
        painting = replace(painting, style_codes=self.style.codes)
        return await paint(self.request, self.services, self.tenant, self.body, painting)


async def _read(kind: type[R], request: Request, services: Services, tenant: str) -> V3Call[R]:
    form = await read_body(request, supported=(CHARACTER,))
    body = validated(kind, form.fields)
    params = await prompt_params(services, tenant, body)
    style = await followed_style(services, tenant, form, body, str(params["model"]))
    return V3Call(request, services, tenant, form, body, {**params, **style.params}, style)


def _schema(kind: type[V3Request], *files: str) -> dict[str, Any]:
    """The body in the OpenAPI document: JSON, too, where no file is needed."""
    body = form_schema(kind, *files)
    content = body["requestBody"]["content"]
    properties = content["multipart/form-data"]["schema"]["properties"]
    for name in (PICTURES, CHARACTER):
        properties[name] = {"type": "array", "items": {"type": "string", "format": "binary"}}
    if not files:
        content["application/json"] = {"schema": body_schema(kind)}
    return body


@router.post("/generate", openapi_extra=_schema(GenerateV3Request))
async def generate_v3(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """Images from a prompt. The answer comes once they are painted."""
    call = await _read(GenerateV3Request, request, services, tenant)
    return await call.paint(tasks.generate(call.params, call.body.size))


@router.post("/generate-transparent", openapi_extra=_schema(TransparentRequest))
async def generate_transparent_v3(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """Images of an object without background."""
    call = await _read(TransparentRequest, request, services, tenant)
    return await call.paint(tasks.generate_transparent(call.params, call.body.size, call.body.scale))


async def remix_v3(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """A picture, cropped to the size of the request and repainted as the prompt says."""
    call = await _read(RemixV3Request, request, services, tenant)
    painting = tasks.remix(call.params, await call.picture(), call.body.size, call.body.image_weight)
    return await call.paint(painting)


router.add_api_route(
    "/remix",
    remix_v3,
    methods=["POST"],
    openapi_extra=_schema(RemixV3Request, IMAGE),
    route_class_override=ForbiddenKeyRoute,
)


@router.post("/edit", openapi_extra=_schema(V3Request, IMAGE, MASK))
@router.post("/inpaint", openapi_extra=_schema(V3Request, IMAGE, MASK))
async def edit_v3(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """A picture, repainted where the mask is black."""
    call = await _read(V3Request, request, services, tenant)
    picture = await call.picture()
    mask = await stored_mask(services, tenant, call.form, picture)
    return await call.paint(tasks.edit(call.params, picture, mask))


@router.post("/reframe", openapi_extra=_schema(ReframeV3Request, IMAGE))
async def reframe_v3(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """A picture in a frame of another shape, with more around it."""
    call = await _read(ReframeV3Request, request, services, tenant)
    picture, describes = await call.picture(), has_captioner(services.catalog)
    return await call.paint(tasks.reframe(call.params, picture, call.body.size, describes=describes))


@router.post("/replace-background", openapi_extra=_schema(V3Request, IMAGE))
async def replace_background_v3(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """The main object of a picture before another background."""
    call = await _read(V3Request, request, services, tenant)
    return await call.paint(tasks.replace_background(call.params, await call.picture()))
